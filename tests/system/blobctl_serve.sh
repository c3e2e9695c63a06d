#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# blobctl serve as a person meets it: curl against a real process, its messages, its end.
set -eu
for program in curl sha256sum; do
  command -v "$program" >/dev/null || { echo "skipped: $program is not installed"; exit 77; }
done
blobctl=${ONDEMAND_BIN:?}/blobctl
dir=$(mktemp -d)
pid=
finish() {
  [ -z "$pid" ] || kill "$pid" 2>/dev/null || :
  [ -z "$pid" ] || wait "$pid" 2>/dev/null || :
  rm -rf "$dir"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP
fail() { echo "failed: $*"; exit 1; }

# The smallest store: a layout with one blob.
store=$dir/store
mkdir -p "$store/blobs/sha256"
printf '{"imageLayoutVersion":"1.0.0"}' >"$store/oci-layout"
printf '{"schemaVersion":2,"manifests":[]}' >"$store/index.json"
head -c 5000000 /dev/urandom >"$dir/blob"
hex=$(sha256sum "$dir/blob" | cut -d' ' -f1)
cp "$dir/blob" "$store/blobs/sha256/$hex"
echo secret >"$dir/secret"

# Port 0: the URL comes on standard output.
"$blobctl" serve "$store" --listen 127.0.0.1:0 >"$dir/out" 2>"$dir/err" &
pid=$!
tries=0
until [ -s "$dir/out" ]; do
  kill -0 "$pid" 2>/dev/null || fail "ended early: $(cat "$dir/err")"
  tries=$((tries + 1))
  [ "$tries" -lt 600 ] || fail "no URL after a minute"
  sleep 0.1
done
url=$(cat "$dir/out")
[ "$(cat "$dir/err")" = "listening on $url" ] || fail "standard error: $(cat "$dir/err")"

get() { curl -sS --max-time 60 "$@"; }
code() { get -o /dev/null -w '%{http_code}' "$@"; }
expect() {  # expected status, curl arguments
  want=$1
  shift
  got=$(code "$@")
  [ "$got" = "$want" ] || fail "status $got, not $want: $*"
}

get -o "$dir/got" "$url/v2/any/blobs/sha256:$hex"
cmp "$dir/blob" "$dir/got" || fail "blob differs"
get -o "$dir/got" -r 1000-3999999 "$url/blobs/sha256/$hex"
tail -c +1001 "$dir/blob" | head -c 3999000 | cmp - "$dir/got" || fail "range differs"
get -o "$dir/got" --compressed "$url/index.json"
cmp "$store/index.json" "$dir/got" || fail "index differs"
get -I "$url/blobs/sha256/$hex" | tr -d '\r' >"$dir/head"
for line in 'Content-Length: 5000000' 'Accept-Ranges: bytes' "ETag: \"sha256:$hex\"" \
  "Docker-Content-Digest: sha256:$hex"; do
  grep -qix "$line" "$dir/head" || fail "no '$line' in $(cat "$dir/head")"
done

expect 200 "$url/v2/"
expect 206 -r 0-9 "$url/blobs/sha256/$hex"
expect 416 -r 5000000- "$url/blobs/sha256/$hex"
expect 200 -r 0-1,5-6 "$url/blobs/sha256/$hex"
expect 304 -H "If-None-Match: \"sha256:$hex\"" "$url/blobs/sha256/$hex"
expect 404 "$url/v2/any/manifests/none"
expect 405 -X POST -d data "$url/v2/any/blobs/uploads/"
expect 400 --path-as-is "$url/../secret"
expect 400 --path-as-is "$url/blobs/sha256/%2e%2e/%2e%2e/%2e%2e/secret"
expect 400 --path-as-is "$url/blobs/sha256/..%2f..%2f..%2fsecret"

# What cannot work says so and fails.
address=${url#http://}
status=0
"$blobctl" serve "$store" --listen "$address" 2>"$dir/err" || status=$?
[ "$status" = 1 ] || fail "port in use: exit status $status"
grep -q "$address: listen: Address already in use" "$dir/err" || fail "message: $(cat "$dir/err")"
status=0
"$blobctl" serve "$dir" 2>"$dir/err" || status=$?
[ "$status" = 1 ] || fail "no store: exit status $status: $(cat "$dir/err")"
status=0
"$blobctl" serve "$store" --listen nonsense 2>"$dir/err" || status=$?
[ "$status" = 2 ] || fail "wrong address: exit status $status"

kill -TERM "$pid"
status=0
wait "$pid" || status=$?
pid=
[ "$status" = 0 ] || fail "SIGTERM: exit status $status"
echo "passed"
