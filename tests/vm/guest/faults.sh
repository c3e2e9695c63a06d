# SPDX-License-Identifier: GPL-2.0-only
# Allocations that fail, bad disks, killed readers and killed daemons, all at
# once.  What is asked: never wrong data, nobody hangs, and the kernel is silent;
# and when the faults end, everything can be read.  Needs fault injection (debug
# configuration).  /requests has the number of requests of the first part.
set -eu
wanted=$(cat /requests)
source=/images/plain/source
copies=/images/plain/copies
options=fsid=boot.img,device=blob.img
mount -t debugfs none /sys/kernel/debug 2>/dev/null || :
slab=/sys/kernel/debug/failslab
[ -d $slab ] || {
	echo "faults: $slab: not there: no fault injection in this kernel"
	exit 77
}
mkdir -p /mnt/image

fail() {
	echo "faults: $*" >&2
	exit 1
}

faults() { # on or off
	if [ "$1" = off ]; then
		echo 0 >$slab/probability
		echo 0 >/sys/kernel/debug/fail_page_alloc/probability
		return
	fi
	for kind in failslab fail_page_alloc; do
		kind=/sys/kernel/debug/$kind
		echo Y >$kind/task-filter
		echo 0 >$kind/verbose
		echo -1 >$kind/times
		echo 0 >$kind/space
		echo 1 >$kind/interval
		echo N >$kind/ignore-gfp-wait
	done
	echo 0 >/sys/kernel/debug/fail_page_alloc/min-order
	# the workers that look files up
	for stat in /proc/[0-9]*/comm; do
		read -r name <"$stat" 2>/dev/null || continue
		case $name in
		kworker/u*) { echo 1 >"${stat%comm}make-it-fail"; } 2>/dev/null || : ;;
		esac
	done
	echo 2 >$slab/probability
	echo 1 >/sys/kernel/debug/fail_page_alloc/probability
}

# /tmp/failing COMMAND: its allocations may fail, and those of its children.
printf '%s\n' '#!/bin/sh' 'echo 1 >/proc/self/make-it-fail' 'exec "$@"' >/tmp/failing
chmod 755 /tmp/failing

random() { # below $1
	echo $(($(od -An -N2 -tu2 /dev/urandom) % $1))
}

start() {
	: >/tmp/bound
	serve run /scratch/root $copies 3 /tmp/log >/tmp/bound &
	daemon=$!
	for _ in $(seq 300); do
		if grep -q bound /tmp/bound; then return 0; fi
		kill -0 $daemon 2>/dev/null || return 1
		usleep 50000
	done
	fail "bind: not done in time"
}

ended() { # a process, within a bound
	for _ in $(seq 1200); do
		kill -0 "$1" 2>/dev/null || break
		usleep 50000
	done
	kill -0 "$1" 2>/dev/null && fail "process $1: hangs: $(cat "/proc/$1/stack")"
	status=0
	wait "$1" || status=$?
	[ $status != 3 ] || fail "wrong data: $(cat /tmp/reader.*)"
}

check_all() { # without faults, by a daemon of its own
	start
	mount -t erofs -o $options none /mnt/image
	(cd $source && find . -type f -exec sha256sum '{}' + | sort) >/tmp/want
	(cd /mnt/image && find . -type f -exec sha256sum '{}' + | sort) >/tmp/have
	cmp /tmp/want /tmp/have || fail "afterwards: read: the data differs"
	umount /mnt/image
	kill $daemon
	ended $daemon
}

