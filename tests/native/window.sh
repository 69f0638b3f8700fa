#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The run with collectors that misbehave: what the manifest says of each, and that the rest is there.
. "$(dirname "$0")/../lib.sh"
ENGINE=$NATIVE/native-window_engine
unset LC_ALL
cd "$TMP" || exit 1

now_ms() { echo $(($(date +%s%N) / 1000000)); }
manifest() { tar --zstd -xOf "$1" --wildcards '*/manifest.json'; }
# status ARCHIVE COLLECTOR [FIELD]
status() { manifest "$1" | jq -r --arg n "$2" --arg f "${3:-status}" '.collectors[] | select(.name == $n) | .[$f] | tostring'; }
has() { tar --zstd -tf "$1" 2>/dev/null | grep -q "/$2\$"; }
# between NAME LOW HIGH VALUE
between() {
	if [ "$4" -ge "$2" ] && [ "$4" -le "$3" ]; then ok "$1"; else fail "$1" "$4 is not between $2 and $3"; fi
}

# ------------------------------------------------------------------ ways to end
A=$("$ENGINE" -q -d 1s --collect quick,both,partial,fails,crash,denied)
equal "partial: exit 3" 3 $?
equal "quick is ok" ok "$(status "$A" quick)"
equal "partial says why" "half of it" "$(status "$A" partial reason)"
equal "partial counts its loss" 1 "$(status "$A" partial dropped)"
equal "an error has its errno" 5 "$(status "$A" fails errno)"
equal "a denied probe is denied" denied "$(status "$A" denied)"
equal "a crash costs only its own collector" error "$(status "$A" crash)"
status "$A" crash reason | grep -q SIGSEGV && ok "a crash names the signal" || fail "a crash names the signal" "$(status "$A" crash reason)"
check "what was handed over before the crash stays" has "$A" raw/before_crash
equal "redaction receipt" 3 "$(manifest "$A" | jq '.redacted[0].count')"
equal "members of both ends" 2 "$(tar --zstd -tf "$A" | grep -c '/raw/both\.')"
equal "first member" capture.json "$(tar --zstd -tf "$A" | head -1 | cut -d/ -f2)"
equal "last member" manifest.json "$(tar --zstd -tf "$A" | tail -1 | cut -d/ -f2)"
equal "mode of the archive" 600 "$(stat -c %a "$A")"
equal "nothing else is left" "$A" "$(ls)"
rm -f ./*.zst

A=$("$ENGINE" -q -d 100ms --collect quick,both)
equal "complete: exit 0" 0 $?
equal "complete" true "$(manifest "$A" | jq .complete)"
rm -f ./*.zst

A=$(ulimit -Sn 12 && "$ENGINE" -q -d 100ms --collect quick,both)
equal "a low soft limit of open files: complete" 0 $?
rm -f ./*.zst

A=$("$ENGINE" -q -d 10s --collect quick)
equal "no timed collector: exit 0" 0 $?
equal "no timed collector: no waiting" true "$(manifest "$A" | jq '.observer.wall_s < 2')"
rm -f ./*.zst

# ------------------------------------------------------------------ what never answers
if [ "$(id -u)" = 0 ] && [ -c /dev/fuse ]; then
	mkdir hung
	coproc HANG { exec "$NATIVE/native-hangfs" "$TMP/hung" 2>hangfs.err; }
	HANG_PID_SAVED=$HANG_PID
	hang_in=${HANG[1]}
	if read -r -t 5 line <&"${HANG[0]}" && [ "$line" = ready ]; then
		at_exit umount -l "$TMP/hung"
		at_exit kill "$HANG_PID_SAVED"
		mkdir out
		start=$(now_ms)
		A=$(HANG_FILE=$TMP/hung/file "$ENGINE" -q -d 1s --collect quick,both,hang,hangprobe,spin -o out)
		code=$?
		between "a file system that never answers: done in time" 3000 16000 $(($(now_ms) - start))
		equal "hang: exit 3" 3 $code
		equal "hang: timeout" timeout "$(status "$A" hang)"
		equal "hanging probe: timeout" timeout "$(status "$A" hangprobe)"
		equal "deaf collector: timeout" timeout "$(status "$A" spin)"
		equal "the rest is captured" "ok ok" "$(status "$A" quick) $(status "$A" both)"
		check "what was handed over before the hang stays" has "$A" raw/before_hang
		stuck=$(status "$A" hang abandoned_pid)
		check "the child that SIGKILL does not reach is named, and really there" test -d "/proc/$stuck"
		status "$A" hang reason | grep -q "$stuck" && ok "its reason names it" || fail "its reason names it" "$(status "$A" hang reason)"
		probe=$(status "$A" hangprobe abandoned_pid)
		check "the probe that SIGKILL does not reach is named, and really there" test -d "/proc/$probe"
		rm -rf out; mkdir out

		start=$(now_ms)
		HANG_FILE=$TMP/hung/file "$ENGINE" -q -d 30s --collect quick,both,hang -o out >path &
		pid=$!
		sleep 1
		sent=$(now_ms)
		kill -INT $pid
		wait $pid
		equal "SIGINT with a hung child: exit 130" 130 $?
		between "SIGINT with a hung child: within 2 s" 0 2000 $(($(now_ms) - sent))
		A=$(cat path)
		equal "SIGINT: manifest says so" SIGINT "$(manifest "$A" | jq -r .interrupted)"
		equal "SIGINT: hung child is partial" partial "$(status "$A" hang)"
		rm -rf out path; mkdir out

		# During the probes.
		HANG_FILE=$TMP/hung/file "$ENGINE" -q -d 30s --collect quick,both,hangprobe -o out >path &
		pid=$!
		sleep 0.5
		sent=$(now_ms)
		kill -TERM $pid
		wait $pid
		equal "SIGTERM in preflight: exit 143" 143 $?
		between "SIGTERM in preflight: within 2 s" 0 2000 $(($(now_ms) - sent))
		A=$(cat path)
		equal "SIGTERM in preflight: valid, and says so" SIGTERM "$(manifest "$A" | jq -r .interrupted)"
		equal "SIGTERM in preflight: collectors are partial" partial "$(status "$A" quick)"
		rm -rf out path
		eval "exec $hang_in>&-"
		gone() { ! grep -q '^State:.[^ZX]' "/proc/$1/status" 2>/dev/null; }
		wait_for 5 gone "$stuck" && wait_for 5 gone "$probe" &&
			ok "they are gone once the file system lets go" || fail "they are gone once the file system lets go" "$stuck $probe"
	else
		skip "hanging file system" "FUSE cannot be mounted here: $(cat hangfs.err)"
	fi
	wait
	rm -rf hung hangfs.err
else
	skip "hanging file system" "needs root and /dev/fuse"
fi

# ------------------------------------------------------------------ budgets
A=$("$ENGINE" -q -d 4s --max-cpu 20 --collect burn,both)
equal "--max-cpu: burn is ok" ok "$(status "$A" burn)"
# 20% of 4 s, and the half second that the bucket holds.
cpu=$(status "$A" burn cpu_s | awk '{ printf "%d", $1 * 1000 }')
between "--max-cpu 20: CPU milliseconds in 4 s" 300 1700 "$cpu"
rm -f ./*.zst

A=$("$ENGINE" -q -d 1s --max-memory 64M --collect hungry,quick)
equal "--max-memory: exit 3" 3 $?
equal "--max-memory: the hungry one is partial" partial "$(status "$A" hungry)"
status "$A" hungry reason | grep -q -- --max-memory && ok "--max-memory is named" || fail "--max-memory is named" "$(status "$A" hungry reason)"
equal "--max-memory: the other is ok" ok "$(status "$A" quick)"
between "--max-memory: measured peak in MiB" 30 90 "$(manifest "$A" | jq '.observer.max_rss_bytes / 1048576 | floor')"
# Two that together would have more than there is take turns, beside one that lives through the window.
if sanitized "$ENGINE"; then
	skip "shares" "a sanitizer build needs more than it was given"
else
	A=$("$ENGINE" -q -d 1s --max-memory 64M --collect large,larger,living)
	equal "shares: exit 0" 0 $?
	equal "shares: the second starts when the first has ended" true "$(manifest "$A" | jq '[.collectors[] | select(.name == "large" or .name == "larger")] | sort_by(.start_ms) | .[1].start_ms >= .[0].end_ms and .[1].status == "ok"')"
	equal "shares: not after the one that lives on" true "$(manifest "$A" | jq '[.collectors[] | {(.name): .}] | add | .larger.start_ms < .living.end_ms')"
	between "shares: measured peak in MiB" 30 64 "$(manifest "$A" | jq '.observer.max_rss_bytes / 1048576 | floor')"
fi
A=$("$ENGINE" -q -d 300ms --max-memory 64M --collect greedy,living 2>"$TMP/err")
equal "shares: who has no room beside the others is refused" denied "$(status "$A" greedy)"
status "$A" greedy reason | grep -qE '^it may need .* MiB; --max-memory 64 MiB leaves .* MiB beside the others$' && ok "shares: with the figures" || fail "shares: with the figures" "$(status "$A" greedy reason)"
rm -f ./*.zst

A=$("$ENGINE" -q -d 1s --max-size 8M --collect big,both)
equal "--max-size: exit 3" 3 $?
equal "--max-size: partial" partial "$(status "$A" big)"
between "--max-size: bytes of the archive" 4000000 8388608 "$(stat -c %s "$A")"
between "--max-size: members not written are counted" 40 64 "$(status "$A" big dropped)"
check "--max-size: what came before is there" has "$A" 'raw/both\.[0-9]*'
rm -f ./*.zst

# A machine whose CPUs are all taken is the very one to look at.
hogs=()
for _ in $(seq $((3 * $(nproc)))); do
	(while :; do :; done) &
	hogs+=($!)
	at_exit kill $!
done
A=$("$ENGINE" -q -d 1s --collect quick,both)
equal "busy CPUs: complete" 0 $?
between "busy CPUs: milliseconds to the first reading" 0 1500 \
	"$(tar --zstd -tf "$A" | sed -n 's/.*both\.0*\([0-9]\)/\1/p' | head -1)"
between "busy CPUs: milliseconds in all" 1000 5000 "$(manifest "$A" | jq '.observer.wall_s * 1000 | floor')"
rm -f ./*.zst
"$ENGINE" -q -d 20s --collect quick,both,burn >path &
pid=$!
sleep 1.5
sent=$(now_ms)
kill -INT $pid
wait $pid
equal "busy CPUs: SIGINT" 130 $?
between "busy CPUs: SIGINT within 2 s" 0 2000 $(($(now_ms) - sent))
kill "${hogs[@]}"
wait "${hogs[@]}" 2>/dev/null
rm -f ./*.zst path

# ------------------------------------------------------------------ the disk
if [ "$(id -u)" = 0 ]; then
	mkdir small
	mount -t tmpfs -o size=6m tmpfs small && at_exit umount -l "$TMP/small"
	A=$("$ENGINE" -q -d 1s --min-free 0 --collect big,both -o small)
	equal "full disk: exit 3" 3 $?
	equal "full disk: partial" partial "$(status "$A" big)"
	status "$A" big reason | grep -qi 'no space' && ok "full disk: reason" || fail "full disk: reason" "$(status "$A" big reason)"
	equal "full disk: no .partial" "" "$(ls small | grep partial)"
	check "full disk: some members were kept" has "$A" raw/big.1
	rm -f small/*
	A=$("$ENGINE" -q -d 1s --min-free 3M --collect big,both -o small)
	equal "--min-free while running: exit 3" 3 $?
	between "--min-free while running: MiB left" 3 6 $(($(stat -f -c '%a * %S' small) / 1048576))
	rm -f small/*
	err=$("$ENGINE" -d 1s --min-free 100M --collect quick -o small 2>&1)
	equal "--min-free: refused, exit 5" 5 $?
	case $err in *small*min-free*) ok "--min-free: reason" ;; *) fail "--min-free: reason" "$err" ;; esac
	mkdir ro
	mount -t tmpfs -o ro tmpfs ro && at_exit umount -l "$TMP/ro"
	err=$("$ENGINE" -d 1s --collect quick -o ro 2>&1)
	equal "read-only directory: refused, exit 5" 5 $?
	case $err in *ro*"Read-only"*) ok "read-only directory: reason" ;; *) fail "read-only directory: reason" "$err" ;; esac
	umount ro small
	rmdir ro small
fi
err=$("$ENGINE" -d 1s --collect quick -o "$TMP/nowhere/x.tar.zst" 2>&1)
equal "directory that is not there: exit 5" 5 $?
case $err in *nowhere*"No such file"*) ok "directory that is not there: reason" ;; *) fail "directory that is not there: reason" "$err" ;; esac
echo precious >there.tar.zst
"$ENGINE" -q -d 1s --collect quick -o there.tar.zst 2>err
equal "existing name: exit 5" 5 $?
equal "existing name: untouched" precious "$(cat there.tar.zst)"
rm -f there.tar.zst err

# ------------------------------------------------------------------ signals and kills
for when in 0.02 1 2.97; do
	"$ENGINE" -q -d 3s --collect quick,both,burn >path 2>err &
	pid=$!
	sleep $when
	sent=$(now_ms)
	kill -INT $pid 2>/dev/null
	wait $pid
	code=$?
	between "SIGINT at $when s: within 2 s" 0 2000 $(($(now_ms) - sent))
	A=$(cat path)
	# The last one is to come as late as can be: where others run, that may be too late.
	if [ "$when" = 2.97 ] && [ $code = 0 ] && [ "$sent" -gt "$(manifest "$A" | jq '.finished_realtime_ns | tonumber / 1e6 | floor')" ]; then
		skip "SIGINT at $when s: exit 130" "the capture had ended before it was sent"
		rm -f ./*.zst path err
		continue
	fi
	equal "SIGINT at $when s: exit 130" 130 $code
	if [ "$(manifest "$A" | jq -r .interrupted)" = SIGINT ] && [ "$(manifest "$A" | jq .complete)" = false ]; then
		ok "SIGINT at $when s: archive says so"
	else
		fail "SIGINT at $when s: archive says so" "$(cat err) $(manifest "$A" | head -c 300)"
	fi
	rm -f ./*.zst path err
done
"$ENGINE" -q -d 3s --collect quick,both >path &
pid=$!
sleep 0.5
kill -HUP $pid
wait $pid
equal "SIGHUP: exit 129" 129 $?
equal "SIGHUP: manifest" SIGHUP "$(manifest "$(cat path)" | jq -r .interrupted)"
rm -f ./*.zst path

"$ENGINE" -q -d 30s --collect quick,both,spin >path &
pid=$!
sleep 0.5
kill -INT $pid
sleep 0.1
sent=$(now_ms)
kill -TERM $pid
wait $pid
equal "second signal: exit 143" 143 $?
between "second signal: at once" 0 300 $(($(now_ms) - sent))
equal "second signal: the .partial stays" 1 "$(ls ./*.partial | wc -l)"
rm -f ./*.partial path

"$ENGINE" -q -d 30s --collect quick,both,spin,burn >path &
pid=$!
sleep 0.5
children=$(cat /proc/$pid/task/$pid/children)
kill -KILL $pid
wait $pid 2>/dev/null
sleep 0.3
left=0
for c in $children; do
	# A zombie is dead; whoever inherited it may be slow to say so.
	grep -q '^State:.[^ZX]' "/proc/$c/status" 2>/dev/null && left=$((left + 1))
done
equal "SIGKILL: no child outlives it" 0 $left
between "SIGKILL: there were children" 3 9 "$(echo "$children" | wc -w)"
P=$(ls ./*.partial)
zstd -dc "$P" 2>/dev/null | tar -xOf - --wildcards '*/raw/quick' 2>/dev/null | grep -q quick &&
	ok "SIGKILL: finished members are readable" || fail "SIGKILL: finished members are readable" "$P"
