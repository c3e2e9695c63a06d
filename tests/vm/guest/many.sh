# SPDX-License-Identifier: GPL-2.0-only
# Thousands of backing files in one cache and hundreds of images mounted from it
# at the same time; every file of every image is read on demand, in parallel.
#
# /scratch/store has the images "0", "1", ...; /scratch/PROTOCOL is a cache in
# which all but the last ones are prepared, on the host.  /want has a line for
# each file: image, name, SHA-256.  /protocols: the protocols to try.  /numbers:
# how many images there must be, how many of them are prepared in the cache, and
# how many backing files there must be at least.
set -eu
read -r images prepared files </numbers
# A process costs more than a mount: so many are mounted by one.
direct=$((prepared - 10))
# demandd has a descriptor or two for each file
ulimit -n 65536

fail() {
	echo "many: $protocol: $*" >&2
	tail -n 30 /tmp/demandd.log >&2
	exit 1
}
note() { echo "-- $protocol: $* ($(cut -d. -f1 /proc/uptime) s)"; }

# Whatever two processes can do: part 0 and part 1 of the images, of what.
both() {
	"$@" 0 &
	first=$!
	"$@" 1 &
	second=$!
	wait $first || fail "$*: part 0"
	wait $second || fail "$*: part 1"
}

# The rest of the images, and the last ones of those that are prepared
attach() {
	number=$((direct + $1))
	while [ "$number" -lt "$images" ]; do
		if [ "$number" -ge "$prepared" ]; then
			blobctl prepare --cache "$root" --for "$protocol" --store /scratch/store \
				"$number" >/dev/null 2>&1 || fail "image $number: prepare"
		fi
		mkdir -p "/mnt/$number"
		blobctl mount --cache "$root" --transport "$protocol" "$number" "/mnt/$number" ||
			fail "image $number: mount"
		number=$((number + 2))
	done
}

compare() {
	awk -v part="$1" '$1 % 2 == part { print $3 "  /mnt/" $1 "/" $2 }' /want >"/tmp/part$1"
	sha256sum -c -s "/tmp/part$1"
}

# How many backing files there are, and how many of them have no data
count() {
	find "$root/cache" -type f -exec stat -c %b '{}' + |
		awk '{ ++n; if ($1 == 0) ++e } END { print n + 0, e + 0 }'
}

blobctl serve /scratch/store --listen 127.0.0.1:5000 2>/tmp/serve.log &
for protocol in $(cat /protocols); do
	root=/scratch/$protocol
	demandd --cache "$root" --transport "$protocol" --registry http://127.0.0.1:5000/app \
		2>/tmp/demandd.log &
	daemon=$!
	until grep -q ready /tmp/demandd.log 2>/dev/null; do
		kill -0 $daemon || fail "demandd: start"
		usleep 50000
	done
	note started
	vm_helper mount-images "$root" /mnt "$direct" || fail "mount"
	note "$direct images mounted"
	both attach
	mounted=$(grep -c ' erofs .*fsid=' /proc/mounts)
	[ "$mounted" -eq "$images" ] || fail "$mounted of $images images are mounted"
	note "$mounted images mounted"
	count >/tmp/count
	read -r have empty </tmp/count
	[ "$have" -ge "$files" ] || fail "$have backing files, not $files"
	[ "$empty" -eq "$(wc -l </want)" ] || fail "$empty files are to be read on demand, not all"
	both compare
	count >/tmp/count
	read -r have empty </tmp/count
	[ "$empty" -eq 0 ] || fail "$empty files were not read on demand"
	note "$have backing files, $(wc -l </want) of them read on demand"
	blobctl status --cache "$root" >/tmp/status || fail "no status"
	grep -q "demandd through $protocol\$" /tmp/status || fail "status names another transport"
	umount -a -t erofs || fail "umount"
	! grep ' erofs ' /proc/mounts || fail "still mounted"
	kill "$daemon"
	wait "$daemon" || fail "demandd ended with $?"
	note "done"
done
echo ok
