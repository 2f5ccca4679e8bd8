#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of tests/kunit/run that runs inside the guest: loads the test module,
# which runs all suites while it is loaded, and unloads it; once per way to send.
# The results are in the kernel log. Changes nothing outside of the guest.
set -eu

for how in 1 2; do
	echo "chiscsi-kunit: round zero_copy=$how" > /dev/kmsg
	insmod /modules/chiscsi_kunit.ko zero_copy=$how
	rmmod chiscsi_kunit
done
echo 'chiscsi-kunit: end' > /dev/kmsg
