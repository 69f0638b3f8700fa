#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The guard against real exhaustion, in v1 memory cgroups of its own: it comes before the kernel's
# own killer, takes the right one, and leaves the others alone.  Never at node scope but dry.
. "$(dirname "$0")/../lib.sh"
need_root fastoom
FASTOOM=${FASTOOM:-$BUILD/capture/fastoom/bin/fastoom}
HOG=${HOG:-$NATIVE/native-fastoom_hog}
MEMORY=/sys/fs/cgroup/memory
if [ ! -e $MEMORY/memory.limit_in_bytes ]; then
	skip fastoom "no v1 memory controller here (the vm lane has v2)"
	exit 0
fi
GROUP=fastoom-test-$$
G=$MEMORY/$GROUP
mkdir "$G" || { skip fastoom "cannot make a memory cgroup"; exit 0; }
at_exit rmdir "$G"
at_exit end_group "$G"
echo 256M >"$G/memory.limit_in_bytes"

# end_group DIR: everybody in the group of this test's own.
end_group() {
	local pid i
	for i in 1 2 3 4 5 6 7 8 9 10; do
		[ -n "$(cat "$1/cgroup.procs" 2>/dev/null)" ] || return 0 # its size is 0 always
		while read -r pid; do kill -CONT "$pid"; kill -KILL "$pid"; done <"$1/cgroup.procs" 2>/dev/null
		sleep 0.1
	done
}

# run_in GROUP-DIR COMMAND...: in the background; sets PID.
run_in() {
	local dir=$1
	shift
	bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$dir" "$@" 2>/dev/null &
	PID=$!
	disown $PID
}
# Not a child of ours any more: a zombie is dead, too.
alive() { [ -d "/proc/$1" ] && [ "$(awk '/^State/ { print $2 }' "/proc/$1/status" 2>/dev/null)" != Z ]; }
gone() { ! alive "$1"; }

# guard OPTION...: starts one, sets GUARD and J; the group and everything else is the caller's.
guard() {
	J=$TMP/journal.$RANDOM$RANDOM.jsonl
	"$FASTOOM" --scope "cgroup:/$GROUP" --journal "$J" --duration 100s "$@" 2>"$TMP/guard.err" &
	GUARD=$!
	wait_for 5 grep -q '"start"' "$J"
}
end_guard() {
	kill "$GUARD" 2>/dev/null
	wait "$GUARD"
	GUARD_EXIT=$?
}
oom_kills() { awk '$1 == "oom_kill" { print $2 }' "$G/memory.oom_control"; }
field() { jq -r "select(.event == \"$1\") | $2" "$J"; }
holds_mib() { [ "$(cat "$G/memory.usage_in_bytes")" -ge $(($1 << 20)) ]; }

# ------------------------------------------------------------------ leaks at four speeds
# A quiet neighbour with 20 MiB lives in the same group; at 1 MiB/s the leak starts near the end.
for rate in 0 100 20 1; do
	before=$(oom_kills)
	run_in "$G" "$HOG" -n neighbour 20 0
	neighbour=$PID
	if [ $rate = 1 ]; then
		run_in "$G" "$HOG" -n ballast 120 0
		big=$PID
		wait_for 10 holds_mib 138
		guard --avoid '^ballast$'
		run_in "$G" "$HOG" -n leak -i 95 400 1
	else
		wait_for 10 holds_mib 18
		guard
		run_in "$G" "$HOG" -n leak 400 $rate
	fi
	leak=$PID
	check "leak at $rate MiB/s: it dies" wait_for 60 gone $leak
	wait_for 5 grep -q '"event":"kill"' "$J"
	equal "leak at $rate MiB/s: before the kernel's own killer" "$before" "$(oom_kills)"
	check "leak at $rate MiB/s: the neighbour lives" alive $neighbour
	[ $rate != 1 ] || check "leak at 1 MiB/s: the allowlisted one lives, though the largest" alive $big
	end_guard
	equal "leak at $rate MiB/s: one kill, the right one, its memory freed" "$leak leak freed" \
		"$(field kill '"\(.victim.pid) \(.victim.comm) \(.outcome)"')"
	equal "leak at $rate MiB/s: the intent stands before the kill" "start intent kill stop" \
		"$(jq -r 'select(.event != "state" and .event != "skip") | .event' "$J" | tr '\n' ' ' | sed 's/ $//')"
	end_group "$G"
