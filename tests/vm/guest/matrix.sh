# SPDX-License-Identifier: GPL-2.0-only
# What the kernel makes of each kind of prepared cache, for both protocols.
# /matrix has the expected tables: PROTOCOL, or PROTOCOL-SERIES where the two
# kernels differ.
set -eu
series=$(uname -r | cut -d. -f1,2)
failed=
for protocol in demand ondemand; do
	expected=/matrix/$protocol-$series
	[ -e "$expected" ] || expected=/matrix/$protocol
	vm_helper matrix $protocol /scratch/matrix | sort >/tmp/$protocol
	echo "== $protocol"
	cat /tmp/$protocol
	grep -v '^#' "$expected" | sort | diff - /tmp/$protocol >/tmp/diff || {
		echo "matrix: $protocol: compare: it is not as expected:" >&2
		cat /tmp/diff >&2
		failed=1
	}
done
[ -z "$failed" ]
