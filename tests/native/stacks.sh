#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Timed stacks of this machine against loads whose truth is known.
. "$(dirname "$0")/../lib.sh"
need_root "sampling all CPUs"

LOAD=$NATIVE/native-stacks_load

# capture NAME SECONDS: $TMP/NAME with the tables in it
capture() {
	rm -rf "${TMP:?}/$1" "$TMP/$1.tar.zst"
	mkdir "$TMP/$1"
	"$CAPTURE" -q -d "$2" --collect stacks -o "$TMP/$1.tar.zst" >/dev/null 2>"$TMP/$1.err" || return 1
	tar --zstd -xf "$TMP/$1.tar.zst" -C "$TMP/$1" --strip 1
	local t
	for t in samples stacks processes threads mappings objects symbols capture offcpu; do
		member "$TMP/$1.tar.zst" "tables/stack_$t.tsv" >"$TMP/$1/$t"
	done
}
value() { awk -F'\t' -v k="$2" '$1 == k { print $2 }' "$TMP/$1/capture"; }
# on_cpu NAME PID...: the stacks of all on-CPU samples of these processes, one a line:
# user_end, user_by, frames of the user's part, comm of the process, the user's part
on_cpu() {
	local name=$1
	shift
	awk -F'\t' -v OFS='\t' -v pids=" $* " -v late="${late:-0}" '
		FNR == 1 { split("", c); for (i = 1; i <= NF; i++) c[$i] = i; file++; next }
		file == 1 && index(pids, " " $c["pid"] " ") { mine[$c["process"]] = $c["comm"] }
		file == 2 && ($c["process"] in mine) { thread[$c["thread"]] = $c["process"] }
		file == 3 { stack[$c["stack"]] = $c["user_end"] OFS $c["user_by"] OFS split($c["user"], f, " "); user[$c["stack"]] = $c["user"] }
		file == 4 && $c["kind"] == "on" && $c["time_ns"] >= late && ($c["thread"] in thread) {
			print (($c["stack"] in stack) ? stack[$c["stack"]] : "lost" OFS "" OFS 0), mine[thread[$c["thread"]]], user[$c["stack"]]
		}' "$TMP/$name/processes" "$TMP/$name/threads" "$TMP/$name/stacks" "$TMP/$name/samples"
}
# rooted PERCENT NAME PID...: at least so many of their samples reach the thread's start; not counted
# is the first third, for on a busy machine making the tables may take that long
rooted() {
	local least=$1
	shift
	late=$(awk -v s="$(value "$1" start_ns)" -v e="$(value "$1" end_ns)" 'BEGIN { printf "%.0f", s + (e - s) / 3 }') on_cpu "$@" | awk -F'\t' -v least="$least" '
		$1 ~ /^root/ { good++ } { why[$1]++ }
		END {
			for (w in why) printf "%s %d ", w, why[w]
			exit !(NR >= 10 && good * 100 >= NR * least)
		}'
}

if ! capture first 500ms; then
	fail "a capture of stacks runs" "$(cat "$TMP/first.err")"
	exit 1
fi
status=$(jq -r '.collectors[] | select(.name == "stacks") | "\(.status) \(.reason)"' "$TMP/first/manifest.json")
case $status in
unsupported* | denied*) skip "stacks" "$status"; exit 0 ;;
esac

# ------------------------------------------------------------------ to the thread's start
nice -n 5 /usr/bin/python3 -c '
import json, time
def work(n):
    return json.loads(json.dumps([n] * 50)) and n < 2 or work(n - 1)
def main():
    end = time.monotonic() + 9
    while time.monotonic() < end:
        work(20)
main()' & python=$!
cat >"$TMP/cc.cc" <<'CC'
#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>
struct shape { virtual double area(int n) const = 0; virtual ~shape() = default; };
struct square : shape { __attribute__((noinline)) double area(int n) const override { std::map<std::string, int> m; for (int i = 0; i < n; i++) m[std::to_string(i)] = i; return m.size(); } };
__attribute__((noinline)) static double sum(const shape &s, int n) { std::vector<int> v(64); std::generate(v.begin(), v.end(), [] { return rand(); }); std::sort(v.begin(), v.end(), [](int a, int b) { return a > b; }); return s.area(n) + v[0]; }
static void run() { square s; volatile double d = 0; auto end = std::chrono::steady_clock::now() + std::chrono::seconds(9); std::function<void()> f = [&] { d += sum(s, 40); }; while (std::chrono::steady_clock::now() < end) f(); }
int main() { std::thread t(run); run(); t.join(); }
CC
cpp=
if command -v g++ >/dev/null && g++ -O2 -fomit-frame-pointer -pthread -o "$TMP/cpp" "$TMP/cc.cc" 2>"$TMP/cc.err"; then
	nice -n 5 "$TMP/cpp" & cpp=$!
fi
sleep 0.3
capture loads 5s || fail "a capture of the loads" "$(cat "$TMP/loads.err")"
kill "$python" $cpp 2>/dev/null
wait 2>/dev/null
check "95% of python3's stacks reach the thread's start" rooted 95 loads "$python"
if [ -n "$cpp" ]; then
	check "95% of a C++ program's, without frame pointers" rooted 95 loads "$cpp"