done
check "every line is JSON with a time and an event" jq -es 'all(.time and .event)' "$J"
check "a kill has all its fields" jq -es 'map(select(.event == "kill")) | all(has("scope") and has("probability")
	and has("signals") and has("rule") and has("signal") and has("freed_bytes") and has("exit_ms") and has("outcome")
	and (.victim | has("pid") and has("starttime") and has("comm") and has("cmdline") and has("cgroup")
	and has("oom_score_adj") and has("heap_bytes")))' "$J"

# ------------------------------------------------------------------ nothing wrong
# no_kill NAME SECONDS COMMAND...: in the group, for as long; nothing is chosen.
no_kill() {
	local name=$1 seconds=$2 hog
	shift 2
	guard
	run_in "$G" "$@"
	hog=$PID
	sleep "$seconds"
	check "$name: lives" alive $hog
	end_guard
	equal "$name: nobody is chosen" "" "$(field intent .victim.comm)"
	end_group "$G"
}
no_kill "a stream of files" 6 "$HOG" -f "$TMP/stream" 400 0
rm -f "$TMP/stream"
no_kill "a heap that stands at 90% of the limit" 3 "$HOG" 230 200

mkdir "$TMP/tmpfs"
mount -t tmpfs -o size=300m tmpfs "$TMP/tmpfs"
at_exit umount "$TMP/tmpfs"
before=$(oom_kills)
run_in "$G" "$HOG" -n innocent 6 0
innocent=$PID
wait_for 5 holds_mib 5
guard
run_in "$G" "$HOG" -n filler -d "$TMP/tmpfs" 245 60
check "a tmpfs fills up: it is told that nobody would help" wait_for 15 grep -q '"event":"no-victim"' "$J"
sleep 0.5
check "a tmpfs fills up: the innocent one lives" alive $innocent
equal "a tmpfs fills up: nobody is chosen" "" "$(field intent .victim.comm)"
equal "a tmpfs fills up: named as what holds the memory" "shared memory and tmpfs" \
	"$(field no-victim '.held_by[0].what' | head -1)"
end_guard
end_group "$G"
rm -f "$TMP/tmpfs/fill"

# ------------------------------------------------------------------ the two stories
# (a) sidecars with 999 go first and free too little, then the logger; the python service lives.
for i in 1 2 3; do
	run_in "$G" bash -c 'echo 999 >/proc/self/oom_score_adj; exec "$@"' x "$HOG" -n "sidecar$i" 6 0
	sidecars[i]=$PID
done
run_in "$G" "$HOG" -n logger 50 0
logger=$PID
run_in "$G" bash -c 'exec -a "python3 /srv/service.py" "$0" -n python3 150 0' "$HOG"
service=$PID
wait_for 10 holds_mib 215
before=$(oom_kills)
guard --prefer '^logger$' --avoid 'python3 .*service\.py'
# what grows is the service's own page-table and heap neighbours: a small leak pushes it over
run_in "$G" "$HOG" -n pusher 14 10
pusher=$PID
run_in "$G" "$HOG" -n grow -t 400 4
grow=$PID
check "story a: the logger goes" wait_for 30 gone $logger
check "story a: the service lives" alive $service
equal "story a: the kernel killed nobody" "$before" "$(oom_kills)"
end_guard
equal "story a: the sidecars first" "sidecar sidecar sidecar logger" \
	"$(field intent .victim.comm | sed 's/[0-9]$//' | head -4 | tr '\n' ' ' | sed 's/ $//')"
equal "story a: and why" "oom_score_adj 999;prefer ^logger\$" \
	"$(field intent .rule | head -4 | uniq | paste -sd';')"
end_group "$G"

# ------------------------------------------------------------------ who does not want to go
guard
run_in "$G" "$HOG" -n stubborn -t 240 60
stubborn=$PID
check "SIGTERM ignored: it dies" wait_for 20 gone $stubborn
end_guard
end_group "$G"

guard
run_in "$G" "$HOG" -n sleeper -t 230 200
sleeper=$PID
wait_for 10 holds_mib 225
kill -STOP $sleeper
run_in "$G" "$HOG" -n little 100 20
check "stopped: it dies all the same" wait_for 20 gone $sleeper
check "stopped: who only came last lives for now, or was asked after it" grep -q '"comm":"sleeper"' "$J"
end_guard
end_group "$G"

