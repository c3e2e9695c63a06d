# SPDX-License-Identifier: GPL-2.0-only
# Our programs start in the guest, with the libraries that the test took along.
set -eu
for program in demandd blobctl mkfs-erofs-ondemand; do
	"$program" --version
done
