#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# blobctl serve as a person meets it: curl against a real process, its messages, its end.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_test
require_tools curl sha256sum

# The smallest store: a layout with one blob.
store=$work/store
mkdir -p "$store/blobs/sha256"
printf '{"imageLayoutVersion":"1.0.0"}' >"$store/oci-layout"
printf '{"schemaVersion":2,"manifests":[]}' >"$store/index.json"
head -c 5000000 /dev/urandom >"$work/blob"
hex=$(sha256sum "$work/blob" | cut -d ' ' -f 1)
cp "$work/blob" "$store/blobs/sha256/$hex"
echo secret >"$work/secret"

# Port 0: the URL comes on standard output.
serve "$store"
url=$served
wait_for 10 test -s "$work/serve.log"
[ "$(cat "$work/serve.log")" = "listening on $url" ] || fail "standard error: $(cat "$work/serve.log")"

get() { curl -sS --max-time 60 "$@"; }
code() { get -o /dev/null -w '%{http_code}' "$@"; }
expect() {  # expected status, curl arguments
  want=$1
  shift
  got=$(code "$@")
  [ "$got" = "$want" ] || fail "status $got, not $want: $*"
}

get -o "$work/got" "$url/v2/any/blobs/sha256:$hex"
cmp "$work/blob" "$work/got" || fail "blob differs"
get -o "$work/got" -r 1000-3999999 "$url/blobs/sha256/$hex"
head -c 4000000 "$work/blob" | tail -c 3999000 | cmp - "$work/got" || fail "range differs"
get -o "$work/got" --compressed "$url/index.json"
cmp "$store/index.json" "$work/got" || fail "index differs"
get -I "$url/blobs/sha256/$hex" | tr -d '\r' >"$work/head"
for line in 'Content-Length: 5000000' 'Accept-Ranges: bytes' "ETag: \"sha256:$hex\"" \
  "Docker-Content-Digest: sha256:$hex"; do
  grep -qix "$line" "$work/head" || fail "no '$line' in $(cat "$work/head")"
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
expect_error 1 "$address: listen: Address already in use" blobctl serve "$store" --listen "$address"
expect_error 1 'not an OCI image layout' blobctl serve "$work"
expect_error 2 'not of the form host:port' blobctl serve "$store" --listen nonsense

stop "$server" || fail "SIGTERM: exit status $?"
