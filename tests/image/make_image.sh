# make_image.sh FOLDER: with umoci, the image src:latest of two layers that hold what layers can hold; unpacked, as
# umoci sees it, in want/.
set -e
cd "$1"
umoci init --layout src
umoci new --image src:latest
umoci config --image src:latest --config.env GREETING=hello --config.cmd true --manifest.annotation org.example.kind=demo
umoci unpack --rootless --image src:latest bundle
root=bundle/rootfs

mkdir -p $root/etc/deep/er $root/usr/bin $root/tmp $root/many $root/gone $root/replaced $root/relinked $root/opaque
printf 'the secret is blue' > $root/etc/secret
head -c 3000000 /dev/urandom > $root/usr/bin/big
for size in 1 2048 2049 3000 4095 4096 4097 6144 6145; do head -c $size /dev/urandom > $root/size-$size; done
: > $root/empty
ln $root/usr/bin/big $root/usr/bin/hard
ln $root/usr/bin/big $root/usr/bin/still-hard
ln -s ../etc/secret $root/usr/link
ln -s /usr/bin $root/bin
ln -s "$(printf 'x%.0s' $(seq 1 3500))" $root/long-link
for i in $(seq 1 700); do printf $i > $root/many/file-with-a-rather-long-name-number-$i; done
printf x > "$root/name with space, ü and $(printf '\201') no UTF-8"
printf x > "$root/$(printf 'n%.0s' $(seq 1 255))"
for i in gone/a opaque/old replaced/a relinked/a kept; do echo 1 > $root/$i; done
chmod 4755 $root/usr/bin/big
chmod 1777 $root/tmp
chmod 600 $root/etc/secret
mkfifo $root/pipe
touch -d '2001-02-03 04:05:06.123456789' $root/etc/secret
touch -d '1969-12-31 12:00:00.5' $root/empty
umoci repack --refresh-bundle --image src:latest bundle

echo 2 > $root/kept
rm -r $root/gone $root/relinked $root/replaced $root/opaque $root/usr/bin/hard
echo 2 > $root/replaced
mkdir $root/opaque
ln -s opaque $root/relinked
echo 2 > $root/opaque/new
chmod 700 $root/etc/deep
ln $root/many/file-with-a-rather-long-name-number-1 $root/linked
umoci repack --refresh-bundle --image src:latest bundle

umoci unpack --rootless --image src:latest want
