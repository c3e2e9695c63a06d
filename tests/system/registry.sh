#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The store pushed by skopeo into a real registry, and served by nginx over its directory: demandd
# works from both as from the directory.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_test
require_tools skopeo docker-registry nginx umoci jq
require_ondemand_kernel

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

layout=$(real_image python)
mkfs-erofs-ondemand --quiet --output "$work/store" --ref python "$layout"
unpack_with_umoci "$layout:python" "$work/bundle"

# check SOURCE-ARGUMENTS...: prepare, serve, mount, compare a part, unmount.
check() {
  rm -rf "${work:?}/cache"
  image=$(blobctl prepare --cache "$work/cache" "$@" python)
  start_demandd "$@"
  mount_image "$image" "$work/mnt"
  "$ONDEMAND_SOURCE/tests/system/compare_trees.py" "$work/bundle/rootfs/usr/lib/python3.11" "$work/mnt/usr/lib/python3.11"
  blobctl umount "$work/mnt"
  stop "$daemon" || fail "demandd ended with status $?"
}

note "the directory"
check --store "$work/store"
expected=$image

note "docker-registry"
cat >"$work/registry.yml" <<YAML
version: 0.1
log: { level: info, accesslog: { disabled: true } }
storage: { filesystem: { rootdirectory: $work/registry } }
http: { addr: "127.0.0.1:0" }
YAML
start registry docker-registry serve "$work/registry.yml"
registry=$started
wait_for 20 grep -q 'listening on' "$work/registry.log"
port=$(grep -om 1 'listening on 127.0.0.1:[0-9]*' "$work/registry.log" | cut -d : -f 2)
wait_for 20 curl -sf "http://127.0.0.1:$port/v2/"
skopeo copy -q --dest-tls-verify=false "oci:$work/store:python" "docker://127.0.0.1:$port/team/app:python"
check --registry "http://127.0.0.1:$port/team/app"
[ "$image" = "$expected" ] || fail "another manifest from the registry: $image"
stop "$registry" || true

note "nginx over the layout directory"
mkdir "$work/nginx"
chmod 755 "$work" "$work/store"
own_page=$(basename "$work")
touch "$work/$own_page"
is_ours() { curl -sf "http://127.0.0.1:$port/$own_page"; }
has_come_or_ended() { is_ours || ! kill -0 "$started"; }
# It takes no port 0; one that was free a moment ago may be another's now.
for _ in $(seq 20); do
  port=$(free_port)
  cat >"$work/nginx.conf" <<CONF
daemon off; pid $work/nginx/pid; error_log $work/nginx/error.log; worker_processes 1; user root;
events { worker_connections 256; }
http { access_log off; client_body_temp_path $work/nginx/b; proxy_temp_path $work/nginx/p;
  fastcgi_temp_path $work/nginx/f; uwsgi_temp_path $work/nginx/u; scgi_temp_path $work/nginx/s;
  server { listen 127.0.0.1:$port; root $work; } }
CONF
  start nginx nginx -c "$work/nginx.conf"
  wait_for 20 has_come_or_ended
  is_ours && break
done
is_ours || fail "nginx did not start"
check --registry "http://127.0.0.1:$port/store"
[ "$image" = "$expected" ] || fail "another manifest from nginx: $image"
