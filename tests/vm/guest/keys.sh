# SPDX-License-Identifier: GPL-2.0-only
# Every path that lib/cache computes is where the kernel looks: random keys of
# all four encodings, in one volume and in volumes of their own.
set -eu
try() {
	vm_helper keys "$1" "/scratch/$1" 300 "$2" >/tmp/keys
	cat /tmp/keys
	echo "-- $1 ($(cut -d. -f1 /proc/uptime) s)"
	# as long as the kernel takes them
	grep -q ' D 252, E 189, S 4, T 4, volume 248$' /tmp/keys
}
try demand 200
try ondemand 20
