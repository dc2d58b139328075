#!/usr/bin/env bash
# The lab: `scripts/lab [--share DIR]... [--] COMMAND [ARG...]`. See README.md in this folder.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
source "$here/host_kernel.sh"

memory_mib=${LAB_MEMORY_MIB:-4096}
time_limit_s=${LAB_TIME_LIMIT_S:-900}
still_limit_s=180
shares=()

usage() {
  sed -n '2p' "$0" | cut -c3-
  echo "  --share DIR   mount DIR read-write, at its own path (everything else is a copy on write that is lost)"
  echo "  LAB_MEMORY_MIB (4096), LAB_TIME_LIMIT_S (900), LAB_LOG=FILE (the emulated host's kernel log)"
}

fail() { echo "lab: $*" >&2; exit 125; }

while [ $# -gt 0 ]; do
  case $1 in
    --share) [ -d "${2:-}" ] || fail "--share: no folder \"${2:-}\""; shares+=("$(readlink -f "$2")"); shift 2 ;;
    --) shift; break ;;
    -h|--help) usage; exit 0 ;;
    -*) fail "unknown option $1 (see --help)" ;;
    *) break ;;
  esac
done
[ $# -gt 0 ] || { usage >&2; exit 125; }
command -v qemu-system-x86_64 >/dev/null || fail "qemu-system-x86_64 is missing: run scripts/setup demo"

kernel=$(lab_kernel) || fail "no vmlinuz-*-amd64 with kvm-amd and 9p in /boot or build/tools/boot: run scripts/setup demo"
read -r kernel_root kernel_release <<< "$kernel"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/bartizan/lab
initramfs=$(lab_initramfs "$kernel_root" "$kernel_release" "$cache")

control=$(mktemp -d "${TMPDIR:-/tmp}/bartizan-lab.XXXXXX")
emulator_pid=
clean_up() {
  [ -z "$emulator_pid" ] || kill "$emulator_pid" 2>/dev/null || true
  rm -rf "$control"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# What to run, as a script: the working folder, the environment, the command.
{
  printf 'cd %q\n' "$PWD"
  export -p | grep -vE '^declare -x (OLDPWD|PWD|SHLVL|_)='
  printf 'exec'; printf ' %q' "$@"; printf '\n'
} > "$control/command"

extra=()
: > "$control/shares"
for i in "${!shares[@]}"; do
  echo "share$i ${shares[$i]}" >> "$control/shares"
  extra+=(-virtfs "local,path=${shares[$i]},mount_tag=share$i,security_model=none,multidevs=remap")
done

# The emulator opens its channels by name; through these pipes they share the offset of our own output.
exec 5> >(exec cat)
out_pid=$!
exec 6> >(exec cat >&2)
err_pid=$!

# A whole emulated CPU that takes no interrupt any more is the emulator's fault, not the command's: told apart by the sign of
# life that lab_init.sh writes. Counted in our own sleeps, so that a machine that was suspended does no harm.
watch_life() {
  local seen="" now missed=0
  while sleep 5; do
    now=$(cat "$control/alive" 2>/dev/null)
    if [ "$now" != "$seen" ]; then seen=$now missed=0; else missed=$((missed + 1)); fi
    if [ $missed -ge $((still_limit_s / 5)) ]; then
      : > "$control/still"
      kill "$1"
      return
    fi
  done
}

set +e
timeout --foreground -k 10 "$time_limit_s" qemu-system-x86_64 \
  -nodefaults -no-user-config -display none -no-reboot \
  -accel tcg,thread=single -cpu EPYC-Rome,+svm,+npt -smp 1 -m "$memory_mib" \
  -kernel "${kernel_root}boot/vmlinuz-$kernel_release" -initrd "$initramfs" \
  -append "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on no_timer_check" \
  -serial "file:${LAB_LOG:-$control/log}" \
  -device virtio-serial-pci,max_ports=4 \
  -chardev file,id=out,path=/proc/self/fd/5 -device virtserialport,chardev=out,name=lab.stdout \
  -chardev file,id=err,path=/proc/self/fd/6 -device virtserialport,chardev=err,name=lab.stderr \
  -device virtio-rng-pci \
  -virtfs local,path=/,mount_tag=root,security_model=none,multidevs=remap,readonly=on \
  -virtfs "local,path=$control,mount_tag=control,security_model=none" \
  "${extra[@]}" < /dev/null > "$control/emulator" 2>&1 &
emulator_pid=$!
watch_life "$emulator_pid" < /dev/null > /dev/null 2>&1 5>&- 6>&- &
watch_pid=$!
wait "$emulator_pid"
emulator_status=$?
emulator_pid=
kill "$watch_pid" 2>/dev/null
wait "$watch_pid" 2>/dev/null
exec 5>&- 6>&-
wait "$out_pid" "$err_pid"
set -e

if [ -e "$control/still" ]; then
  tail -n 20 "${LAB_LOG:-$control/log}" >&2
  echo "lab: the emulated host stood still for $still_limit_s s; its last lines are above" >&2
  exit 124
fi
[ $emulator_status -ne 124 ] || fail "no end after $time_limit_s s (LAB_TIME_LIMIT_S)"
if [ ! -s "$control/status" ]; then
  cat "$control/emulator" >&2
  tail -n 20 "${LAB_LOG:-$control/log}" >&2
  fail "the emulated host ended without a status (emulator: $emulator_status); its last lines are above"
fi
exit "$(cat "$control/status")"
