# SPDX-License-Identifier: GPL-2.0-only
# blobctl doctor finds both devices of a kernel with the series ready, says who
# holds one, and leaves nothing behind.
set -eu
fail() {
	echo "doctor: $*" >&2
	exit 1
}
ready() { # transport
	grep -q "^  $1  *ready" /tmp/report || fail "$1: is not ready: $(cat /tmp/report)"
}
find /scratch >/tmp/before
blobctl doctor --cache /scratch/root >/tmp/report || fail "exit status $?"
find /scratch | cmp - /tmp/before || fail "something was left behind"
cat /tmp/report
ready cachefiles-demand
ready cachefiles
blobctl doctor --json --cache /scratch/root >/tmp/json
grep -q '"erofs_over_fscache":"yes"' /tmp/json || fail "json: $(cat /tmp/json)"

exec 7<>/dev/cachefiles
blobctl doctor --cache /scratch/root >/tmp/report && fail "ready while the device is held"
grep -q 'held by' /tmp/report || fail "nobody holds it: $(cat /tmp/report)"
exec 7>&-

blobctl doctor --cache /tmp/root >/tmp/report && fail "tmpfs is taken for a place"
grep -q 'no cache on tmpfs' /tmp/report || fail "tmpfs: $(cat /tmp/report)"
