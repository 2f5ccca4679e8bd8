#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# offload_t6.sh [CASE...] - open-iscsi over a software adapter of generation T6.
#
# Runs in the test machine.  What the host's sockets do, the offload transport does as well: the
# same cases run over it and print the same, and the counters show that data was placed and reads
# were split by the adapter.  At the end of each the adapter says that none of its rules was
# broken and that nothing is left in it.  All cases that there are for it:
#
#	tests/vm/run --timeout 7200 tests/vm/cases/offload_t6.sh all

set -eu
export VM_TARGET=offload OFFLOAD_SIM=chip=6
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"
# shellcheck source=tests/vm/lib/offload.sh
. "$GUEST_LIB/offload.sh"

[ -f /modules/chiscsi_cxgb4_sim.ko ] || skip_case 'there is no chiscsi_cxgb4_sim.ko (make test-modules)'
profile t6 "$@"
finish
