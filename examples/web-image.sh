#!/bin/sh
# examples/web-image.sh FOLDER [TEXT]: makes FOLDER, an ordinary OCI layout whose image serves TEXT on port 80, out of this
# machine's busybox. Needs umoci and busybox-static (scripts/setup demo), no registry and no root.
set -eu
[ $# -ge 1 ] || { echo "usage: examples/web-image.sh FOLDER [TEXT]" >&2; exit 2; }
layout=$1 text=${2:-hello from the guest}
[ ! -e "$layout" ] || { echo "web-image: $layout exists" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/root/bin" "$work/root/www" "$work/root/tmp"
cp "$(command -v busybox)" "$work/root/bin/busybox"
echo "$text" > "$work/root/www/index.html"
tar -C "$work/root" --owner=0 --group=0 --numeric-owner -cf "$work/root.tar" .
umoci init --layout "$layout"
umoci new --image "$layout:latest"
umoci raw add-layer --image "$layout:latest" "$work/root.tar"
umoci config --image "$layout:latest" --config.entrypoint /bin/busybox --config.cmd httpd --config.cmd -f --config.cmd -p \
  --config.cmd 80 --config.cmd -h --config.cmd /www
