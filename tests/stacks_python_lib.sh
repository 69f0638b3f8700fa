# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by the tests of Python's frames: a program that knows its own stacks, captured and compared.

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/native" && pwd)

# try_stacks NAME VERSION PROGRAM COMMAND...: COMMAND PROGRAM runs it; it may change the root first.
try_stacks() {
	local name=$1 version=$2 program=$3 pid window got report differs
	shift 3
	rm -f "$TMP/said" # what the last one said
	"$@" "$program" 60 >"$TMP/said" 2>"$TMP/said.err" &
	pid=$!
	at_exit kill "$pid"
	wait_for 20 sh -c "[ \$(wc -l <'$TMP/said') = 17 ]" || {
		fail "$name: the program starts" "$(tail -3 "$TMP/said.err")"
		kill "$pid" 2>/dev/null
		return
	}
	# On a busy machine it may take longer until enough has been seen.
	for window in 2s 6s 12s; do
		rm -f "$TMP/s.tar.zst"
		"$CAPTURE" -q --collect host,stacks -d $window -o "$TMP/s.tar.zst" >/dev/null
		got=$?
		"$ANALYZE" -q -o "$TMP/s.html" --json "$TMP/s.json" --export folded="$TMP/s.folded" "$TMP/s.tar.zst" 2>/dev/null
		report=$?
		differs=$(python3 "$HERE/stacks_planted_compare.py" "$TMP/said" "$TMP/s.folded" "$TMP/s.json" "$version" 2>&1)
		[ $? = 3 ] || break
	done
	equal "$name: the capture is complete" 0 $got
	check "$name: the program goes on as before" kill -0 "$pid"
	kill "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	equal "$name: the report is written" 0 $report
	equal "$name: stacks are what the program itself sees" "" "$differs"
}
