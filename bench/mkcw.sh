#!/usr/bin/env bash
# Prints the folder of a root file system with buildah of Debian 13, whose `buildah mkcw` works: made under build/ of packages
# from the mirror that this system uses. It is entered by chroot. Says why and fails if that cannot be.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
root=$PWD/build/bench/mkcw-root
fail() { echo "bench/mkcw.sh: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "needs root, to enter a root file system of another Debian"
if [ ! -x "$root/usr/bin/buildah" ]; then
  command -v mmdebstrap > /dev/null || fail "mmdebstrap is missing: apt-get install mmdebstrap"
  mirror=$(sed -n 's#^\(URIs: *\|deb \(\[[^]]*\] \)\?\)\(http[^ ]*/debian\)/\?\( .*\)\?$#\3#p' \
    /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2> /dev/null | head -n 1 || true)
  [ -n "$mirror" ] || fail "no Debian archive among the apt sources of this system"
  rm -rf "$root"
  mkdir -p "$(dirname "$root")"
  mmdebstrap --quiet --variant=extract --include=buildah,netavark,e2fsprogs,ca-certificates,coreutils trixie "$root" "$mirror" >&2 ||
    { rm -rf "$root"; fail "the packages of Debian 13 could not be had"; }
  for folder in bin sbin lib lib64; do [ -e "$root/$folder" ] || ln -s "usr/$folder" "$root/$folder"; done
  mkdir -p "$root/proc" "$root/root"
  echo 'root:x:0:0:root:/root:/bin/sh' > "$root/etc/passwd"
fi
chroot "$root" /usr/bin/buildah --version >&2 || fail "its buildah does not run here"
echo "$root"
