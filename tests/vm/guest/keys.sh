# SPDX-License-Identifier: GPL-2.0-only
# Every path that lib/cache computes is where the kernel looks: random keys of
# all four encodings, in one volume and in volumes of their own.
set -eu
vm_helper keys demand /scratch/demand 300 200
vm_helper keys ondemand /scratch/ondemand 100 8
