# SPDX-License-Identifier: GPL-2.0-only
# Unloading cachefiles and erofs: refused as long as anything uses them, without
# a trace afterwards, and at any moment between opening and closing the device.
# /image has copies/boot.img, copies/blob.img and source/large.
set -eu

fail() {
	echo "unload: $*" >&2
	exit 1
}

refused() { # module, why
	if rmmod "$1" 2>/dev/null; then fail "$1: rmmod: done, though $2"; fi
}

load() {
	for name in cachefiles erofs; do
		grep -q "^$name " /proc/modules && continue
		insmod /modules/*-$name.ko demand_compat=1 2>/dev/null ||
			insmod /modules/*-$name.ko
	done
}

start() {
	: >/tmp/bound
	serve run /scratch/root /image/copies 2 /tmp/log >/tmp/bound &
	daemon=$!
	until grep -q bound /tmp/bound; do
		kill -0 $daemon
		usleep 50000
	done
}

serve prepare /scratch/root erofs,boot.img /image/copies
mkdir -p /mnt/image

echo "-- not in use"
rmmod erofs
rmmod cachefiles
[ ! -e /dev/cachefiles_demand ] || fail "cachefiles: rmmod: the device stays"
[ ! -e /dev/cachefiles ] || fail "cachefiles: rmmod: the device stays"
load
[ -e /dev/cachefiles_demand ] || fail "cachefiles: insmod: no device"

echo "-- the device is open, nothing bound"
exec 5<>/dev/cachefiles_demand
refused cachefiles "the device is open"
exec 5>&-
rmmod cachefiles
load

echo "-- bound, then mounted, then read"
start
refused cachefiles "a daemon has bound a cache"
mount -t erofs -o fsid=boot.img,device=blob.img none /mnt/image
refused erofs "an image is mounted"
refused cachefiles "an image is mounted"
cmp /image/source/large /mnt/image/large || fail "read: the data differs"

echo "-- a reader waits and the daemon stands still"
umount /mnt/image
kill $daemon
wait $daemon || :
rm -rf /scratch/root
serve prepare /scratch/root erofs,boot.img /image/copies
start
mount -t erofs -o fsid=boot.img,device=blob.img none /mnt/image
ls /mnt/image >/dev/null
kill -STOP $daemon
cat /mnt/image/large >/tmp/have 2>/dev/null &
reader=$!
sleep 1
refused cachefiles "a reader waits"
refused erofs "a reader waits"
kill -CONT $daemon
wait $reader || fail "read: failed"
cmp /image/source/large /tmp/have || fail "read: the data differs"

echo "-- the daemon dies under the mount"
kill -9 $daemon
wait $daemon 2>/dev/null || :
for _ in $(seq 100); do
	if rmmod cachefiles 2>/dev/null; then break; fi
	usleep 50000
done
grep -q '^cachefiles ' /proc/modules && fail "cachefiles: rmmod: refused without a daemon"
refused erofs "an image is still mounted"
umount /mnt/image
rmmod erofs
load

echo "-- unloading while the device is opened and closed, 60 times"
(
	while [ ! -e /tmp/stop ]; do
		# not "<>", which makes a file of that name, nor ":", which ends the shell
		{ true </dev/cachefiles_demand; } 2>/dev/null || :
		usleep 1000
	done
) &
opener=$!
done=0
for _ in $(seq 60); do
	if rmmod cachefiles 2>/dev/null; then
		done=$((done + 1))
		insmod /modules/*-cachefiles.ko demand_compat=1
	fi
done
: >/tmp/stop
wait $opener
[ $done -gt 0 ] || fail "cachefiles: rmmod: never done"
[ -c /dev/cachefiles_demand ] || fail "cachefiles: insmod: no device"
echo "$done of 60 unloads met a closed device"

echo "-- and it still works"
load
start
mount -t erofs -o fsid=boot.img,device=blob.img none /mnt/image
cmp /image/source/large /mnt/image/large || fail "read: the data differs"
umount /mnt/image
kill $daemon
wait $daemon || :
rmmod erofs
rmmod cachefiles
