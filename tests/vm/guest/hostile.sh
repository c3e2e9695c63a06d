# SPDX-License-Identifier: GPL-2.0-only
# Spoiled commands, ioctl numbers, lengths and addresses, written to both devices before and after
# a cache is bound and while somebody reads; /hostile has the seed of the numbers, and how many
# rounds.  A kernel with lockdep gets half of them.
set -eu
rounds=$(cat /hostile/rounds)
[ ! -e /proc/lockdep_stats ] || rounds=$((rounds / 2))
for protocol in demand ondemand; do
	echo "== $protocol ($(cut -d. -f1 /proc/uptime) s)"
	vm_helper hostile $protocol /scratch/hostile "$(cat /hostile/seed)" $rounds
done
echo "done after $(cut -d. -f1 /proc/uptime) s"
