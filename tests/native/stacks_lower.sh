#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Stacks where BPF is refused: by perf events, of all CPUs or of one user's processes; and where those are refused too.
. "$(dirname "$0")/../lib.sh"
need_root "refusing BPF to a root"

if ! "$NATIVE/native-without_bpf" /bin/true 2>/dev/null; then
	skip "stacks without BPF" "no seccomp here"
	exit 0
fi
chmod 755 "$TMP"
mkdir -m 777 "$TMP/out"
cp "$CAPTURE" "$TMP/capture"
cp "$NATIVE/native-without_bpf" "$TMP/refuse"

# capture NAME COMMAND...: a capture of stacks that runs under COMMAND, as $TMP/NAME with its tables
capture() {
	local name=$1 t
	shift
	"$@" "$TMP/capture" -q -d 3s --collect stacks -o "$TMP/out/$name.tar.zst" >/dev/null 2>"$TMP/$name.err"
	echo $? >"$TMP/$name.rc"
	mkdir "$TMP/$name"
	for t in samples stacks processes threads capture symbols; do
		member "$TMP/out/$name.tar.zst" "tables/stack_$t.tsv" >"$TMP/$name/$t"
	done
	member "$TMP/out/$name.tar.zst" manifest.json | jq -r '.collectors[] | select(.name == "stacks") | .status + " " + .reason' >"$TMP/$name/status"
	"$ANALYZE" -q -o "$TMP/$name/r.html" --json "$TMP/$name/report.json" "$TMP/out/$name.tar.zst" 2>/dev/null
}
value() { awk -F'\t' -v k="$2" '$1 == k { print $2 }' "$TMP/$1/capture"; }
# of NAME PID: "SAMPLES WITH-A-KERNEL'S-PART USER-ENDS" of its samples
of() {
	awk -F'\t' -v pid="$2" '
		FNR == 1 { split("", c); for (i = 1; i <= NF; i++) c[$i] = i; file++; next }
		file == 1 && $c["pid"] == pid { mine[$c["process"]] = 1 }
		file == 2 && ($c["process"] in mine) { thread[$c["thread"]] = 1 }
		file == 3 { kernel[$c["stack"]] = $c["kernel"] != ""; end[$c["stack"]] = $c["user_end"] }
		file == 4 && ($c["thread"] in thread) { n++; k += kernel[$c["stack"]]; ends[end[$c["stack"]]] = 1 }
		END { printf "%d %d", n, k; for (e in ends) printf " %s", e; print "" }' \
		"$TMP/$1/processes" "$TMP/$1/threads" "$TMP/$1/stacks" "$TMP/$1/samples"
}

# With frame pointers, which is what this rung can follow.
cat >"$TMP/frames.c" <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
volatile int x;
static double now(clockid_t c) { struct timespec t; clock_gettime(c, &t); return t.tv_sec + t.tv_nsec / 1e9; }
__attribute__((noinline)) void inner(void) { for (int i = 0; i < 1000000; i++) x++; }
__attribute__((noinline)) void middle(void) { inner(); x++; }
__attribute__((noinline)) void outer(double end) { while (now(CLOCK_MONOTONIC) < end) { middle(); x++; } x++; }
int main(int argc, char **argv)
{
	double end = now(CLOCK_MONOTONIC) + atof(argv[1]);
	if (argc > 2) { sleep(1); if (fork()) { outer(end); return 0; } }
	outer(end);
	return 0;
}
C
if ! ${CC:-cc} -O0 -o "$TMP/frames" "$TMP/frames.c" 2>"$TMP/cc.err"; then
	skip "stacks without BPF" "no C compiler here: $(tail -1 "$TMP/cc.err")"
	exit 0
fi

