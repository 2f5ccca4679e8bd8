# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# suite.sh - libiscsi's own conformance suite, iscsi-test-cu, against kinds of logical units.
#
# Sourced by tests/libiscsi/run and tests/vm/libiscsi, which bring a target to life. A test counts as
# passed, failed or skipped on each unit; one that skips a part of itself counts as skipped. What
# cannot pass is in the file `excused`, with the reason: a failure there is no failure of the run, a
# skip there is none. What no unit could run is listed.
# Uses: $suite_work (a folder of the caller's), $suite_keep (or empty).

suite_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
suite_client=
suite_iqn=iqn.2026-11.org.example:libiscsi
# Unit and its TargetDevice line; the number of the LUN is the place in the list.
suite_units=(thin thick 4kn readonly removable)
suite_devices=(
	'thin,MEM,size=64MB,THIN'
	'thick,MEM,size=64MB'
	'4kn,MEM,size=64MB,BS=4096,THIN'
	'readonly,MEM,size=64MB,RO,THIN'
	'removable,MEM,size=64MB,REMOVABLE'
)
# Besides, units `slow` behind devices whose requests take long (the caller's): for the one test that
# watches a sanitize operation for seconds, one that wants blocks which do not read as zeros when
# they were unmapped, and one whose write is surely aborted there. They are there for them alone, so
# a skip is a failure.
suite_slow_tests=(SCSI.Sanitize.Reset SCSI.WriteSame10.UnmapUntilEnd iSCSI.iSCSITMF.AbortTaskSimpleAsync)

# Tests that want --dataloss and do not write.
suite_readonly_tests=(ReadOnly ProutRegister PrinReadKeys ProutReserve.Simple
	ProutReserve.OwnershipEA ProutReserve.OwnershipWE ProutReserve.OwnershipEARO
	ProutReserve.OwnershipWERO ProutReserve.OwnershipEAAR ProutReserve.OwnershipWEAR)

# suite_lun UNIT
suite_lun()
{
	local i
	for i in "${!suite_units[@]}"; do
		[ "${suite_units[$i]}" != "$1" ] || { echo "$i"; return; }
	done
	[ "$1" = slow ] || { echo "no unit '$1'" >&2; return 2; }
	echo "${#suite_units[@]}"
}

# suite_results FILE: "passed|failed|skipped SUITE.TEST" for each test of an output of the suite.
suite_results()
{
	awk '
		/^Suite: / { suite = $2 }
		/^  Test: / { name = suite "." $2; skipped = 0; open = 1 }
		!open { next }
		# What the suite prints behind the verdict belongs to its tidying up.
		match($0, /(\.\.\.|^)(passed|FAILED)/) {
			verdict = skipped ? "skipped" : "passed"
			if (substr($0, RSTART, RLENGTH) ~ /FAILED/) verdict = "failed"
			print verdict, name
			open = 0
			next
		}
		/\[SKIPPED\]/ { skipped = 1 }
	' "$1"
}

# suite_skip_lines FILE UNIT: "SUITE.TEST UNIT TEXT" for each line of a test that says what it skips.
suite_skip_lines()
{
	awk -v unit="$2" '
		/^Suite: / { suite = $2 }
		/^  Test: / { name = suite "." $2 }
		sub(/^.*\[SKIPPED\] */, "") { print name, unit, $0 }
	' "$1"
}

# suite_excuse UNIT SUITE.TEST: the reason why it cannot pass there, or status 1.
suite_excuse()
{
	awk -v unit="$1" -v test="$2" '
		/^#/ || NF < 3 { next }
		$1 == test && (" " unit " " ~ " " $2 " " || $2 == "all" || index("," $2 ",", "," unit ",")) {
			sub(/^[^ \t]+[ \t]+[^ \t]+[ \t]+/, ""); print; found = 1; exit
		}
		END { exit !found }
	' "$suite_here/excused"
}