: >/tmp/log
: >/tmp/reads
round=0
requests=0
killed=0
daemons=0
start_reader() {
	number=$((number + 1))
	tree=
	[ $((number % 4)) != 0 ] || tree=/deep
	FAILING=1 serve sweep /mnt/image$tree $source$tree 120 "$round$number" >/tmp/reader.$number &
	readers="$readers $!"
}
while [ $requests -lt "$wanted" ]; do
	round=$((round + 1))
	rm -rf /scratch/root
	serve prepare /scratch/root erofs,boot.img $copies
	faults on
	export MOODS=1
	[ $((round % 2)) = 0 ] || export FAILING=1
	bound=1
	start || bound=
	unset MOODS FAILING
	if [ -z "$bound" ]; then
		faults off
		ended $daemon
		continue
	fi
	mounted=
	for _ in $(seq 30); do
		/tmp/failing mount -t erofs -o $options none /mnt/image 2>/dev/null && mounted=1 && break
	done
	readers=
	number=0
	before=
	if [ -n "$mounted" ]; then
		for _ in 1 2 3 4 5 6; do
			start_reader
		done
		# until all is there, or every third time until the daemon dies with its
		# readers waiting
		for i in $(seq 40); do
			usleep 500000
			[ $((i % 4)) != 0 ] || echo 3 >/proc/sys/vm/drop_caches
			# shellcheck disable=SC2086 # a list
			set -- $readers
			shift "$(random $#)"
			kill -9 "$1" 2>/dev/null && killed=$((killed + 1)) && start_reader
			kill -USR1 $daemon 2>/dev/null || :
			if [ $((round % 3)) = 0 ] && [ "$i" = 4 ]; then break; fi
			[ "$(wc -l </tmp/log)" != "$before" ] || break
			before=$(wc -l </tmp/log)
		done
	fi
	if [ $((round % 3)) = 0 ]; then
		kill -9 $daemon
		daemons=$((daemons + 1))
	fi
	faults off
	kill -USR2 $daemon 2>/dev/null || :
	kill -USR1 $daemon 2>/dev/null || :
	for reader in $readers; do
		ended "$reader"
		# a "restore" may have met a fault
		kill -USR1 $daemon 2>/dev/null || :
	done
	[ -z "$mounted" ] || umount /mnt/image
	kill $daemon 2>/dev/null || :
	ended $daemon
	check_all
	requests=$((requests + $(wc -l </tmp/log)))
	: >/tmp/log
	cat /tmp/reader.* 2>/dev/null | awk '{ g += $1; b += $3 } END { print g + 0, b + 0 }' >>/tmp/reads
	rm -f /tmp/reader.*
	echo "round $round: $requests requests ($(cut -d. -f1 /proc/uptime) s)"
done
awk '{ g += $1; b += $2 } END { print g, "reads good,", b, "failed" }' /tmp/reads
echo "$round rounds, $requests requests, $killed readers killed, $daemons daemons killed"

# ---- errors that cachefiles itself makes of its reads, look-ups and changes of the
# cache's file system: EIO (2), ENOSPC for changes (1), both.  EIO at the wrong
# place ends the cache; then all that is missing fails until the next daemon.
inject=/proc/sys/cachefiles/error_injection
[ -w $inject ] || fail "$inject: not there: no error injection in cachefiles"
# a reader gives up after many errors in a row, and is through at some time
sweep() {
	while [ ! -e /tmp/stop ]; do
		serve sweep /mnt/image $source 20 "$1" >>"/tmp/reader.$1" || exit $?
	done
}
for kind in 2 1 3; do
	rm -rf /scratch/root
	serve prepare /scratch/root erofs,boot.img $copies
	start
	# the mount and its look-ups too, at first
	echo $kind >$inject
	mount -t erofs -o $options none /mnt/image 2>/dev/null && umount /mnt/image
	echo 0 >$inject
	kill $daemon 2>/dev/null || :
	ended $daemon
	start
	mount -t erofs -o $options none /mnt/image
	readers=
	for i in 1 2 3 4; do
		sweep "$i" &
		readers="$readers $!"
	done
	for _ in $(seq 20); do
		echo $kind >$inject
		usleep $((20000 + $(random 60000)))
		echo 0 >$inject
		usleep $((20000 + $(random 60000)))
		echo 3 >/proc/sys/vm/drop_caches
	done
	: >/tmp/stop
	for reader in $readers; do
		ended "$reader"
	done
	rm /tmp/stop
	cat /tmp/reader.* | awk '{ g += $1; b += $3 } END { print g + 0, "reads good,", b + 0, "failed" }' >/tmp/reads
	echo "error injection $kind: $(cat /tmp/reads) ($(cut -d. -f1 /proc/uptime) s)"
	rm -f /tmp/reader.*
	umount /mnt/image
	kill $daemon 2>/dev/null || :
	ended $daemon
	check_all
done

# ---- a disk that fails now and then: the last part, ext4 may give up over it
disk=/sys/kernel/debug/fail_make_request
rm -rf /scratch/root
serve prepare /scratch/root erofs,boot.img $copies
start
mount -t erofs -o $options none /mnt/image
echo 0 >$disk/verbose
echo -1 >$disk/times
echo 1 >$disk/interval
echo N >$disk/task-filter
echo 1 >/sys/block/vda/make-it-fail
echo 2 >$disk/probability
readers=
for i in 1 2 3 4; do
	serve sweep /mnt/image/deep $source/deep 60 "$i" >/tmp/reader.$i &
	readers="$readers $!"
	serve sweep /mnt/image $source 60 "1$i" >/tmp/reader.1$i &
	readers="$readers $!"
done
for _ in $(seq 9); do
	sleep 1
	echo 3 >/proc/sys/vm/drop_caches
done
for reader in $readers; do
	ended "$reader"
done
echo 0 >$disk/probability
cat /tmp/reader.* | awk '{ g += $1; b += $3 } END { print "bad disk:", g + 0, "reads good,", b + 0, "failed" }'
umount /mnt/image
kill $daemon
ended $daemon
