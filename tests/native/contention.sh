# SPDX-License-Identifier: GPL-2.0-or-later
# Threads that fight for a lock are found, those that wait for work are not; so are bursts.
. "$(dirname "$0")/../lib.sh"
need_root "contention"
fight=$NATIVE/native-fight
command -v jq >/dev/null || { skip "contention" "jq is not installed"; exit 0; }
if [ ! -r /sys/kernel/btf/vmlinux ]; then
	skip "contention" "this kernel has no BTF"
	exit 0
fi

# capture NAME SECONDS: one capture; NAME.json is its report.
capture() {
	"$CAPTURE" -q -d "$2" --collect stacks,host,processes -o "$TMP/$1.tar.zst" >"$TMP/path" 2>"$TMP/$1.err"
	"$ANALYZE" -q -o "$TMP/$1.html" --json "$TMP/$1.json" "$TMP/$1.tar.zst" 2>>"$TMP/$1.err"
}
# found NAME ID PROGRAM-OR-PID: the titles of the findings about it.
found() { jq -r --arg id "$2" --arg who "$3" '.findings[] | select(.id == $id and ((.scope.name | endswith("(" + $who + ")")) or .scope.name == $who)) | .title' "$TMP/$1.json"; }
# run NAME OPTION...: a load in the background, its pid in $NAME.
run() {
	local name=$1
	shift
	"$@" >"$TMP/$name.pid" 2>/dev/null &
	at_exit kill $!
	wait_for 5 test -s "$TMP/$name.pid"
	printf -v "$name" %s "$(head -1 "$TMP/$name.pid")"
}

run mutex "$fight" mutex 8 4
run pool "$fight" pool 8 6
run turns "$fight" turns 8 6
capture locks 5
if ! jq -e '.hotspot.off_cpu | length > 0' "$TMP/locks.json" >/dev/null; then
	skip "contention" "no stacks off the CPU here: $(tail -1 "$TMP/locks.err")"
	exit 0
fi
case $(found locks hotspot.lock-contention "$mutex") in
*" wait for a lock in update_shared_table of native-fight") ok "a fight for a mutex is found, and where" ;;
*) fail "a fight for a mutex is found, and where" "$(found locks hotspot.lock-contention "$mutex"); $(jq -c '[.findings[] | [.id, .title]]' "$TMP/locks.json")" ;;
esac
# Four threads, of which one at a time gets on; where others run, some of them wait for a CPU instead.
waiting=$(found locks hotspot.lock-contention "$mutex" | grep -o '^[0-9.]*')
check "no more than three of its four threads wait at a time ($waiting)" awk "BEGIN { exit !(${waiting:-0} >= 0.5 && ${waiting:-0} <= 3.4) }"
equal "workers that wait for a job are not" "" "$(found locks hotspot.lock-contention "$pool")"
equal "nor those that take turns to wait for one" "" "$(found locks hotspot.lock-contention "$turns")"
equal "their waiting was seen, however" true "$(jq "[.hotspot.off_cpu[] | select((.pid == $pool or .pid == $turns) and .state == \"sleep\" and .seconds > 1)] | length >= 8" "$TMP/locks.json")"
wait "$mutex" "$pool" "$turns" 2>/dev/null

run mapper "$fight" mmap 6 8
capture kernel 4
text=$(found kernel hotspot.lock-contention "$mapper")
case $text in
*"wait for a lock of the kernel's in "*"address space (mmap_lock)") ok "a fight for a lock of the kernel's is found, and whose it is" ;;
*) fail "a fight for a lock of the kernel's is found, and whose it is" "$text; $(jq -c '[.findings[] | [.id, .title, .scope.name]]' "$TMP/kernel.json")" ;;
esac
kill "$mapper" 2>/dev/null

cp "$fight" "$TMP/recount"
cp "$fight" "$TMP/grinder"
run steady "$TMP/grinder" steady 11
# Whatever else runs here: it takes the CPUs (all but the 5 % that the kernel leaves to others).
if ! chrt -f 1 true 2>/dev/null; then
	skip "a burst" "SCHED_FIFO is not allowed here"
	exit 0
fi
run burst chrt -f 1 "$TMP/recount" burst 11 3.5 1.5
capture burst 8
title=$(found burst hotspot.cpu-burst recount)
case $title in
"recount took "*"% of the CPUs for "*" s at "*" UTC") ok "a burst is found" ;;
*) fail "a burst is found" "$title; $(jq -c '[.findings[] | [.id, .title]], .hotspot.seconds' "$TMP/burst.json")" ;;
esac
long=$(grep -oE 'for [0-9.]+ m?s' <<<"$title" | awk '{ print $3 == "ms" ? $2 / 1000 : $2 }')
check "with its length ($long s)" awk "BEGIN { exit !(${long:-0} >= 1 && ${long:-0} <= 2) }"
equal "and its function" true "$(jq '[.findings[] | select(.id == "hotspot.cpu-burst" and .scope.name == "recount") | .because[].text] | any(test("recount_everything"))' "$TMP/burst.json")"
equal "a steady load is no burst" "" "$(found burst hotspot.cpu-burst grinder)"
