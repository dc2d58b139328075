# make_real.sh NAME CACHE FOLDER: the image src:latest of a Debian system with NAME in it and two more layers
# (upper_layers.py), as umoci unpacks it in want/ (as root: with owners, devices and attributes). What took long to get is
# kept in CACHE. Exit status 77: no Debian mirror.
set -e
name=$1 cache=$2 here=$(dirname "$(readlink -f "$0")")
cd "$3"
mkdir -p "$cache"
base=$cache/$name.tar
if [ ! -s "$base" ]; then
  case $name in
    busybox)  # from the machine itself: no network
      dpkg -L busybox-static | tar --create --no-recursion --numeric-owner --format=pax --files-from=- --file "$base.partial" --transform 's,^/,./,' ;;
    many | odd-names) python3 "$here/made_bases.py" "$name" "$base.partial" ;;
    *) mmdebstrap --quiet --variant=extract --include="$name" bookworm "$base.partial.tar" && mv "$base.partial.tar" "$base.partial" || exit 77 ;;
  esac
  mv "$base.partial" "$base"
fi
python3 "$here/upper_layers.py" "$base" middle.tar top.tar
umoci init --layout src
umoci new --image src:latest
umoci config --image src:latest --config.cmd sh
for layer in "$base" middle.tar top.tar; do umoci raw add-layer --image src:latest "$layer"; done
rm middle.tar top.tar
umoci unpack --image src:latest want
