# SPDX-License-Identifier: GPL-2.0-only
# A real image over both protocols: mounted from an empty cache it equals its
# source with all attributes, what was read is never fetched again, and whoever
# of demandd dies, no reader sees an error or a wrong byte; when all of it is
# gone, missing data is an error.
#
# /store is a store with the image "small", /want the listing of its tree,
# /protocols the names of the protocols to try.
set -eu

fail() {
	echo "ondemand: $protocol: $*" >&2
	tail -n 30 /tmp/demandd.log /tmp/serve.log >&2
	exit 1
}
note() { echo "-- $protocol: $* ($(cut -d. -f1 /proc/uptime) s)"; }

# wait_for SECONDS COMMAND...
wait_for() {
	tries=$(($1 * 20))
	shift
	while ! "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || fail "gave up waiting for: $*"
		usleep 50000
	done
}

serve() {
	blobctl serve /store --listen 127.0.0.1:5000 2>/tmp/serve.log &
	server=$!
	wait_for 20 grep -q listening /tmp/serve.log
}
# start: demandd on $root, ready
start() {
	: >/tmp/demandd.log
	demandd --cache "$root" --transport "$protocol" --registry http://127.0.0.1:5000/app \
		2>>/tmp/demandd.log &
	daemon=$!
	wait_for 20 grep -q ready /tmp/demandd.log
}
halt() {
	kill "$daemon"
	wait "$daemon" || fail "demandd ended with $?"
}
prepare() {
	root=$1
	image=$(blobctl prepare --cache "$root" --for "$protocol" \
		--registry http://127.0.0.1:5000/app small)
}
attach() {
	blobctl mount --cache "$root" "$image" /mnt/image
	grep -q ' /mnt/image erofs .*fsid=' /proc/mounts || fail "not mounted over fscache"
}
drop() { echo 3 >/proc/sys/vm/drop_caches; }
# same DIRECTORY THREADS: the root's own time is that of the unpacking
same() {
	tree_listing "$1" "$2" >/tmp/have 2>/tmp/errors || fail "$1: read: $(head -n 3 /tmp/errors)"
	grep -v '^\. ' /tmp/have >/tmp/have.rest
	cmp -s /want /tmp/have.rest || {
		diff /want /tmp/have.rest | head -n 10 >&2
		fail "$1: read: it differs from the source"
	}
}
# holes_same: what lies behind zeros is no zeros, however much of it one asks for
holes_same() {
	grep '^\./odd/holes/' /want >/tmp/want.holes
	hows="4096 5000 16384 70000 131072 mmap"
	# a fault ends lockdep, see known_report in tests/vm/run
	[ ! -e /proc/lockdep_stats ] || hows=${hows% mmap}
	for how in $hows; do
		drop
		tree_listing /mnt/image/odd/holes 1 $how >/tmp/have 2>/tmp/errors ||
			fail "holes: read ($how): $(head -n 3 /tmp/errors)"
		sed -n 's,^\./,./odd/holes/,p' /tmp/have | cmp -s /tmp/want.holes - ||
			fail "holes: read ($how): they differ from the source"
	done
}
# counter NAME: the first of that name, which is demandd's own
counter() {
	blobctl status --cache "$root" --json | tr ',{}' '\n\n\n' |
		sed -n "s/^ *\"$1\": *\([0-9]*\)$/\1/p" | head -n 1
}
worker() { sed -n 's/.* ready .*pid=\([0-9]*\).*/\1/p' /tmp/demandd.log | tail -n 1; }

full_read() {
	prepare "/scratch/$protocol-full"
	demandd --check --transport "$protocol" --cache "$root" | grep -Eq "^$protocol: (ready|device present)" ||
		fail "--check does not say ready"
	start
	attach
	same /mnt/image 4
	cold=$(counter fetches)
	[ "$cold" -gt 0 ] || fail "nothing was fetched"
	note "read from an empty cache: $cold fetches, $(counter requests) requests"
	holes_same

	blobctl umount /mnt/image
	drop
	attach
	before=$(counter requests)
	same /mnt/image 1
	[ "$(counter fetches)" -eq "$cold" ] || fail "a warm read fetched"
	[ "$(counter requests)" -eq "$before" ] || fail "a warm read asked"
	note "read again after a new mount: no request"
	if [ "$protocol" = cachefiles ]; then
		# without the domain: backing files of its own, bootstrap included
		mkdir -p /mnt/alone
		fsid=$(sed -n 's/.* \/mnt\/image .*fsid=\([0-9a-f]*\).*/\1/p' /proc/mounts)
		mount -t erofs -o "ro,fsid=$fsid" none /mnt/alone
		same /mnt/alone 2
		umount /mnt/alone
		note "read without domain_id"
	fi
	blobctl umount /mnt/image
	halt
	start
	attach
	drop
	same /mnt/image 1
	blobctl umount /mnt/image
	halt
	note "read after a restart"
}

# The worker is killed again and again while everything is read; each one only
# when it has written something, for what many workers have died over is refused.
survive() {
	kills=0
	for round in 1 2; do
		prepare "/scratch/$protocol-kill$round"
		start
		attach
		last=
		(same /mnt/image 3) &
		reader=$!
		while kill -0 "$reader" 2>/dev/null; do
			victim=$(worker)
			if [ "$victim" != "$last" ]; then
				last=$victim
				had=$(present)
			elif [ "$(present)" -gt "$had" ] && kill -9 "$victim" 2>/dev/null; then
				kills=$((kills + 1))
				had=1000000000 # it dies once
			fi
			usleep 10000
		done
		wait "$reader" || fail "a reader saw the death of a worker"
		blobctl umount /mnt/image
		halt
	done
	[ "$kills" -gt 4 ] || fail "only $kills kills"
	note "$kills workers killed, no reader noticed"
}

present() { du -sk "$root/cache" | cut -f 1; }

# The main process is killed: its deputy takes over.
take_over() {
	prepare "/scratch/$protocol-chief"
	start
	attach
	(same /mnt/image 3) &
	reader=$!
	wait_for 10 is_asked
	kill -9 "$daemon"
	wait "$daemon" 2>/dev/null || :
	wait "$reader" || fail "a reader saw the death of the main process"
	kill -9 "$(worker)"
	drop
	same /mnt/image 2
	blobctl umount /mnt/image
	kill "$(tr -dc 0-9 <"$root/demandd.lock")"
	wait_for 20 is_gone
	note "main process killed, no reader noticed"
}
is_gone() { ! pidof demandd; }

# missing: a read of what is not there is an error and gives no byte
missing() {
	if cat /mnt/image/odd/large >/tmp/out 2>/dev/null; then
		fail "a read of missing data $1 succeeded"
	fi
	[ ! -s /tmp/out ] || fail "a failed read gave $(wc -c </tmp/out) bytes"
}
again() {
	blobctl umount /mnt/image
	start
	attach
	same /mnt/image 2
	blobctl umount /mnt/image
	halt
}

# A worker that does not know an image in use fails its reads, and serves it once
# it knows it again.
lose_record() {
	prepare "/scratch/$protocol-record"
	start
	attach
	head -c 1 /mnt/image/odd/large >/dev/null
	record=$root/images/sha256/${image#sha256:}
	mv "$record" /scratch/kept
	last=$(worker)
	kill -9 "$last"
	wait_for 20 is_replaced
	if dd if=/mnt/image/odd/large of=/tmp/out bs=1048576 skip=2 count=1 2>/dev/null; then
		fail "a read of missing data of an image whose record is lost succeeded"
	fi
	[ ! -s /tmp/out ] || fail "a failed read gave $(wc -c </tmp/out) bytes"
	[ "$(grep -c 'worker died' /tmp/demandd.log)" -eq 1 ] || fail "the worker died of it"
	mv /scratch/kept "$record"
	wait_for 20 is_registered
	drop
	same /mnt/image 2
	blobctl umount /mnt/image
	halt
	note "an image whose record is lost is an error, and served when it is back"
}
is_replaced() { [ "$(worker)" != "$last" ]; }
# Since the last worker began
is_registered() { sed '1,/worker died/d' /tmp/demandd.log | grep -q 'image registered'; }

end_while_mounted() {
	prepare "/scratch/$protocol-end"
	start
	attach
	sha256sum /mnt/image/odd/one-byte >/dev/null
	halt
	missing "without demandd"
	again
	note "missing data is an error when demandd has ended"
}

end_all_at_once() {
	prepare "/scratch/$protocol-all"
	start
	attach
	kill -STOP "$server"
	cat /mnt/image/odd/large >/tmp/out 2>/dev/null &
	reader=$!
	wait_for 10 is_asked
	# One that dies first would be replaced by the others.
	killall -STOP demandd
	killall -9 demandd
	if wait "$reader"; then fail "a reader survived the end of all"; fi
	[ ! -s /tmp/out ] || fail "a failed read gave $(wc -c </tmp/out) bytes"
	wait "$daemon" 2>/dev/null || :
	wait_for 20 is_gone # the last of them closes the device, which takes a sync
	kill -CONT "$server"
	again
	note "all killed at once: the reader got an error"
}
is_asked() { [ "$(counter requests)" -gt 0 ]; }

end_of_server() {
	prepare "/scratch/$protocol-server"
	start
	attach
	kill "$server"
	wait "$server" 2>/dev/null || :
	missing "without a server"
	serve
	drop
	same /mnt/image 2
	blobctl umount /mnt/image
	halt
	note "the server went and came back"
}

protocol=none
mkdir -p /mnt/image
serve
for protocol in $(cat /protocols); do
	full_read
	survive
	take_over
	lose_record
	end_while_mounted
	end_all_at_once
	end_of_server
	rm -rf /scratch/"$protocol"-*
done
echo ok