# ------------------------------------------------------------------ all CPUs
"$TMP/frames" 12 & frames=$!
dd if=/dev/zero of=/dev/null bs=1M 2>/dev/null & dd=$!
at_exit kill "$frames" "$dd"
sleep 0.2
used() { awk '{ print ($14 + $15) / '"$(getconf CLK_TCK)"' }' "/proc/$1/stat"; }
before=$(used "$frames")
capture root "$TMP/refuse"
after=$(used "$frames")
kill "$dd"
equal "BPF refused: the archive is partial" 3 "$(cat "$TMP/root.rc")"
check "and says why, and what was used instead" grep -q '^partial bpf: .*; using perf events: user stacks by frame pointers only' "$TMP/root/status"
equal "all CPUs" "perf $(nproc)" "$(value root mode) $(value root cpus)"
read -r samples _ ends < <(of root "$frames")
# What it used before the start and after the end of sampling is in "used", so that is an upper bound.
check "as many samples as it used of a CPU ($samples at 99 Hz; $before to $after s)" \
	awk -v n="$samples" -v b="$before" -v a="$after" 'BEGIN { got = n / 99; used = a - b; exit !(got > used * 0.75 - 0.1 && got < used * 1.2 + 0.05) }'
equal "none of its stacks is said to reach the start" "pointers" "$ends"
check "the frames are there, one below the other" jq -e '[.hotspot.functions[] | select(.module == "frames")] |
	(map(select(.name == "inner")) | .[0].total) as $i | (map(select(.name == "middle")) | .[0].total) as $m | (map(select(.name == "outer")) | .[0].total) as $o |
	$i > 10 and $m >= 0.95 * $i and $o >= 0.95 * $i' "$TMP/root/report.json"
read -r samples kernel _ < <(of root "$dd")
check "a program in the kernel has the kernel's part ($kernel of $samples)" test "$kernel" -gt 10
equal "nothing is lost without a word" "$(value root events)" "$(($(value root idle) + $(value root samples_received)))"
equal "times off the CPU are not there, and not zero" null "$(jq -c .hotspot.off_cpu "$TMP/root/report.json")"

# ------------------------------------------------------------------ one's own processes
nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
paranoid=$(cat /proc/sys/kernel/perf_event_paranoid 2>/dev/null || echo none)
"${nobody[@]}" "$TMP/frames" 8 fork & own=$!
at_exit kill "$own"
sleep 0.2
capture nobody "${nobody[@]}"
child=$(awk -F'\t' -v parent="$own" 'NR > 1 && $3 == parent { print $2 }' "$TMP/nobody/processes")
equal "without privilege the archive is partial" 3 "$(cat "$TMP/nobody.rc")"
if [ "$paranoid" = none ] || [ "$paranoid" -gt 2 ]; then
	check "without privilege: denied, and by what" grep -q "^denied bpf: .*.*perf_event_open: .*perf_event_paranoid=$paranoid" "$TMP/nobody/status"
elif [ "$paranoid" -gt 0 ]; then
	check "without privilege: one's own processes" grep -q '^partial bpf: .*; using perf events of the processes of uid 65534' "$TMP/nobody/status"
	equal "and it is said so" perf-own "$(value nobody mode)"
	read -r samples _ < <(of nobody "$own")
	check "one's own process is sampled ($samples)" test "$samples" -gt 8
	read -r samples _ < <(of nobody "${child:-0}")
	check "and the child that it forked meanwhile ($samples)" test "${samples:-0}" -gt 8
	equal "nobody else's" "0 0" "$(of nobody "$frames")"
fi
kill "$frames" "$own" $child 2>/dev/null

# ------------------------------------------------------------------ nothing at all
capture none "$TMP/refuse" -p
equal "neither: the archive is partial" 3 "$(cat "$TMP/none.rc")"
check "neither: denied, and both reasons ($(cat "$TMP/none/status"))" grep -q '^denied bpf: .*perf_event_open: Operation not permitted' "$TMP/none/status"
equal "neither: nothing is claimed" null "$(jq -c '.hotspot' "$TMP/none/report.json")"
