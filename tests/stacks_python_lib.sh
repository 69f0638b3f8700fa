# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by the tests of Python's frames: a program that knows its own stacks, captured and compared.

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/native" && pwd)

# try_stacks NAME VERSION PROGRAM COMMAND...: COMMAND PROGRAM runs it; it may change the root first.
try_stacks() {
	local name=$1 version=$2 program=$3 pid
	shift 3
	"$@" "$program" 30 >"$TMP/said" 2>"$TMP/said.err" &
	pid=$!
	at_exit kill "$pid"
	wait_for 20 sh -c "[ \$(wc -l <'$TMP/said') = 17 ]" || {
		fail "$name: the program starts" "$(tail -3 "$TMP/said.err")"
		kill "$pid" 2>/dev/null
		return
	}
	rm -f "$TMP/s.tar.zst"
	"$CAPTURE" -q --collect host,stacks -d "${WINDOW:-2s}" -o "$TMP/s.tar.zst" >/dev/null
	equal "$name: the capture is complete" 0 $?
	check "$name: the program goes on as before" kill -0 "$pid"
	kill "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	"$ANALYZE" -q -o "$TMP/s.html" --json "$TMP/s.json" --export folded="$TMP/s.folded" "$TMP/s.tar.zst" 2>/dev/null
	equal "$name: the report is written" 0 $?
	equal "$name: stacks are what the program itself sees" "" \
		"$(python3 "$HERE/stacks_planted_compare.py" "$TMP/said" "$TMP/s.folded" "$TMP/s.json" "$version" 2>&1)"
}
