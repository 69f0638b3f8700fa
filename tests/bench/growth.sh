#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What it costs a program that does nothing but fault pages in, or allocate and free, that its heap
# is looked at: pairs of runs, with and without; lost throughput in percent with its 95% interval.
#   tests/bench/growth.sh [PAIRS [SECONDS]]
. "$(dirname "$0")/../lib.sh"
need_root "probes in other processes"
PAIRS=${1:-5} SECONDS_EACH=${2:-10}
WORK=$NATIVE/native-bench_overhead

# work LOAD [OPTION...]: rounds a second of the load, beside a capture with these options
work() {
	local load=$1 pid
	shift
	"$WORK" "$load" "$((SECONDS_EACH + 1))" >"$TMP/rounds" &
	pid=$!
	if [ $# -gt 0 ]; then
		[ "$1" != heap ] || set -- --heap "$pid"
		[ "$1" != plain ] || shift
		rm -f "$TMP/ours.tar.zst"
		"$CAPTURE" -q -d "${SECONDS_EACH}s" --collect stacks "$@" -o "$TMP/ours.tar.zst" >/dev/null 2>&1
	fi
	wait "$pid"
	awk -v s="$((SECONDS_EACH + 1))" '{ printf "%.0f\n", $1 / s }' "$TMP/rounds"
}

printf '%-8s %-14s %-14s %s\n' load looked-at 'rounds/s alone' 'lost, 95% interval'
for load in fault malloc; do
	for how in plain heap; do
		[ "$load-$how" != fault-heap ] || continue
		ratios= alones=
		for ((i = 0; i < PAIRS; i++)); do
			alone=$(work "$load")
			with=$(work "$load" "$how")
			alones+=" $alone"
			ratios+=" $(awk -v a="$alone" -v b="$with" 'BEGIN { print (1 - b / a) * 100 }')"
		done
		awk -v load="$load" -v how="$how" -v r="$ratios" -v alones="$alones" 'BEGIN {
			split("12.71 4.30 3.18 2.78 2.57 2.45 2.36 2.31 2.26", t, " ")
			n = split(r, x, " "); for (i in x) m += x[i] / n
			for (i in x) v += (x[i] - m) ^ 2
			h = n > 1 ? (n - 1 in t ? t[n - 1] : 2.1) * sqrt(v / (n - 1) / n) : 0
			split(alones, a, " "); for (i in a) all += a[i] / n
			printf "%-8s %-14s %-14.0f %6.2f%%  %6.2f to %6.2f\n", load, how == "heap" ? "--heap PID" : "stacks", all, m, m - h, m + h }'
	done
done
