# SPDX-License-Identifier: GPL-2.0-only
# The list of behaviours that the simulators obey, on this kernel, for both devices.
set -u
status=0
for device in /dev/cachefiles_demand /dev/cachefiles; do
	echo "== $device"
	cachefiles_behaviour_tests --device $device --cache /scratch/behaviour --gtest_brief=1 ||
		status=1
done
exit $status
