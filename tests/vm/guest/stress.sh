# SPDX-License-Identifier: GPL-2.0-only
# Thousands of requests with bad answers, killed readers and vanishing devices.
DEMAND_TEST_REQUESTS=$(cat /requests) exec demand_test /scratch chaos
