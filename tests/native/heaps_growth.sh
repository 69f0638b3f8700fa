#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Heaps that grow, one that grew once, one with holes: what is found, and what is not.  malloc's
# blocks against mallinfo2() of the program itself.
. "$(dirname "$0")/../lib.sh"
need_root "growing heaps"
HERE=$(cd "$(dirname "$0")" && pwd)
USER_OF_HEAP=$NATIVE/native-heap_user

# run NAME COMMAND...: sets PID_NAME; its words are in $TMP/NAME.
run() {
	local name=$1
	shift
	"$@" >"$TMP/$name" &
	declare -g "PID_$name=$!"
	at_exit kill "$!"
	wait_for 60 grep -q ready "$TMP/$name"
}
run holes "$USER_OF_HEAP" holes 300
run leak "$USER_OF_HEAP" leak 24
run arena "$USER_OF_HEAP" arena 24
run python python3 "$HERE/heap_grower.py"
run once "$USER_OF_HEAP" once 100
"$CAPTURE" -q --collect host,memory,processes,cgroups,heaps -d 5s -o "$TMP/g.tar.zst" >/dev/null
equal "the capture is complete" 0 $?
"$ANALYZE" -q -o "$TMP/g.html" --json "$TMP/g.json" "$TMP/g.tar.zst"

heap() { jq -r --argjson p "$1" ".memory.heaps[] | select(.pid == \$p) | $2" "$TMP/g.json"; }
finding() { jq -r --arg id "$1" --arg p "($2)" '.findings[] | select(.id == $id and (.scope.name | endswith($p))) | .title + "; " + ([.because[].text] | join("; "))' "$TMP/g.json"; }

for name in leak arena python; do
	pid=PID_$name
	[ -n "$(finding heap.growth "${!pid}")" ] && ok "a heap that grows is found: $name" ||
		fail "a heap that grows is found: $name" "$(jq -c --argjson p "${!pid}" '.memory.heaps[] | select(.pid == $p) | del(.entries, .containers)' "$TMP/g.json")"
done
case $(finding heap.growth "$PID_python") in
*"with ever more objects of __main__.Order;"*"one dict grew from"*) ok "the class of what leaks is named, and the dict that holds it" ;;
*) fail "the class of what leaks is named, and the dict that holds it" "$(finding heap.growth "$PID_python")" ;;
esac
case $(finding heap.growth "$PID_arena") in
*"malloc arenas of threads"*) ok "memory of a thread's arena is said to be that" ;;
*) fail "memory of a thread's arena is said to be that" "$(finding heap.growth "$PID_arena")" ;;
esac
equal "a heap that grew once is not said to be growing" "" "$(finding heap.growth "$PID_once")"
equal "nor one that stands still" "" "$(finding heap.growth "$PID_holes")"

# 300 MiB, of which one block of 64 is in use.
read -r _ used free <"$TMP/holes"
got_used=$(heap "$PID_holes" .malloc_used_bytes) got_free=$(heap "$PID_holes" .malloc_free_bytes)
near() { [ $(($1 > $2 ? $1 - $2 : $2 - $1)) -le $((($1 + $2) / 200 + 65536)) ]; }
near "$got_used" "$used" && ok "what malloc has in use is what mallinfo2 says" ||
	fail "what malloc has in use is what mallinfo2 says" "$got_used, not $used"
near "$got_free" "$free" && ok "and so is what it keeps free" || fail "and so is what it keeps free" "$got_free, not $free"
case $(finding heap.fragmented "$PID_holes") in
"27"?" MiB"* | "28"?" MiB"* | "29"?" MiB"*) ok "memory that malloc keeps is found" ;;
*) fail "memory that malloc keeps is found" "$(finding heap.fragmented "$PID_holes") $(heap "$PID_holes" .malloc_trimmable_bytes)" ;;
esac
equal "only there" 1 "$(jq '[.findings[] | select(.id == "heap.fragmented")] | length' "$TMP/g.json")"
