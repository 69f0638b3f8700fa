#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a capture of stacks takes away from the machine's own work, beside its peers: pairs of runs,
# with and without, one after the other; lost throughput in percent with its 95% interval.
#   tests/bench/overhead.sh [PAIRS [SECONDS]]
# A run of ours counts only if its archive names the load.
. "$(dirname "$0")/../lib.sh"
need_root "sampling all CPUs"
PAIRS=${1:-6} SECONDS_EACH=${2:-4}
WORK=$NATIVE/native-bench_overhead
window=$((SECONDS_EACH + 3))

cat >"$TMP/work.py" <<'PY'
import json, sys, time
end, n = time.monotonic() + float(sys.argv[1]), 0
while time.monotonic() < end:
    json.loads(json.dumps({"a": list(range(200))}))
    n += 1
print(n)
PY
work() { # LOAD: rounds
	case $1 in
	python)
		local i
		for ((i = 0; i < 20; i++)); do /usr/bin/python3 "$TMP/work.py" "$SECONDS_EACH" & done | awk '{ s += $1 } END { print s }'
		;;
	*) "$WORK" "$1" "$SECONDS_EACH" ;;
	esac
}

tool_stacks() { "$CAPTURE" -q -d "${window}s" --collect stacks -o "$TMP/ours.tar.zst"; }
tool_all() { "$CAPTURE" -q -d "${window}s" -o "$TMP/ours.tar.zst"; }
tool_perf-g() { perf record -q -a -g -F 99 -o "$TMP/perf.data" -- sleep "$window"; }
tool_perf-dwarf() { perf record -q -a --call-graph dwarf -F 99 -o "$TMP/perf.data" -- sleep "$window"; }
tool_profile() { profile-bpfcc -F 99 -f "$window"; }
tool_offcputime() { offcputime-bpfcc -f "$window"; }
has_tool() {
	case $1 in
	stacks | all) ;;
	perf-*) perf --version >/dev/null 2>&1 ;;
	*) command -v "$1-bpfcc" >/dev/null ;;
	esac
}
# names_it LOAD: whether the archive holds samples of the load's process
names_it() {
	local comm=native-bench_ov
	[ "$1" != python ] || comm=python3
	member "$TMP/ours.tar.zst" tables/stack_processes.tsv | awk -F'\t' -v c="$comm" '$4 == c { n++ } END { exit !n }'
}

# the run time that the kernel itself counts for BPF programs; it costs a little, and is ours to pay
stats=$(cat /proc/sys/kernel/bpf_stats_enabled 2>/dev/null) && at_exit sysctl -qw "kernel.bpf_stats_enabled=$stats"
sysctl -qw kernel.bpf_stats_enabled=1 2>/dev/null

printf '%-8s %-12s %-24s %s\n' load tool 'lost, 95% interval' 'BPF by the kernel, of one CPU'
for load in cpu switch syscall python; do
	for tool in stacks all perf-g perf-dwarf profile offcputime; do
		has_tool "$tool" || { printf '%-8s %-12s %s\n' "$load" "$tool" 'not here'; continue; }
		ratios= bad=0 bpf=
		for ((i = 0; i < PAIRS; i++)); do
			alone=$(work "$load")
			rm -f "$TMP/ours.tar.zst"
			"tool_$tool" >/dev/null 2>&1 & pid=$!
			sleep 1.5
			with=$(work "$load")
			wait "$pid"
			case $tool in
			stacks | all)
				names_it "$load" || { bad=$((bad + 1)); continue; }
				bpf+=" $(member "$TMP/ours.tar.zst" tables/stack_capture.tsv | awk -F'\t' '{ v[$1] = $2 } END { printf "%.3f", v["bpf_run_ns"] / (v["end_ns"] - v["start_ns"]) * 100 }')"
				;;
			esac
			ratios+=" $(awk -v a="$alone" -v b="$with" 'BEGIN { print (1 - b / a) * 100 }')"
		done
		awk -v load="$load" -v tool="$tool" -v r="$ratios" -v bpf="$bpf" -v bad="$bad" 'BEGIN {
			split("12.71 4.30 3.18 2.78 2.57 2.45 2.36 2.31 2.26", t, " ")
			n = split(r, x, " "); for (i in x) m += x[i] / n
			for (i in x) v += (x[i] - m) ^ 2
			h = n > 1 ? (n - 1 in t ? t[n - 1] : 2.1) * sqrt(v / (n - 1) / n) : 0
			k = split(bpf, y, " "); for (i in y) b += y[i] / k
			printf "%-8s %-12s %6.2f%%  %6.2f to %6.2f   %s%s\n", load, tool, m, m - h, m + h, k ? sprintf("%.2f%%", b) : "", bad ? "  " bad " runs without the load" : "" }'
	done
done