rm -f ./*.partial path

# ------------------------------------------------------------------ streams
"$ENGINE" -q -d 100ms --collect quick,both -o - >stream.tar.zst
equal "-o -: exit 0" 0 $?
check "-o -: an archive" has stream.tar.zst manifest.json
rm -f stream.tar.zst
# A reader that stops reading, and a signal: nothing may wait for it.
mkfifo stalled
sleep 30 <stalled &
reader=$!
at_exit kill $reader
"$ENGINE" -d 500ms --collect big,both -o - 2>err >stalled &
pid=$!
sleep 1.5 # the pipe is full
start=$(date +%s%N)
kill -INT $pid
wait $pid
codes=$?
took=$((($(date +%s%N) - start) / 1000000))
equal "-o - into a reader that stalls: exit 4 after SIGINT" 4 "$codes"
check "within 2 s ($took ms)" test "$took" -lt 2000
check "and says why" grep -q 'nobody reads' err
kill $reader
rm stalled
{ "$ENGINE" -d 1s --collect big,both -o - 2>err | head -c 10 >/dev/null; codes=${PIPESTATUS[0]}; }
equal "-o - into head: exit 4" 4 "$codes"
grep -qi 'broken pipe' err && ok "-o - into head: says why" || fail "-o - into head: says why" "$(cat err)"
rm -f err
"$ENGINE" -q -d 100ms --collect quick,both <&- >&- 2>&-
equal "closed descriptors: exit 0" 0 $?
A=$(ls ./*.zst)
check "closed descriptors: an archive" has "$A" manifest.json
rm -f ./*.zst

# A reader that does not read stderr does not stop the run.
mkfifo fifo
sleep 20 <fifo &
sleeper=$!
A=$("$ENGINE" -d 500ms --progress json --collect quick,both 2>fifo)
equal "nobody reads stderr: exit 0" 0 $?
kill $sleeper
wait $sleeper 2>/dev/null
rm -f ./*.zst fifo

# ------------------------------------------------------------------ two at once, names, words
"$ENGINE" -q -d 1s --collect quick,both >a & one=$!
"$ENGINE" -q -d 1s --collect quick,both >b & two=$!
wait $one; c1=$?
wait $two; c2=$?
equal "two at once: both complete" "0 0" "$c1 $c2"
equal "two at once: two archives" 2 "$(ls ./*.zst | wc -l)"
rm -f ./*.zst a b

A=$("$ENGINE" -q -d 10ms --collect quick --label 'a b/ä' --ticket 'T#1')
echo "$A" | grep -Eq '^a_b___-[A-Za-z0-9._-]+-T_1-[0-9]{8}T[0-9]{6}Z-[a-z0-9]{8}\.tar\.zst$' && ok "name" || fail "name" "$A"
equal "top directory is the name" "${A%.tar.zst}" "$(tar --zstd -tf "$A" | head -1 | cut -d/ -f1)"
long=$(printf 'L%.0s' $(seq 40))
A=$("$ENGINE" -d 10ms --collect quick --label "$long" 2>log)
equal "a long label: cut in the name" "${long:0:32}-" "${A:0:33}"
grep -q -- "--label: its first 32 bytes" log && ok "a long label: that is said" || fail "a long label: that is said" "$(cat log)"
equal "a long label: whole in the head" "$long" "$(tar --zstd -xOf "$A" --wildcards '*/capture.json' | jq -r .label)"
rm -f ./*.zst log
A=$(LC_ALL=tr_TR.UTF-8 "$ENGINE" -q -d 0.1 --collect quick,both)
equal "tr_TR: exit 0" 0 $?
check "tr_TR: the head is JSON" sh -c "tar --zstd -xOf '$A' --wildcards '*/capture.json' | jq -e '.plan.duration_s == 0.1'"
rm -f ./*.zst
err=$("$ENGINE" --collect nosuch 2>&1)
equal "unknown collector: exit 2" 2 $?
case $err in *nosuch*quick*) ok "unknown collector: names them" ;; *) fail "unknown collector: names them" "$err" ;; esac
"$ENGINE" --plan --collect quick,denied >plan
equal "--plan: exit 0" 0 $?
grep -q 'denied.*/x: Operation not permitted' plan && ok "--plan says what is denied" || fail "--plan says what is denied" "$(cat plan)"
equal "--plan writes nothing else" plan "$(ls)"
check "--plan: when, and how much" grep -qE '^  quick +once +about ' plan
rm -f plan
# Asked for by name, and not to be had: refused before anything is written.
for a in "--pid 4194304" "--cgroup /nope-$$" "--collect denied" "-o /proc"; do
	err=$("$ENGINE" -d 100ms $a 2>&1)
	equal "$a: refused, exit 5" "5 " "$? $(ls)"