guard
run_in "$G" "$HOG" -n leaderless -l 400 50
sleep 0.2
check "leader gone, a thread holds the memory: seen and killed" wait_for 20 grep -q '"comm":"leaderless".*"outcome":"freed"' "$J"
end_guard
end_group "$G"

# ------------------------------------------------------------------ process group
guard --group
run_in "$G" "$HOG" -n apart 20 0
apart=$PID
run_in "$G" "$HOG" -n tree -k 4 90 20
check "group: all of it goes" wait_for 20 gone $PID
sleep 0.3
check "group: who is in another lives" alive $apart
equal "group: nobody of it is left" "$apart" "$(tr '\n' ' ' <"$G/cgroup.procs" | sed 's/ $//')"
end_guard
end_group "$G"

# ------------------------------------------------------------------ several at once
before=$(oom_kills)
guard
run_in "$G" "$HOG" -n many -p 16 20 10
check "16 of 20 MiB: as many go as are needed" wait_for 20 grep -q '"event":"kill"' "$J"
sleep 1.5
equal "16 of 20 MiB: the kernel killed nobody" "$before" "$(oom_kills)"
left=$(wc -l <"$G/cgroup.procs")
check "16 of 20 MiB: and not all ($left live)" test "$left" -ge 6
end_guard
end_group "$G"

# ------------------------------------------------------------------ dry run
guard --dry-run
run_in "$G" "$HOG" -n hog 250 100
dry=$PID
wait_for 10 grep -q '"event":"intent"' "$J"
sleep 0.5
check "dry run: it lives" alive $dry
end_guard
check "dry run: every event says so" jq -es 'all(.dry_run == true)' "$J"
check "dry run: it says who it would have been" grep -q '"comm":"hog"' "$J"
equal "dry run: no kill is told" "" "$(field kill .outcome)"
end_group "$G"

# ------------------------------------------------------------------ two guards, signals, reload
guard
first=$GUARD j1=$J
"$FASTOOM" --scope "cgroup:/$GROUP" --journal "$j1" --duration 5s 2>"$TMP/second.err"
equal "the same journal twice: refused" 4 $?
check "the same journal twice: says why" grep -q "another fastoom" "$TMP/second.err"
guard
run_in "$G" "$HOG" -n innocent 15 0
innocent=$PID
run_in "$G" "$HOG" -n hog 400 50
check "two guards: the hog goes" wait_for 20 gone $PID
sleep 1
check "two guards: nobody else does" alive $innocent
end_guard
GUARD=$first end_guard
equal "two guards: SIGTERM ends it with 0" 0 "$GUARD_EXIT"
equal "two guards: the last line says why" SIGTERM "$(tail -1 "$j1" | jq -r .reason)"
end_group "$G"

guard
run_in "$G" "$HOG" -n hog 400 100
wait_for 10 grep -q '"event":"intent"' "$J"
end_guard
equal "SIGTERM in the middle: the kill is told, then the end" "kill stop" \
	"$(jq -r 'select(.event != "state") | .event' "$J" | tail -2 | tr '\n' ' ' | sed 's/ $//')"
end_group "$G"

printf '[p]\nscope = cgroup:/%s\nsensitivity = medium\n' "$GROUP" >"$TMP/good.conf"
J=$TMP/reload.jsonl
"$FASTOOM" -c "$TMP/good.conf" --journal "$J" --duration 60s 2>"$TMP/reload.err" &
GUARD=$!
wait_for 5 grep -q '"start"' "$J"
printf '[p]\nscope = cgroup:/%s\nsensitivity = extreme\n' "$GROUP" >"$TMP/good.conf"
kill -HUP $GUARD
check "a bad file on SIGHUP: told in the journal" wait_for 5 grep -q '"event":"reload","ok":false' "$J"
check "a bad file on SIGHUP: with its line" grep -q 'good.conf:3: ' "$TMP/reload.err"
printf '[p]\nscope = cgroup:/%s\navoid = ^keep$\n' "$GROUP" >"$TMP/good.conf"
kill -HUP $GUARD
check "a good one: told, too" wait_for 5 grep -q '"event":"reload","ok":true' "$J"
run_in "$G" "$HOG" -n keep 200 0
keep=$PID
wait_for 5 holds_mib 190
run_in "$G" "$HOG" -n other 300 30
check "a good one: is in force" wait_for 20 gone $PID
check "a good one: the new allowlist holds" alive $keep
end_guard
end_group "$G"

