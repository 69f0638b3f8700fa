# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by the tests of heaps: a Python that fills its heap, captured and compared.

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/native" && pwd)

# try_python NAME COMMAND...: COMMAND runs python; it may change the root first (exec, no fork).
try_python() {
	local name=$1 pid
	shift
	rm -f "$TMP/ask" "$TMP/h".*
	mkfifo "$TMP/ask"
	: >"$TMP/said"
	"$@" "${TRUTH:-$HERE/heap_truth.py}" <"$TMP/ask" >"$TMP/said" 2>"$TMP/said.err" &
	pid=$!
	at_exit kill "$pid"
	exec 3>"$TMP/ask"
	if ! wait_for 60 grep -q ready "$TMP/said"; then
		fail "$name: the program starts" "$(tail -3 "$TMP/said.err")"
		return
	fi
	"$CAPTURE" -q --collect host,memory,processes,heaps --pid "$pid" -d 300ms -o "$TMP/h.tar.zst" >/dev/null
	equal "$name: the capture is complete" 0 $?
	"$ANALYZE" -q -o "$TMP/h.html" --json "$TMP/h.json" "$TMP/h.tar.zst" 2>/dev/null
	equal "$name: the report is written" 0 $?
	echo report >&3
	check "$name: the program goes on as before" wait_for 60 grep -q '^end' "$TMP/said"
	equal "$name: types by count and bytes are what the program itself counts" "" \
		"$(python3 "$HERE/heap_compare.py" "$TMP/said" "$TMP/h.json" "$pid" 2>&1)"
	exec 3>&-
	kill "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
}