else
	skip "95% of a C++ program's, without frame pointers" "no g++ here"
fi

# Go's runtime goes to and fro between a stack of its own and those that it made.
if command -v fzf >/dev/null; then
	seq 1 1000000000 2>/dev/null | nice -n 5 fzf --no-sort -f '9 8 7 z' >/dev/null & go=$!
	sleep 0.3
	capture go 4s || fail "a capture of a program in Go" "$(cat "$TMP/go.err")"
	kill "$go"
	wait 2>/dev/null
	check "95% of a program's in Go" rooted 95 go "$go"
else
	skip "95% of a program's in Go" "fzf is not installed"
fi

nice -n 5 "$LOAD" deep 40 9 >/dev/null & deep=$!
nice -n 5 "$LOAD" deep 400 9 >/dev/null & deeper=$!
nice -n 5 "$LOAD" signals 9 >/dev/null & signals=$!
cp "$LOAD" "$TMP/gone"
nice -n 5 "$TMP/gone" threads 2 9 >/dev/null & gone=$!
sleep 0.3
rm "$TMP/gone"
capture loads 5s || fail "a capture of the loads" "$(cat "$TMP/loads.err")"
kill "$deep" "$deeper" "$signals" "$gone" 2>/dev/null
wait 2>/dev/null

check "95% of a C program's" rooted 95 loads "$deep"
check "95% of a signal handler's, over the signal's frame" rooted 95 loads "$signals"
check "95% of those of threads of a program whose file was deleted" rooted 95 loads "$gone"
# burn_until() and what it calls, 40 calls, main(), two of libc, _start()
depth=$(on_cpu loads "$deep" | awk -F'\t' '$1 == "root" { n[$3]++ } END { for (d in n) if (n[d] > n[best]) best = d; print best }')
check "a stack of 40 calls has 40 frames and those around them ($depth)" test "$depth" -ge 45 -a "$depth" -le 47
equal "a stack that is too deep is cut, and is not said to be whole" "depth 256" \
	"$(on_cpu loads "$deeper" | awk -F'\t' '$2 ~ /t/ { n[$1 " " $3]++ } END { for (d in n) if (n[d] > n[best]) best = d; print best }')"
check "a signal's frame is marked" grep -q '!' <(on_cpu loads "$signals" | awk -F'\t' '$1 == "root"' | cut -f5)
check "the deleted file is named" grep -q "$TMP/gone" "$TMP/loads/objects"
equal "nothing is read twice or dropped: rows are the events but the idle ones" \
	"$(value loads events)" "$(($(value loads idle) + $(value loads samples_received) + $(value loads lost_ring_full)))"
equal "and there are as many rows" "$(value loads samples_received)" "$(awk -F'\t' '$2 == "on"' "$TMP/loads/samples" | wc -l)"
if [ "$(value loads clock)" = cpu-clock ]; then
	check "the clock fired as often as is to be expected ($(value loads events) of $(value loads samples_expected))" \
		awk -v got="$(value loads events)" -v want="$(value loads samples_expected)" 'BEGIN { exit !(got >= want * 0.9 && got <= want * 1.02) }'
fi

# ------------------------------------------------------------------ a share of a CPU
# What the process says it used in the window, against its samples times the period.
"$LOAD" spin 0 40 60 >/dev/null & spin=$!
sleep 0.2
used() { awk '{ print ($14 + $15) / '"$(getconf CLK_TCK)"' }' "/proc/$spin/stat"; }
before=$(used)
capture share 5s || fail "a capture of a share" "$(cat "$TMP/share.err")"
after=$(used)
kill "$spin"
seconds=$(awk -v s="$(value share start_ns)" -v e="$(value share end_ns)" 'BEGIN { print (e - s) / 1e9 }')
hits=$(on_cpu share "$spin" | wc -l)
# Its time before the start and after the end of sampling is in "used", so that is an upper bound.
check "a program that uses 40% of a CPU has as many samples ($hits in $seconds s, used $(awk -v a="$before" -v b="$after" 'BEGIN { print b - a }') s)" \
	awk -v hits="$hits" -v used="$(awk -v a="$before" -v b="$after" 'BEGIN { print b - a }')" -v seconds="$seconds" '
		BEGIN { got = hits / 99; exit !(got > used * 0.75 - 0.1 && got < used * 1.2 + 0.05) }'

