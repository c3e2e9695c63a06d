# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by every system test: requirements, a work directory, processes that end with the test.
# A missing requirement is a skip (exit 77); in CI (ONDEMAND_REQUIRE_ALL=1) it is a failure.
set -euo pipefail
shopt -s inherit_errexit

: "${ONDEMAND_BIN:?}" "${ONDEMAND_SOURCE:?}"
PATH=$ONDEMAND_BIN:$PATH
work=
pids=()
mounts=()

skip() {
  echo "SKIP: $*"
  [ "${ONDEMAND_REQUIRE_ALL:-}" = 1 ] && exit 1
  exit 77
}
fail() {
  echo "FAIL: $*" >&2
  exit 1
}
note() { echo "-- $*"; }

require_root() { [ "$(id -u)" -eq 0 ] || skip "needs root"; }
require_tools() {
  local tool
  for tool in "$@"; do command -v "$tool" >/dev/null || skip "needs $tool"; done
}
# The kernel half of the fanotify transport, told by demandd itself.
require_ondemand_kernel() {
  local missing
  require_root
  missing=$(demandd --check --cache "$work/probe" 2>&1) || skip "$missing"
}

finish() {
  local status=$? point pid
  trap - EXIT INT TERM
  set +e
  for point in "${mounts[@]}"; do mountpoint -q "$point" && umount "$point"; done
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
  for pid in "${pids[@]}"; do
    for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.05; done
    kill -9 "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
  done
  if [ "$status" -ne 0 ] && [ "$status" -ne 77 ]; then
    local log
    for log in "$work"/*.log; do
      [ -s "$log" ] && { echo "== $(basename "$log")"; tail -n 40 "$log"; }
    done >&2
  fi
  rm -rf -- "$work"
  exit "$status"
}

# On a file system with pre-content events and user xattrs, which a tmpfs is not.
start_test() {
  work=$(mktemp -d /var/tmp/erofs-ondemand-test-XXXXXX)
  trap finish EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
  local tries=$(($1 * 20))
  shift
  while ! "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || fail "gave up waiting for: $*"
    sleep 0.05
  done
}

# start NAME COMMAND...: in the background, output to NAME.log; sets $started to its pid.
start() {
  local name=$1
  shift
  "$@" >>"$work/$name.log" 2>&1 &
  started=$!
  pids+=("$started")
}
# stop PID: SIGTERM, and its exit status as ours.
stop() {
  local pid=$1 status=0 keep=() other
  kill "$pid" 2>/dev/null || true
  wait "$pid" || status=$?
  for other in "${pids[@]}"; do [ "$other" = "$pid" ] || keep+=("$other"); done
  pids=("${keep[@]}")
  return "$status"
}

# serve STORE: blobctl serve on a free port; sets $served to the URL and $server to the pid.
serve() {
  : >"$work/serve.url"
  blobctl serve "$1" --listen 127.0.0.1:0 >"$work/serve.url" 2>>"$work/serve.log" &
  server=$!
  pids+=("$server")
  wait_for 10 test -s "$work/serve.url"
  served=$(head -n 1 "$work/serve.url")
}

# start_demandd ARGUMENTS...: returns when it is ready; sets $daemon.
start_demandd() {
  : >"$work/demandd.log"
  start demandd demandd --cache "$work/cache" "$@"
  daemon=$started
  wait_for 20 grep -q ready "$work/demandd.log"
}

mount_image() {
  mkdir -p "$2"
  blobctl mount --cache "$work/cache" "$1" "$2"
  mounts+=("$2")
}

# expect_error STATUS PATTERN COMMAND...: one line on standard error that matches, that status.
expect_error() {
  local want=$1 pattern=$2 status=0
  shift 2
  timeout 60 "$@" >"$work/stdout" 2>"$work/stderr" </dev/null || status=$?
  [ "$status" -eq "$want" ] || { cat "$work/stderr" >&2; fail "status $status, not $want: $*"; }
  [ "$(wc -l <"$work/stderr")" -eq 1 ] || { cat "$work/stderr" >&2; fail "not one line: $*"; }
  grep -qE -- "$pattern" "$work/stderr" || { cat "$work/stderr" >&2; fail "no '$pattern': $*"; }
}

drop_caches() {
  sync
  echo 3 >/proc/sys/vm/drop_caches
}

# The real four-layer image, and the same merged by another implementation of the OCI rules.
real_image() { "$ONDEMAND_SOURCE/scripts/make-image" "$1"; }
unpack_with_umoci() { umoci unpack --image "$1" "$2" >/dev/null 2>&1; }
