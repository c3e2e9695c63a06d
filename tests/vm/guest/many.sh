# SPDX-License-Identifier: GPL-2.0-only
# Many images in one cache, all mounted at the same time and read in parallel.
#
# /store has the images "0", "1", ...; /want has one line for each: its number
# and the SHA-256 of its file "data".  /protocols: the protocols to try.
set -eu

fail() {
	echo "many: $protocol: $*" >&2
	tail -n 30 /tmp/demandd.log >&2
	exit 1
}

blobctl serve /store --listen 127.0.0.1:5000 2>/tmp/serve.log &
for protocol in $(cat /protocols); do
	root=/scratch/$protocol
	blobctl prepare --cache "$root" --for "$protocol" --store /store 0 >/dev/null
	demandd --cache "$root" --transport "$protocol" --registry http://127.0.0.1:5000/app \
		2>/tmp/demandd.log &
	daemon=$!
	count=0
	while read -r number _; do
		image=$(blobctl prepare --cache "$root" --store /store "$number" 2>/dev/null) ||
			fail "image $number: prepare"
		mkdir -p "/mnt/$number"
		blobctl mount --cache "$root" "$image" "/mnt/$number" || fail "image $number: mount"
		count=$((count + 1))
	done </want
	[ "$(grep -c ' erofs ' /proc/mounts)" -eq "$count" ] || fail "not all are mounted"
	find "$root/cache" -type f | wc -l >/tmp/files
	# four readers, each of a quarter
	for part in 0 1 2 3; do
		while read -r number digest; do
			[ $((number % 4)) -eq "$part" ] || continue
			echo "$digest  /mnt/$number/data"
		done </want >/tmp/part$part
		sha256sum -c -s /tmp/part$part &
		echo $! >/tmp/pid$part
	done
	for part in 0 1 2 3; do
		wait "$(cat /tmp/pid$part)" || fail "part $part: read"
	done
	blobctl status --cache "$root" >/tmp/status || fail "no status"
	grep -q "demandd through $protocol\$" /tmp/status || fail "status names another transport"
	while read -r number _; do
		umount "/mnt/$number" || fail "image $number: umount"
	done </want
	kill "$daemon"
	wait "$daemon" || fail "demandd ended with $?"
	rm -rf "$root"
	echo "-- $protocol: $count images, $(cat /tmp/files) backing files ($(cut -d. -f1 /proc/uptime) s)"
done
echo ok
