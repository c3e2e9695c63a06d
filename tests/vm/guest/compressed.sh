# SPDX-License-Identifier: GPL-2.0-only
# Compressed files over fscache, whose reads end in a way of their own: what can
# be read is right, and reads that are refused, killed or left alone end once and
# touch no memory that is gone.  Needs EROFS_FS_ZIP (debug configuration).
#
# /compressed has copies/boot.img and "source", the tree it was made from.  6.1
# refuses compressed files over fscache.
set -eu
source=/compressed/source
copies=/compressed/copies
mkdir -p /mnt/image

fail() {
	echo "compressed: $*" >&2
	exit 1
}

start() { # an empty cache, mounted, with the names known
	rm -rf /scratch/root
	serve prepare /scratch/root erofs,boot.img $copies
	: >/tmp/bound
	: >/tmp/log
	serve run /scratch/root $copies 2 /tmp/log >/tmp/bound &
	daemon=$!
	for _ in $(seq 300); do
		if grep -q bound /tmp/bound; then break; fi
		kill -0 $daemon 2>/dev/null || break
		usleep 50000
	done
	grep -q bound /tmp/bound || fail "bind: not done"
	mount -t erofs -o fsid=boot.img none /mnt/image || return 1
	ls -l /mnt/image >/tmp/names 2>/tmp/errors || :
}

halt() {
	umount /mnt/image
	kill $daemon 2>/dev/null || :
	wait $daemon 2>/dev/null || :
}

same() {
	(cd $source && sha256sum ./* | sort) >/tmp/want
	(cd /mnt/image && sha256sum ./* | sort) >/tmp/have || fail "$1: read: failed"
	cmp /tmp/want /tmp/have || fail "$1: read: the data differs"
}

refused=0
# Nothing but right data or an error comes of a file.
read_badly() {
	for file in "$source"/*; do
		if cat "/mnt/image/$(basename "$file")" >/tmp/have 2>/dev/null; then
			cmp "$file" /tmp/have || fail "$1: $file: wrong data"
		else
			refused=$((refused + 1))
			head -c "$(wc -c </tmp/have)" "$file" | cmp - /tmp/have ||
				fail "$1: $file: wrong data before the error"
		fi
	done
}

start
if grep -qi 'not supported' /tmp/errors; then
	case $(uname -r) in
	6.1.*) ;;
	*) fail "a compressed file is refused" ;;
	esac
	halt
	echo "this kernel refuses compressed files over fscache"
	exit 0
fi
same "all is given"
echo 3 >/proc/sys/vm/drop_caches
requests=$(wc -l </tmp/log)
same "all is there"
[ "$(wc -l </tmp/log)" = "$requests" ] || fail "warm: it was asked again"
halt
echo "read: $requests requests"

# The daemon is gone: hardly anything can be read, and all of it ends.
for round in 1 2 3; do
	start
	kill -9 $daemon
	wait $daemon 2>/dev/null || :
	read_badly "no daemon"
	halt
done
[ $refused -gt 10 ] || fail "no daemon: only $refused reads were refused"
echo "no daemon: $refused reads refused"

# Answers that are errors, or "done" without data or with half of it, for the
# same file again and again.
export MOODS=all
refused=0
for round in 1 2 3 4 5 6; do
	start 2>/dev/null || {
		kill $daemon
		wait $daemon 2>/dev/null || :
		continue
	}
	read_badly "bad answers"
	echo 3 >/proc/sys/vm/drop_caches
	read_badly "bad answers"
	kill -USR2 $daemon
	same "good answers again"
	halt
done
unset MOODS
[ $refused -gt 10 ] || fail "bad answers: only $refused reads were refused"
echo "bad answers: $refused reads refused"

# Readers that are killed while they wait, and the end of the daemon meanwhile.
for round in 1 2 3 4; do
	start
	kill -STOP $daemon
	readers=
	for file in /mnt/image/*; do
		cat "$file" >/dev/null 2>&1 &
		readers="$readers $!"
	done
	usleep 300000
	# shellcheck disable=SC2086 # a list
	[ $((round % 2)) = 0 ] || kill -9 $readers 2>/dev/null || :
	kill -9 $daemon
	for reader in $readers; do
		wait "$reader" 2>/dev/null || :
	done
	halt
done
echo "killed readers and daemons: all have ended"
