# SPDX-License-Identifier: GPL-2.0-only
# The selftest of the kernel series: every behaviour of /dev/cachefiles_demand.
# Its stress test has a guest of its own (stress), and is slow with lockdep.
[ ! -e /proc/lockdep_stats ] || export DEMAND_TEST_REQUESTS=200
exec demand_test /scratch "$@"
