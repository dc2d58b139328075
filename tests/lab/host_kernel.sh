# Sourced by lab.sh and scripts/setup: which kernel the emulated host boots, and the initramfs that it boots with.

# Below these there are boot/ and lib/modules/: the machine's own, and what scripts/setup unpacked.
lab_kernel_roots=("" "$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../..")/build/tools")

# lab_kernel: prints "ROOT RELEASE" of the newest Debian kernel that has kvm-amd and 9p (the cloud kernels lack one or both);
# the machine's own come first.
lab_kernel() {
  local root image release
  for root in "${lab_kernel_roots[@]}"; do
    for image in $(ls -v "$root"/boot/vmlinuz-*-amd64 2>/dev/null | tac); do
      release=${image#"$root"/boot/vmlinuz-}
      if compgen -G "$root/lib/modules/$release/kernel/arch/x86/kvm/kvm-amd.ko*" > /dev/null &&
         compgen -G "$root/lib/modules/$release/kernel/fs/9p/9p.ko*" > /dev/null; then
        echo "$root/ $release"
        return 0
      fi
    done
  done
  return 1
}

# The modules that reach the root folder and run guests, with what they need, in load order: lab_modules ROOT RELEASE.
lab_modules() {
  PATH=$PATH:/usr/sbin:/sbin modprobe --show-depends --ignore-install -d "$1" -S "$2" -a \
    virtio_pci virtio_console virtio_rng 9pnet_virtio 9p overlay kvm-amd tun 2>/dev/null |
    awk '$1 == "insmod" && !seen[$2]++ {print $2}'
}

# lab_initramfs ROOT RELEASE CACHE: prints the path of the initramfs, made once for each kernel and version of lab_init.sh.
lab_initramfs() {
  local root=$1 release=$2 cache=$3 here output tree module
  here=$(dirname "${BASH_SOURCE[0]}")
  output="$cache/initramfs-$release-$(cat "$here"/*.sh | sha256sum | cut -c1-16).cpio"
  if [ ! -s "$output" ]; then
    mkdir -p "$cache"
    tree=$(mktemp -d "$cache/tree.XXXXXX")
    mkdir -p "$tree"/{bin,modules,proc,sys,dev,host,upper,new}
    cp "$(command -v busybox)" "$tree/bin/busybox"
    cp "$here/lab_init.sh" "$tree/init"
    chmod 755 "$tree/init"
    for module in $(lab_modules "$root" "$release"); do
      case $module in
        *.xz) xz -dc "$module" > "$tree/modules/$(basename "$module" .xz)" ;;
        *) cp "$module" "$tree/modules/" ;;
      esac
      basename "$module" .xz >> "$tree/modules.order"
    done
    (cd "$tree" && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet -o -H newc) > "$output.partial"
    mv "$output.partial" "$output"
    rm -rf "$tree"
  fi
  echo "$output"
}
