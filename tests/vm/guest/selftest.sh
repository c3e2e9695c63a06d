# SPDX-License-Identifier: GPL-2.0-only
# The selftest of the kernel series: every behaviour of /dev/cachefiles_demand.
exec demand_test /scratch "$@"
