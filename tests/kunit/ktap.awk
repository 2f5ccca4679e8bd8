# SPDX-License-Identifier: GPL-2.0-only
#
# Turns a kernel log with KTAP lines into one line per test and a closing line.
#
# Used by tests/kunit/run, which passes the guest's exit status in `status`. Lines
# of the log have lost their time stamps. A suite that announced more tests than
# it reported, a log without its end, and a guest that failed although every test
# passed (the kernel complained) each count as a failure. Exit status 1 then.

/^chiscsi-kunit: round / { close_suite(); round = $3; next }
/^chiscsi-kunit: end/ { complete = 1; next }
/^ *# Subtest: / { close_suite(); suite = $NF; planned = 0; seen = 0; notes = ""; next }
/^    1\.\.[0-9]+$/ { planned = substr($1, 4) + 0; next }
/^    (not )?ok [0-9]+ / { result($0); next }
/^ok [0-9]+ |^not ok [0-9]+ / { close_suite(); next }
/EXPECTATION FAILED|ASSERTION FAILED/ { notes = notes "  " $0 "\n"; in_note = 6; next }
/^ +# / { notes = notes "  " $0 "\n"; next }
in_note > 0 { notes = notes "  " $0 "\n"; in_note-- }

function result(line,    bad, name) {
	bad = line ~ /^    not ok/
	name = line
	sub(/^    (not )?ok [0-9]+ (- )?/, "", name)
	seen++
	if (name ~ /# SKIP/) {
		skipped++
		print "skip - " suite "." name " (" round ")"
	} else if (bad) {
		failed++
		print "not ok - " suite "." name " (" round ")"
		printf "%s", notes
	} else {
		passed++
		print "ok - " suite "." name " (" round ")"
	}
	notes = ""
	in_note = 0
}

function close_suite() {
	if (suite != "" && seen < planned) {
		failed += planned - seen
		print "not ok - " suite ": " planned - seen " of " planned " tests did not report"
	}
	suite = ""
}

END {
	close_suite()
	if (!complete) {
		failed++
		print "not ok - the guest reached its end"
	} else if (status != 0 && !failed) {
		failed++
		print "not ok - no complaint of the kernel and no leak"
	} else if (status == 0)
		passed++
	printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
	exit failed > 0
}
