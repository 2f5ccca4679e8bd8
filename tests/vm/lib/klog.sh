# SPDX-License-Identifier: GPL-2.0-only
#
# klog.sh - what counts as a failure in a kernel log.
#
# Sourced by the host commands (over the console log) and by the guest
# library (over dmesg); both must agree, so the pattern lives here only.
# Works in dash and bash.  It never judges a test's own output.
#
# klog_bad [FILE...]: prints the offending lines, numbered; status 0 means
# that at least one was found.

KLOG_BAD='WARNING: |BUG: |kernel BUG at|Oops|Kernel panic|general protection fault'
KLOG_BAD="$KLOG_BAD|cut here|Call Trace:|KASAN|KCSAN|KFENCE|UBSAN: |kmemleak: [1-9]"
KLOG_BAD="$KLOG_BAD|unreferenced object|possible (circular|recursive|irq lock)"
KLOG_BAD="$KLOG_BAD|inconsistent lock state|suspicious RCU|lock held when returning"
KLOG_BAD="$KLOG_BAD|lockdep|held lock freed|bad unlock balance|scheduling while atomic"
KLOG_BAD="$KLOG_BAD|sleeping function called|refcount_t|use-after-free|list_(add|del) corruption"
KLOG_BAD="$KLOG_BAD|INFO: task .* blocked for|blocked for more than|soft lockup|hard LOCKUP"
KLOG_BAD="$KLOG_BAD|rcu: INFO|detected stall|Objects remaining|Slab cache still has objects"
KLOG_BAD="$KLOG_BAD|kmem_cache_destroy|ODEBUG|unregister_netdevice: waiting|page_owner|Bad page state"
KLOG_BAD="$KLOG_BAD|chiscsi.*\\bleak|Unknown symbol|segfault at|Out of memory: Killed|trap invalid opcode"

# A line printed by a healthy boot that matches by accident.
KLOG_FINE='chiscsi-test: mark|lockdep is turned off|lockdep: fixing up|Lock dependency validator|RCU lockdep checking|KFENCE: initialized|kfence: initialized|KernelAddressSanitizer initialized|page_owner is disabled'

klog_bad()
{
	grep -anE "$KLOG_BAD" "$@" | grep -avE "$KLOG_FINE"
}
