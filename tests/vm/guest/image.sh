# SPDX-License-Identifier: GPL-2.0-only
# A real EROFS image: mounted from an empty cache it equals its source, and
# what was read once is never asked for again.
#
# /images/*/ have boot.img, blobs and "source", the tree they were made from.
set -eu

fail() {
	echo "image: $*" >&2
	exit 1
}

start() { # root copies threads log
	: >/tmp/bound # the background job may be late to do it
	serve run "$@" >/tmp/bound &
	daemon=$!
	for _ in $(seq 100); do
		if grep -q bound /tmp/bound; then return; fi
		kill -0 "$daemon" 2>/dev/null || break
		usleep 50000
	done
	fail "$1: bind: not done"
}

halt() {
	kill "$daemon"
	wait "$daemon" || :
	for _ in $(seq 100); do
		if ! pidof serve >/dev/null; then return; fi
		usleep 50000
	done
}

same() { # mount point, source
	(cd "$2" && find . | sort) >/tmp/want
	(cd "$1" && find . | sort) >/tmp/have
	cmp /tmp/want /tmp/have || fail "$1: list: the names differ"
	(cd "$2" && find . -type f -exec sha256sum '{}' + | sort) >/tmp/want
	(cd "$1" && find . -type f -exec sha256sum '{}' + | sort) >/tmp/have
	cmp /tmp/want /tmp/have || fail "$1: read: the data differs"
	(cd "$2" && find . ! -type d -exec stat -c '%n %f %u %g %s' '{}' + | sort) >/tmp/want
	(cd "$1" && find . ! -type d -exec stat -c '%n %f %u %g %s' '{}' + | sort) >/tmp/have
	cmp /tmp/want /tmp/have || fail "$1: stat: the attributes differ"
}

mkdir -p /mnt/image
for image in /images/*; do
	name=$(basename "$image")
	root=/scratch/$name
	log=/tmp/$name.log
	options=fsid=boot.img
	[ ! -e "$image/copies/blob.img" ] || options=$options,device=blob.img
	serve prepare "$root" erofs,boot.img "$image/copies"
	# first with one thread, then with four on a second empty cache
	for threads in 1 4; do
		: >"$log"
		start "$root" "$image/copies" $threads "$log"
		mount -t erofs -o "$options" none /mnt/image
		same /mnt/image "$image/source"
		cold=$(wc -l <"$log")
		[ "$cold" -gt 0 ] || fail "$name: read: no request"
		ids=$(cut -d' ' -f1 "$log" | sort -u | wc -l)
		[ "$ids" = "$cold" ] || fail "$name: ids: one came twice"

		: >"$log"
		echo 3 >/proc/sys/vm/drop_caches
		same /mnt/image "$image/source"
		umount /mnt/image
		mount -t erofs -o "$options" none /mnt/image
		same /mnt/image "$image/source"
		umount /mnt/image
		halt
		start "$root" "$image/copies" 1 "$log"
		mount -t erofs -o "$options" none /mnt/image
		same /mnt/image "$image/source"
		umount /mnt/image
		halt
		[ ! -s "$log" ] || fail "$name: warm: $(wc -l <"$log") requests"
		echo "$name: $threads threads: $cold requests cold, 0 warm"
		rm -rf "$root"
		serve prepare "$root" erofs,boot.img "$image/copies"
	done
	rm -rf "$root"
done
