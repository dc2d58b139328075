#!/bin/busybox sh
# PID 1 of the lab's emulated host: load modules, mount the real root below a throw-away overlay, run one command there.
B=/bin/busybox
$B mount -t proc proc /proc
$B mount -t sysfs sysfs /sys
$B mount -t devtmpfs dev /dev
while read -r module; do
  case $module in
    kvm-amd.ko) $B insmod /modules/$module nested=0 npt=1 || echo "lab: cannot load $module" ;;
    *) $B insmod /modules/$module || echo "lab: cannot load $module" ;;
  esac
done < /modules.order

NINE=trans=virtio,version=9p2000.L,msize=512000,access=any
$B mount -t 9p -o ro,cache=loose,$NINE root /host || echo "lab: cannot mount the root folder"
$B mount -t tmpfs -o size=75% tmpfs /upper
$B mkdir /upper/data /upper/work
$B mount -t overlay -o lowerdir=/host,upperdir=/upper/data,workdir=/upper/work overlay /new || echo "lab: no overlay"
$B mount --move /proc /new/proc
$B mount --move /sys /new/sys
$B mount --move /dev /new/dev
$B mkdir -p /new/dev/shm /new/dev/pts /new/lab
$B mount -t tmpfs tmpfs /new/dev/shm
$B mount -t devpts devpts /new/dev/pts
$B mount -t tmpfs tmpfs /new/run
$B mount -t 9p -o $NINE control /new/lab || echo "lab: cannot mount the control folder"
while read -r tag path; do
  $B mkdir -p "/new$path"
  $B mount -t 9p -o $NINE "$tag" "/new$path" || echo "lab: cannot mount $path"
done < /new/lab/shares
[ -e /new/dev/fd ] || $B ln -s /proc/self/fd /new/dev/fd
[ -e /new/dev/stdin ] || { $B ln -s fd/0 /new/dev/stdin; $B ln -s fd/1 /new/dev/stdout; $B ln -s fd/2 /new/dev/stderr; }
$B ip link set lo up
$B hostname lab

# From here on with /new as the root folder: of this process, of the kernel's threads, which share it and load modules by
# its /sbin/modprobe, and of the mount namespace, without which nobody could make a user namespace.
cd /new || echo "lab: no root folder"
$B mount --move . /
exec $B chroot . $B sh -c '
  B=/bin/busybox
  port() {
    for p in /sys/class/virtio-ports/*; do
      [ "$($B cat $p/name 2>/dev/null)" = "$1" ] && echo "/dev/$($B basename $p)" && return
    done
  }
  # The sign of life that lab.sh looks for.
  ( while $B sleep 5; do $B cat /proc/uptime > /lab/alive; done ) &
  OUT=$(port lab.stdout) ERR=$(port lab.stderr)
  /bin/bash /lab/command < /dev/null > "$OUT" 2> "$ERR"
  echo $? > /lab/status
  $B sync
  $B sleep 0.2
  $B poweroff -f'
