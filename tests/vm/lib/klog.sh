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
# klog_story <FILE: prints the log around the first offending line: what a reader
# needs to understand it when nothing else of the log is left.

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

# A warning of the kernel's own, whole from "cut here" to "end trace", that none of our code has a
# part in.  Since 6.1.17x the removal of a device flushes its power management work, whose queue is
# not for memory reclaim; open-iscsi's transport class removes its devices from one that is, and
# when that work is under way at that moment the kernel says so.
KLOG_KNOWN='workqueue: WQ_MEM_RECLAIM iscsi_ctrl_[0-9:]+:__iscsi_unbind_session .* is flushing !WQ_MEM_RECLAIM pm:pm_runtime_work'

# Empties the lines of a known warning: the others keep their numbers.
klog_without_known()
{
	cat -- "$@" | awk -v known="$KLOG_KNOWN" '
		function leave(i) {
			for (i = 1; i <= held; i++)
				print excused ? "" : line[i]
			held = excused = 0
		}
		/------------\[ cut here \]/ { leave(); held = 1; line[1] = $0; next }
		!held { print; next }
		{ line[++held] = $0 }
		held == 2 && $0 ~ known { excused = 1 }
		held > 2 && /BUG: |Oops|panic|KASAN/ { excused = 0 }
		/---\[ end trace/ { leave() }
		END { excused = 0; leave() }'
}

klog_bad()
{
	klog_without_known "$@" | grep -anE "$KLOG_BAD" | grep -avE "$KLOG_FINE"
}

klog_story()
{
	local log first
	log=$(cat)
	first=$(printf '%s\n' "$log" | klog_bad | head -n 1 | cut -d : -f 1)
	[ -n "$first" ] || return 0
	printf '%s\n' "$log" | sed -n "$((first > 5 ? first - 5 : 1)),$((first + 120))p"
}