# ------------------------------------------------------------------ off the CPU
# off NAME PID TID STATE COLUMN: of stack_offcpu.tsv
off() {
	awk -F'\t' -v pid="$2" -v tid="$3" -v state="$4" -v want="$5" '
		FNR == 1 { split("", c); for (i = 1; i <= NF; i++) c[$i] = i; file++; next }
		file == 1 && $c["pid"] == pid { mine[$c["process"]] = 1 }
		file == 2 && ($c["process"] in mine) && $c["tid"] == tid { thread[$c["thread"]] = 1 }
		file == 3 && ($c["thread"] in thread) && $c["state"] == state { sum += $c[want]; seen = 1 }
		END { if (seen) printf "%.0f\n", sum }' "$TMP/$1/processes" "$TMP/$1/threads" "$TMP/$1/offcpu"
}
# estimate NAME PID: ns of sleep by the samples and their weights
estimate() {
	awk -F'\t' -v pid="$2" '
		FNR == 1 { split("", c); for (i = 1; i <= NF; i++) c[$i] = i; file++; next }
		file == 1 && $c["pid"] == pid { mine[$c["process"]] = 1 }
		file == 2 && ($c["process"] in mine) { thread[$c["thread"]] = 1 }
		file == 3 && ($c["thread"] in thread) && $c["state"] == "sleep" { sum += $c["ns"] * $c["weight"] / 1024 }
		END { printf "%.0f\n", sum }' "$TMP/$1/processes" "$TMP/$1/threads" "$TMP/$1/samples"
}
between() { awk -v v="${1:-nothing}" -v a="$2" -v b="$3" 'BEGIN { print v, a, b; exit !(v != "nothing" && v >= a && v <= b) }'; }

"$LOAD" sleep 60 >/dev/null & asleep=$!
"$LOAD" vfork 60 >/dev/null & vforks=$!
"$LOAD" nap 2 60 >/dev/null & naps=$!
"$LOAD" ping 60 >"$TMP/ping" & pinged=$!
taskset -c 1 "$LOAD" spin 1 100 60 >/dev/null & rival=$!
taskset -c 1 "$LOAD" spin 1 100 60 >/dev/null & rival2=$!
wait_for 10 test -s "$TMP/ping"
sleep 0.2
cpu_of() { awk '{ print ($14 + $15) / '"$(getconf CLK_TCK)"' * 1e9 }' "/proc/$1/stat"; }
before=$(cpu_of $rival)
capture off 4s || fail "a capture off the CPU" "$(cat "$TMP/off.err")"
after=$(cpu_of $rival)
child=$(pgrep -P "$vforks")
kill "$asleep" "$vforks" $child "$naps" "$pinged" "$rival" "$rival2" 2>/dev/null
wait 2>/dev/null
if [ "$(value off off_cpu)" = on ]; then
	window=$(($(value off end_ns) - $(value off start_ns)))
	check "a thread that sleeps through the whole window is there, with all of it" \
		between "$(off off "$asleep" "$asleep" sleep still_ns)" $((window * 95 / 100)) $((window * 110 / 100))
	check "so is one that waits uninterruptibly" \
		between "$(off off "$vforks" "$vforks" disk still_ns)" $((window * 95 / 100)) $((window * 110 / 100))
	sleeps=$(off off "$naps" "$naps" sleep total_ns)
	# whoever is woken waits for a CPU: on a busy machine that is most of it
	check "short sleeps are summed, and the waits for a CPU after each" \
		between "$((sleeps + $(off off "$naps" "$naps" runnable total_ns)))" $((window * 80 / 100)) $((window * 102 / 100))
	check "and the samples stand for them" between "$(estimate off "$naps")" $((sleeps * 50 / 100)) $((sleeps * 160 / 100))
	waited=$(off off "$rival" "$rival" preempted total_ns)
	check "a thread that shares its CPU was preempted for what it did not run" \
		between "$(awk -v w="$waited" -v a="$before" -v b="$after" 'BEGIN { printf "%.0f", w + b - a }')" $((window * 85 / 100)) $((window * 125 / 100))
	check "the longest sleep is as long as it was" between "$(off off "$pinged" "$pinged" sleep longest_ns)" 250000000 $((window))
	equal "and who ended it is known" "$(awk '$1 == "waker" { print $2 }' "$TMP/ping")" "$(off off "$pinged" "$pinged" sleep longest_waker)"
else
	skip "off the CPU" "$(value off off_cpu)"
fi

# ------------------------------------------------------------------ processes that live for 5 ms
cp "$LOAD" "$TMP/brief"
"$LOAD" shortlived 60 "$TMP/brief" >/dev/null & storm=$!
capture short 4s || fail "a capture of short lives" "$(cat "$TMP/short.err")"
kill "$storm"
wait 2>/dev/null
brief=$(awk -F'\t' '$4 == "brief" { print $2 }' "$TMP/short/processes")
check "processes that live for 5 ms are known by name ($(wc -w <<<"$brief"))" test "$(wc -w <<<"$brief")" -ge 5
# shellcheck disable=SC2086
check "and their addresses by their mappings" awk -F'\t' '
	{ n = split($5, f, " "); for (i = 1; i <= n; i++) { all++; good += f[i] !~ /^0:/ } }
	END { print good, all; exit !(all >= 10 && good >= all * 0.9) }' <(on_cpu short $brief)

# ------------------------------------------------------------------ a ring that overflows
if out=$("$NATIVE/native-stacks_ring" 2>&1); then
	check "what the counters call lost is what is missing: $out" awk '
		{ exit !($2 == $4 + $6 + $8 && $6 == $14 && $10 == $16 && $8 > 0) }' <<<"$out"
else
	fail "a ring of one page" "$out"
fi
