# SPDX-License-Identifier: GPL-2.0-only
# Allocations that fail, bad disks, killed readers and killed daemons, all at
# once.  What is asked: never wrong data, nobody hangs, and the kernel is silent;
# and when the faults end, everything can be read.  Needs fault injection (debug
# configuration).  /seconds has the length of the first part.
set -eu
seconds=$(cat /seconds)
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
	echo 3 >$slab/probability
	echo 1 >/sys/kernel/debug/fail_page_alloc/probability
}

# /tmp/failing COMMAND: its allocations may fail, and those of its children.
printf '%s\n' '#!/bin/sh' 'echo 1 >/proc/self/make-it-fail' 'exec "$@"' >/tmp/failing
chmod 755 /tmp/failing

random() { # below $1
	echo $(($(od -An -N2 -tu2 /dev/urandom) % $1))
}

start() { # prefix of the command
	: >/tmp/bound
	"$@" serve run /scratch/root $copies 3 /tmp/log >/tmp/bound &
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

check_all() {
	(cd $source && find . -type f -exec sha256sum '{}' + | sort) >/tmp/want
	(cd /mnt/image && find . -type f -exec sha256sum '{}' + | sort) >/tmp/have
	cmp /tmp/want /tmp/have || fail "afterwards: read: the data differs"
}

: >/tmp/log
: >/tmp/all
round=0
end=$(($(date +%s) + seconds))
while [ "$(date +%s)" -lt $end ]; do
	round=$((round + 1))
	rm -rf /scratch/root
	serve prepare /scratch/root erofs,boot.img $copies
	faults on
	wrap=
	[ $((round % 2)) = 0 ] || wrap=/tmp/failing
	start $wrap || {
		faults off
		ended $daemon
		continue
	}
	mounted=
	for _ in 1 2 3 4 5; do
		/tmp/failing mount -t erofs -o $options none /mnt/image 2>/dev/null && mounted=1 && break
	done
	readers=
	if [ -n "$mounted" ]; then
		for i in 1 2 3 4; do
			/tmp/failing serve compare /mnt/image/deep $source/deep 5 "$round$i" >/tmp/reader.$i &
			readers="$readers $!"
			/tmp/failing serve compare /mnt/image $source 5 "$round$i" >/tmp/reader.1$i &
			readers="$readers $!"
		done
		for _ in 1 2 3 4; do
			sleep 1
			echo 3 >/proc/sys/vm/drop_caches
			# shellcheck disable=SC2086 # a list
			set -- $readers
			shift "$(random 8)"
			kill -9 "$1" 2>/dev/null || :
			kill -USR1 $daemon
		done
	fi
	# every third round the daemon dies with its readers waiting
	[ $((round % 3)) != 0 ] || kill -9 $daemon
	faults off
	kill -USR1 $daemon 2>/dev/null || :
	for reader in $readers; do
		ended "$reader"
		# a "restore" may have met a fault
		kill -USR1 $daemon 2>/dev/null || :
	done
	[ -z "$mounted" ] || umount /mnt/image
	kill $daemon 2>/dev/null || :
	ended $daemon
	# and now without faults
	start
	mount -t erofs -o $options none /mnt/image
	check_all
	umount /mnt/image
	kill $daemon
	ended $daemon
	cat /tmp/log >>/tmp/all
	: >/tmp/log
	cat /tmp/reader.* | awk '{ g += $1; b += $3 } END { print g + 0, b + 0 }' >>/tmp/reads
	rm -f /tmp/reader.*
done
awk '{ g += $1; b += $2 } END { print g, "reads good,", b, "failed" }' /tmp/reads
echo "$round rounds, $(wc -l </tmp/all) requests"

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
	serve compare /mnt/image/deep $source/deep 10 "$i" >/tmp/reader.$i &
	readers="$readers $!"
	serve compare /mnt/image $source 10 "$i" >/tmp/reader.1$i &
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
