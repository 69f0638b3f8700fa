#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# ossnap-capture --guard: fastoom stands beside the capture, its journal is in the archive, and the
# capture itself is the first to give way.
. "$(dirname "$0")/../lib.sh"
need_root guard_capture
FASTOOM=${FASTOOM:-$BUILD/capture/fastoom/bin/fastoom}
HOG=${HOG:-$NATIVE/native-fastoom_hog}
MEMORY=/sys/fs/cgroup/memory
alive() { [ -d "/proc/$1" ] && [ "$(awk '/^State/ { print $2 }' "/proc/$1/status" 2>/dev/null)" != Z ]; }
gone() { ! alive "$1"; }
manifest() { member "$1" manifest.json; }
# of the guard's collector
guard_is() { manifest "$1" | jq -r '.collectors[] | select(.name == "guard") | '"$2"; }

# ------------------------------------------------------------------ asked for wrongly
"$CAPTURE" --guard=/nonexistent/f.conf -o "$TMP" 2>"$TMP/err"
equal "no such configuration: refused before starting" 5 $?
check "no such configuration: named" grep -q '/nonexistent/f.conf: No such file' "$TMP/err"
printf '[p]\nscope = node\nsensitivity = loud\n' >"$TMP/bad.conf"
"$CAPTURE" --guard="$TMP/bad.conf" -o "$TMP" 2>"$TMP/err"
equal "a bad configuration: refused" 5 $?
check "a bad configuration: with its line" grep -q 'bad.conf:3: sensitivity: loud' "$TMP/err"
equal "nothing was written" "" "$(ls "$TMP"/*.zst 2>/dev/null)"

# ------------------------------------------------------------------ it stands, and leaves
"$CAPTURE" -d 3 --guard --collect guard,host -q -o "$TMP/plain.tar.zst" >/dev/null 2>"$TMP/err" &
capture=$!
GUARD=
# the grandchild of $capture that is called fastoom
find_guard() {
	local p
	for p in $(pgrep -P "$capture"); do
		GUARD=$(pgrep -P "$p" -x fastoom) && return 0
	done
	return 1
}
wait_for 3 find_guard
check "fastoom runs during the window" test -n "$GUARD"
wait_for 2 sh -c "[ \$(cat /proc/$GUARD/oom_score_adj) -le 0 ]"
check "its oom_score_adj is not the capture's" test "$(cat /proc/$GUARD/oom_score_adj)" -le 0
equal "the capture's is" 1000 "$(cat /proc/$capture/oom_score_adj)"
check "its nice value is not the capture's" test "$(ps -o ni= -p "$GUARD")" -le 0
check "it is small: $(awk '/^VmRSS/ { print $2 }' "/proc/$GUARD/status") KiB" \
	test "$(awk '/^VmRSS/ { print $2 }' "/proc/$GUARD/status")" -lt 1024
wait $capture
equal "the archive is complete" 0 $?
check "nobody is left" gone "$GUARD"
equal "the journal is in the archive: start and stop" "start stop" \
	"$(member "$TMP/plain.tar.zst" journal/guard.jsonl | jq -r .event | paste -sd' ')"
equal "the collector is content" ok "$(guard_is "$TMP/plain.tar.zst" .status)"
equal "verify" 0 "$("$CAPTURE" verify "$TMP/plain.tar.zst" >/dev/null 2>&1; echo $?)"

# ------------------------------------------------------------------ a journal of a service
root=$TMP/root
mkdir -p "$root/proc/self" "$root/sys" "$root/var/log/fastoom"
cp /proc/meminfo "$root/proc/"
printf '%s\n' '{"time":"2026-11-21T10:00:00.000000000Z","event":"kill","victim":{"pid":7,"cmdline":"mysql --password=hunter2 -u \"root\" http://u:pw@h/x"},"outcome":"freed"}' \
	'{"time":"2026-11-21T10:00:01.000000000Z","event":"stop"}' >"$root/var/log/fastoom/journal.jsonl"
printf '{"time":"2026-11-21T10:00:02.00' >>"$root/var/log/fastoom/journal.jsonl" # still being written
for i in $(seq 1 30000); do printf '{"time":"2026-11-21T09:00:00.000000000Z","event":"state","n":%d,"scope":"node","phase":"watch","filler":"%080d"}\n' "$i" 0; done \
	>"$root/var/log/fastoom/journal.jsonl.1"
"$CAPTURE" --root "$root" --memory-source procfs --collect guard,host -d 1 -q -o "$TMP/service.tar.zst" >/dev/null 2>&1
equal "a service's journal is taken: whole lines" "kill stop" \
	"$(member "$TMP/service.tar.zst" journal/fastoom.jsonl | jq -r .event | paste -sd' ')"
equal "secrets of a victim's command line are redacted" \
	'mysql --password=<redacted> -u "root" http://u:<redacted>@h/x' \
	"$(member "$TMP/service.tar.zst" journal/fastoom.jsonl | jq -r 'select(.victim) | .victim.cmdline')"