# suite_run UNIT TESTS URL [URL]: runs it, and says what came out. A second URL is a second path.
# TESTS may be EVERY: all families one after the other, most tests in two or three of them.
# Tests that write are for units that can be written; one is about those that cannot. What was run
# on the unit before counts as it came out then.
suite_run()
{
	local unit=$1 tests=$2 verdict test reason begin=$SECONDS
	local options=(-d -S)
	shift 2
	if [ "$unit" = readonly ] && suite_is_whole "$tests"; then
		for test in "${suite_readonly_tests[@]}"; do suite_run readonly "SCSI.$test" "$@"; done
		options=()
	fi
	[ "$tests" = EVERY ] || options+=(-t "$tests")
	timeout "${suite_limit:-3600}" iscsi-test-cu "${options[@]}" "$@" \
		>"$suite_work/$unit.part" 2>&1 &
	suite_client=$!
	local status=0
	wait "$suite_client" || status=$?
	suite_client=
	# Killed by a signal or by the limit: what it had still to run would be missing without a word.
	[ "$status" -lt 124 ] || printf 'failed the-suite-did-not-end %s\n' "$unit" >>"$suite_work/results"
	cat "$suite_work/$unit.part" >>"$suite_work/$unit.out"
	[ -z "$suite_keep" ] || { mkdir -p "$suite_keep" && cp "$suite_work/$unit.out" "$suite_keep/"; }
	suite_skip_lines "$suite_work/$unit.part" "$unit" >>"$suite_work/skips"
	: >"$suite_work/$unit.new"
	suite_results "$suite_work/$unit.part" | while read -r verdict test; do
		! grep -qxE "[a-z]+ $test $unit" "$suite_work/results" || continue
		[[ $verdict,$unit != skipped,slow* ]] || verdict=failed
		if [ "$verdict" = failed ] && reason=$(suite_excuse "$unit" "$test"); then
			verdict=excused
			printf '  excused on %s: %s (%s)\n' "$unit" "$test" "$reason" >&3
		fi
		printf '%s %s %s\n' "$verdict" "$test" "$unit" >>"$suite_work/$unit.new"
	done 3>&1
	printf '%-14s %4d passed, %3d skipped, %3d failed, %2d excused, %4d s  %s\n' "$unit" \
		"$(suite_count passed "$unit.new")" "$(suite_count skipped "$unit.new")" \
		"$(suite_count failed "$unit.new")" "$(suite_count excused "$unit.new")" \
		$((SECONDS - begin)) "$tests"
	sed -n "s/^failed \([^ ]*\) .*/  failed on $unit: \1/p" "$suite_work/$unit.new"
	if [ ! -s "$suite_work/$unit.new" ]; then
		echo "failed the-suite-did-not-run $unit" >>"$suite_work/$unit.new"
		printf '  %s: the suite did not run\n' "$unit"
		tail -n 20 "$suite_work/$unit.part"
	fi
	cat "$suite_work/$unit.new" >>"$suite_work/results"
}

# suite_stop: ends what suite_run has under way, for a caller that is to end.
suite_stop()
{
	[ -z "$suite_client" ] || kill "$suite_client" 2>/dev/null || :
}

suite_is_whole()
{
	[ "$1" = ALL ] || [ "$1" = EVERY ]
}

suite_count()
{
	grep -c "^$1 " "$suite_work/$2" || :
}

# suite_table: a line for each unit, and how many tests have passed on at least one. The suite has
# most tests in several of its families; run without a name, it runs them as often.
suite_table()
{
	awk '
		!($3 in units) { units[$3]; order[++count] = $3 }
		{ runs[$1, $3]++ }
		END {
			printf "%-14s %6s %6s %7s %7s\n", "unit", "passed", "failed", "excused", "skipped"
			for (i = 1; i <= count; i++) {
				unit = order[i]
				printf "%-14s %6d %6d %7d %7d\n", unit, runs["passed", unit], runs["failed", unit],
					runs["excused", unit], runs["skipped", unit]
			}
		}' "$suite_work/results"
	iscsi-test-cu --list | awk -F. '
		NR == FNR { families[$2 "." $3] += NF == 3; next }
		{ split($0, part, " "); seen[part[2]] }
		part[1] == "passed" { passed[part[2]] }
		END {
			for (test in seen) { tests++; all += families[test] }
			for (test in passed) { good++; good_runs += families[test] }
			printf "passed on at least one unit: %d of %d tests (%d of %d with each family)\n",
				good, tests, good_runs, all
		}' - "$suite_work/results"
}

