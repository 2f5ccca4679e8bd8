#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# conformance_data.sh - data through every kind of buffer list.
#
# Runs in the test machine.  The conformance driver lends memory of every kind
# the API allows, whole and in phases, answers in every context, and overwrites each
# buffer the moment it is its own again.  What was written must be read back, and no
# rule may be broken.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"
# shellcheck source=tests/vm/lib/conformance.sh
. "$GUEST_LIB/conformance.sh"

BLOCKS=500

# there_and_back: other data each time.
there_and_back()
{
	head -c $((BLOCKS * 512)) /dev/urandom >/run/out.data
	sg_write $BLOCKS /run/out.data && sg_read $BLOCKS /run/in.data &&
		cmp /run/out.data /run/in.data
}

kinds()
{
	local kind run
	for kind in both page address mixed odd zero dma; do
		script "buffer $kind"
		check "$kind buffers" there_and_back
	done
	for run in inline thread cpu softirq; do
		script "buffer mixed" "run $run" 'delay 3'
		check "answers: $run" there_and_back
	done
}

phases()
{
	script 'buffer odd' 'phase 20480'
	check 'phases, one at a time' there_and_back
	script 'buffer mixed' 'phase 20480' 'ahead 3'
	check 'phases, four at a time' there_and_back
	script 'buffer zero' 'phase 4097' 'ahead 64' 'run softirq'
	check 'phases of an odd length from softirq' there_and_back
	script 'phase 1' 'ahead 64' 'buffer page'
	BLOCKS=1 check 'phases of one byte' there_and_back
}

# Linux takes the residual off the data in both cases: that many bytes are kept.
all_but()
{
	head -c $((BLOCKS * 512)) /dev/urandom >/run/out.data
	sg_write $BLOCKS /run/out.data && sg_read $BLOCKS /run/in.data &&
		[ "$(stat -c %s /run/in.data)" -eq $((BLOCKS * 512 - $1)) ] &&
		cmp -n $((BLOCKS * 512 - $1)) /run/out.data /run/in.data
}

# What is missing or too much is said in the response, and the data is right.
residuals()
{
	script 'residual over' 'residual_bytes 3000' 'buffer odd'
	check 'overflow' all_but 3000
	script 'residual over' 'residual_bytes 3000' 'phase 8192' 'ahead 2'
	check 'overflow in phases' all_but 3000
	script 'residual under' 'residual_bytes 1000'
	check 'underflow' all_but 1000
	check 'underflow of a write' sg_write $BLOCKS /run/out.data
	script 'residual under' "residual_bytes $((BLOCKS * 512))"
	check 'a read without any data' sg_read $BLOCKS /run/in.data
}

conf_up
conf_attach
kinds
phases
residuals
script 'wrong_calls 1' 'twice 1'
check 'every call that is to be refused' there_and_back
script
conf_do wrong_calls || :
kept taken hook-context hook-overlap cdb-fields cdb-session read-only xfer-order xfer-data \
	xfer-returned xfer-guard cleanup-once cleanup-last refuse-list refuse-dma-only \
	refuse-double refuse-stale refuse-null refuse-foreign refuse-handle refuse-control class-busy
conf_do judge
kept after-return
conf_down
finish