check "and the receipt says so" jq -e '.redacted | any(.where == "journal" and .count == 2)' <<<"$(manifest "$TMP/service.tar.zst")"
equal "of a long one the end" 30000 "$(member "$TMP/service.tar.zst" journal/fastoom.1.jsonl | tail -1 | jq .n)"
check "and it is bounded" test "$(member "$TMP/service.tar.zst" journal/fastoom.1.jsonl | wc -c)" -le $((3 << 20))
check "and that is said" grep -q 'left out' <<<"$(guard_is "$TMP/service.tar.zst" '.notes[]')"

# ------------------------------------------------------------------ a kill, and the capture that gives way
if [ ! -e $MEMORY/memory.limit_in_bytes ]; then
	skip "kills beside a capture" "no v1 memory controller here"
	exit 0
fi
GROUP=guard-test-$$
G=$MEMORY/$GROUP
mkdir "$G" || { skip "kills beside a capture" "cannot make a memory cgroup"; exit 0; }
at_exit rmdir "$G"
end_group() {
	local pid i
	for i in 1 2 3 4 5 6 7 8 9 10; do
		[ -n "$(cat "$G/cgroup.procs" 2>/dev/null)" ] || return 0
		while read -r pid; do kill -KILL "$pid"; done <"$G/cgroup.procs" 2>/dev/null
		sleep 0.1
	done
}
at_exit end_group
echo 256M >"$G/memory.limit_in_bytes"
printf '[p]\nscope = cgroup:/%s\n' "$GROUP" >"$TMP/group.conf"
run_in() {
	bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$G" "$@" >/dev/null 2>&1 &
	PID=$!
	disown $PID
}
"$CAPTURE" -d 20 --guard="$TMP/group.conf" --collect guard,host,memory -q -o "$TMP/kill.tar.zst" >/dev/null 2>"$TMP/err" &
capture=$!
wait_for 3 find_guard
run_in "$HOG" -n neighbour 20 0
neighbour=$PID
run_in "$HOG" -n hog 400 50
check "a hog in the guarded group goes" wait_for 15 gone "$PID"
sleep 0.5
kill -INT $capture
wait $capture
equal "interrupted: the archive is there" 130 $?
check "the neighbour lives" alive $neighbour
equal "the kill is in the archive's journal" "start intent kill stop" \
	"$(member "$TMP/kill.tar.zst" journal/guard.jsonl | jq -r 'select(.event != "state" and .event != "skip") | .event' | paste -sd' ')"
"$ANALYZE" -o "$TMP/kill.html" --json "$TMP/kill.json" -q "$TMP/kill.tar.zst"
equal "the report has the same kill" \
	"$(member "$TMP/kill.tar.zst" journal/guard.jsonl | jq -Sc 'select(.event == "kill") | [.time, .victim, .outcome, .rule, .freed_bytes]')" \
	"$(jq -Sc '.guard.events[] | select(.event == "kill") | [.time, .victim, .outcome, .rule, .freed_bytes]' "$TMP/kill.json")"
equal "and every other event" "$(member "$TMP/kill.tar.zst" journal/guard.jsonl | jq -r .event | sort | uniq -c)" \
	"$(jq -r '.guard.events[].event' "$TMP/kill.json" | sort | uniq -c)"
check "and a finding" jq -e --arg g "/$GROUP" '.findings | any(.id == "guard.killed" and .scope.name == $g)' "$TMP/kill.json"
check "and a picture" grep -q '<figure class="timeline">' "$TMP/kill.html"
end_group

# The capture is in the group that runs out: asked with SIGTERM before anybody dies, it leaves an archive.
printf '[p]\nscope = cgroup:/%s\n' "$GROUP" >"$TMP/group.conf"
run_in "$CAPTURE" -d 60 --guard="$TMP/group.conf" --collect guard,host,memory -q -o "$TMP/gives.tar.zst"
capture=$PID
wait_for 3 find_guard
run_in "$HOG" -n hog 400 40
check "it gives way" wait_for 15 gone $capture
end_group
equal "a valid archive, interrupted by SIGTERM" SIGTERM "$(manifest "$TMP/gives.tar.zst" | jq -r .interrupted)"
equal "its members are whole" 3 "$("$CAPTURE" verify "$TMP/gives.tar.zst" >/dev/null 2>&1; echo $?)"
equal "the first intent is the capture itself, by SIGTERM" "ossnap-capture SIGTERM a running capture gives way first" \
	"$(member "$TMP/gives.tar.zst" journal/guard.jsonl | jq -r 'select(.event == "intent") | "\(.victim.comm) \(.signal) \(.rule)"' | head -1)"

# The same by the hand of a fastoom that runs as a service.
run_in "$CAPTURE" -d 60 -q -o "$TMP/other.tar.zst"
capture=$PID
sleep 1.5 # its own memory is that of an archive in the making
"$FASTOOM" --scope "cgroup:/$GROUP" --journal "$TMP/j" --duration 60s 2>/dev/null &
service=$!
wait_for 5 grep -q '"start"' "$TMP/j"
run_in "$HOG" -n hog 400 40
hog=$PID
check "a service's fastoom: the capture gives way" wait_for 15 gone $capture
check "and the hog dies" wait_for 15 gone "$hog"
kill $service
wait $service
equal "it left a valid archive" SIGTERM "$(manifest "$TMP/other.tar.zst" | jq -r .interrupted)"
check "its end is recorded" grep -q '"event":"kill".*"comm":"ossnap-capture"' "$TMP/j"
end_group