# suite_kinds: for each of the five kinds of unit, by itself or as a slow one, how many of the suite's
# runs pass as the suite counts, which takes one that skips for passed; then those that do not, and
# those that do not apply by what `excused` says.
suite_kinds()
{
	iscsi-test-cu --list | awk -F. -v known="${suite_units[*]}" '
		FILENAME == "-" { families[$2 "." $3] += NF == 3; next }
		/^#/ { next }
		{ split($0, part, " ") }
		FILENAME ~ /excused$/ {
			if ($0 !~ /  does not apply/) next
			count = split(part[2], units, ",")
			for (i = 1; i <= count; i++) inapplicable[units[i], part[1]]
			next
		}
		{ kind = part[3] == "slow" ? "thin" : part[3]; sub(/^slow-/, "", kind); ran[kind, part[2]] }
		part[1] == "passed" || part[1] == "skipped" { passed[kind, part[2]] }
		END {
			printf "%-14s %6s %6s %6s %9s\n", "kind", "runs", "passed", "failed", "not apply"
			count = split(known, kinds, " ")
			for (i = 1; i <= count; i++) {
				all = good = out = 0
				for (test in families) {
					if (!((kinds[i], test) in ran)) continue
					all += families[test]
					if ((kinds[i], test) in passed) good += families[test]
					else if ((kinds[i], test) in inapplicable) out += families[test]
				}
				if (all) printf "%-14s %6d %6d %6d %9d\n", kinds[i], all, good, all - good - out, out
			}
		}' - "$suite_here/excused" "$suite_work/results"
}

# suite_nowhere: what no unit could run, why, and the lines that say what was skipped, of the unit
# where they are fewest.
suite_nowhere()
{
	local test reason
	awk '{ seen[$2] = 1 } $1 == "passed" || $1 == "failed" { ran[$2] = 1 }
		END { for (test in seen) if (!(test in ran)) print test }' "$suite_work/results" |
		sort >"$suite_work/nowhere"
	: >"$suite_work/lines"
	: >"$suite_work/unexplained"
	while read -r test; do
		reason=$(suite_excuse all "$test") || echo "$test" >>"$suite_work/unexplained"
		printf '  nowhere: %s%s\n' "$test" "${reason:+ ($reason)}"
		awk -v test="$test" '
			$1 == test { unit = $2; line = $0; sub(/^[^ ]+ [^ ]+ /, "", line)
				if (!seen[unit, line]++) text[unit] = text[unit] "    skips: " line "\n"
				lines[unit]++ }
			END { for (unit in lines) if (best == "" || lines[unit] < lines[best]) best = unit
				printf "%s", text[best] }
		' "$suite_work/skips" | tee -a "$suite_work/lines"
	done <"$suite_work/nowhere"
	printf 'skip lines that remain over all units: %d\n' "$(wc -l <"$suite_work/lines")"
}

# suite_report: the table, what no unit could run, and the total as the last line; its status is the
# verdict. Passed and failed are runs of a test on a unit, skipped are tests.
suite_report()
{
	suite_table
	suite_kinds
	suite_nowhere
	printf '%s passed, %s failed, %s skipped\n' "$(suite_count passed results)" \
		"$(suite_count failed results)" "$(wc -l <"$suite_work/unexplained")"
	! grep -q '^failed ' "$suite_work/results" && grep -q '^passed ' "$suite_work/results"
}