done
err=$("$ENGINE" -d 100ms --collect denied 2>&1)
case $err in *"nothing left to capture: denied: denied: /x: Operation not permitted"*) ok "nothing left: reason" ;; *) fail "nothing left: reason" "$err" ;; esac
"$CAPTURE" --plan >plan
check "--plan: the rung and the sample, with the reason" grep -qE '^  sample +(all pages|one page in|no pages).*[:,(]' plan
check "--plan: the estimate is called one" grep -qE '^Estimated archive: (about|more than) [0-9.]+ [KM]iB compressed$' plan
rm -f plan

# ------------------------------------------------------------------ progress
"$ENGINE" -d 1s --collect quick,both >/dev/null 2>err
equal "off a terminal: a line per change, none rewritten" 0 "$(grep -c $'\r' err)"
grep -q 'quick: ok' err && ok "off a terminal: each collector" || fail "off a terminal: each collector" "$(cat err)"
"$ENGINE" -d 2s --collect quick,both --progress json >/dev/null 2>err
check "--progress json: every line is an object" jq -e . err
equal "--progress json: starts, ends" "start end" "$(jq -r .event err | sed -n '1p;$p' | xargs)"
"$ENGINE" -v -d 100ms --collect quick,partial --progress plain >/dev/null 2>err
check "-v: each member" grep -q 'quick: raw/quick, 6 B$' err
check "-v: what it cost" grep -qE 'quick: [0-9.]+ s of CPU, .* resident$' err
check "-v: what was lost" grep -qE 'partial: lost: .*: 1$' err
"$ENGINE" -q -d 100ms --collect quick,partial >/dev/null 2>err
equal "-q: silence" "" "$(cat err)"
"$ENGINE" -d 100ms --collect quick,partial --progress none >/dev/null 2>err
equal "--progress none: problems only" 1 "$(wc -l <err)"
rm -f ./*.zst err
if command -v script >/dev/null; then
	TERM=xterm script -qec "stty cols 24; $ENGINE -d 2s --collect quick,both" tty >/dev/null
	LC_ALL=C awk -v RS='\r' '{ gsub(/\033\[K/, ""); if (/left/ && length($0) > 23) bad = 1 } END { exit bad }' tty &&
		ok "narrow terminal: the line fits" || fail "narrow terminal: the line fits" "$(cat -v tty)"
	grep -q 'left' tty && ok "terminal: counts down" || fail "terminal: counts down" "$(cat -v tty)"
	grep -q $'\r\033\\[Koss' tty && ok "terminal: the line is erased" || fail "terminal: the line is erased" "$(cat -v tty)"
	rm -f ./*.zst tty
fi