# ------------------------------------------------------------------ limit on an ancestor, lowered; groups that go
mkdir "$G/child"
at_exit rmdir "$G/child"
before=$(oom_kills)
run_in "$G" "$HOG" -n outside 60 0
outside=$PID
J=$TMP/child.jsonl
"$FASTOOM" --scope "cgroup:$GROUP/child" --journal "$J" --duration 60s 2>/dev/null &
GUARD=$!
wait_for 5 grep -q '"start"' "$J"
run_in "$G/child" "$HOG" -n inside 400 50
check "limit on the ancestor: who leaks inside goes" wait_for 20 gone $PID
check "limit on the ancestor: who is outside the scope lives" alive $outside
equal "limit on the ancestor: the kernel killed nobody" "$before" "$(oom_kills)"
run_in "$G/child" "$HOG" -n inside 110 0
inside=$PID
wait_for 5 holds_mib 165
echo 176M >"$G/memory.limit_in_bytes"
run_in "$G/child" "$HOG" -n late 100 10
check "the limit lowered live: seen" wait_for 20 grep -q '"comm":"inside"' "$J"
end_group "$G/child"
rmdir "$G/child"
check "the group goes: told" wait_for 10 grep -q '"phase":"lost"' "$J"
mkdir "$G/child"
echo 64M >"$G/child/memory.limit_in_bytes"
sleep 3
run_in "$G/child" "$HOG" -n again 200 20
check "made again: watched again" wait_for 20 gone $PID
end_guard
end_group "$G/child"
end_group "$G"
echo 256M >"$G/memory.limit_in_bytes"

# ------------------------------------------------------------------ command line
"$FASTOOM" --scope "cgroup:/$GROUP/none" --journal "$TMP/x" 2>"$TMP/err"
equal "no such group: cannot run" 4 $?
check "no such group: named" grep -q "$GROUP/none" "$TMP/err"
"$FASTOOM" --avoid '' 2>"$TMP/err"
equal "an empty pattern: refused" 2 $?
"$FASTOOM" --nonsense 2>/dev/null
equal "an unknown option: usage" 2 $?
"$FASTOOM" -c "$TMP/none.conf" 2>"$TMP/err"
equal "no configuration file" 2 $?
"$FASTOOM" --help | grep -q -- --spare-pid1 && ok "help" || fail "help"
equal "version" "fastoom 0.1.0" "$("$FASTOOM" --version)"
start=$SECONDS
"$FASTOOM" --scope node --dry-run --journal "$TMP/node.jsonl" --duration 2s 2>/dev/null
equal "--duration: ends with 0" 0 $?
check "--duration: in time" test $((SECONDS - start)) -le 4
equal "--duration: says so" duration "$(tail -1 "$TMP/node.jsonl" | jq -r .reason)"

run_in "$G" "$HOG" -n first 40 0
run_in "$G" "$HOG" -n precious 50 0
wait_for 5 holds_mib 85
"$FASTOOM" --scope "cgroup:/$GROUP" --avoid '^precious$' --check >"$TMP/check"
equal "--check: 0" 0 $?
check "--check: whom, in order" grep -q '1\. [0-9]* first: ' "$TMP/check"
check "--check: whom never, and why" grep -q 'never: [0-9]* precious .*allowlist: ^precious' "$TMP/check"
end_group "$G"
printf '# of the test\n[p]\nscope = cgroup:/%s\n\nsensitivity = low\nprefer = .*\n' "$GROUP" >"$TMP/lines.conf"
"$FASTOOM" -c "$TMP/lines.conf" --check >"$TMP/check"
check "--check: line by line, what each means" grep -qE '^ +3  scope = cgroup:/.* watches the memory cgroup' "$TMP/check"
check "--check: a pattern that hits everybody is said to" grep -qE '^ +6  prefer = \.\* .*matches every process' "$TMP/check"
printf 'sensitivity = loud\n' >>"$TMP/lines.conf"
"$FASTOOM" -c "$TMP/lines.conf" --check >"$TMP/check" 2>"$TMP/err"
equal "--check: a bad line: usage" 2 $?
check "--check: a bad line: named" grep -q 'lines.conf:7: sensitivity: loud' "$TMP/err"
check "--check: those before it are explained" grep -qE '^ +5  sensitivity = low ' "$TMP/check"
