#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What reading one process costs: the processes collector beside a shell loop that cats the same
# files and beside one cat of all of them, over N sleeping processes.  Ratios, in one run.
# The collector reads stat, statm and cgroup twice: it is charged for both readings.
. "$(dirname "$0")/../lib.sh"
need_root bench/processes

count=${OSSNAP_PROCESSES:-2000}
mkfifo "$TMP/hold"
"$NATIVE/native-sleepers" "$count" <"$TMP/hold" >"$TMP/pids" 2>"$TMP/log" &
sleepers=$!
exec 9>"$TMP/hold"
at_exit kill "$sleepers"
if ! wait_for 60 grep -q '^$' "$TMP/pids"; then
	skip "cost of a process" "cannot make $count processes: $(cat "$TMP/log")"
	exit 0
fi
mapfile -t pids < <(grep . "$TMP/pids")

# cpu COMMAND...: user + system seconds in $cpu
cpu() {
	local TIMEFORMAT='%U %S'
	cpu=$( { time "$@" >/dev/null 2>&1; } 2>&1 | awk '{ print $1 + $2 }')
}

loop() {
	local pid dir
	for pid in "${pids[@]}"; do
		dir=/proc/$pid
		cat "$dir/stat" "$dir/status" "$dir/statm" "$dir/cgroup" "$dir/oom_score_adj" "$dir/limits" "$dir/cmdline"
	done
}

one_cat() {
	local pid
	for pid in "${pids[@]}"; do
		printf "/proc/$pid/%s\0" stat status statm cgroup oom_score_adj limits cmdline
	done | xargs -0 cat
}

"$CAPTURE" -q -d 1s --collect processes --max-cpu 100 -o "$TMP" >"$TMP/path" 2>"$TMP/log"
equal "the capture is complete" 0 $?
member "$(cat "$TMP/path")" manifest.json >"$TMP/manifest.json"
ours=$(jq '.collectors[] | select(.name == "processes") | .cpu_s' "$TMP/manifest.json")
all=$(member "$(cat "$TMP/path")" raw/processes | "$NATIVE/native-unpack" -l | grep -c '/statm ')
cpu one_cat
cat_all=$cpu
cpu loop
cat_each=$cpu

awk -v n="$count" -v seen="$((all / 2))" -v ours="$ours" -v all="$cat_all" -v each="$cat_each" 'BEGIN {
	printf "# %-44s %8.1f us of CPU per process\n", "ossnap-capture (10 files, two readings, exe)", ours / seen * 1e6
	printf "# %-44s %8.1f us of CPU per process (%.1f times)\n", "one cat of 7 files of each, one reading", all / n * 1e6, (all / n) / (ours / seen)
	printf "# %-44s %8.1f us of CPU per process (%.1f times)\n", "a loop with one cat for each process", each / n * 1e6, (each / n) / (ours / seen)
	exit !(each / n > 3 * (ours / seen)) }'
if [ $? = 0 ]; then ok "at least three times cheaper than a loop of cat"; else fail "at least three times cheaper than a loop of cat" "see above"; fi

# What the kernel holds for them: every descriptor of every process, by kernel memory and without it.
for rung in auto procfs; do
	"$CAPTURE" -q -d 5s --collect kernel-objects --memory-source $rung --max-cpu 100 -o "$TMP" >"$TMP/path" 2>"$TMP/log"
	equal "kernel-objects, $rung: the capture is complete" 0 $?
	member "$(cat "$TMP/path")" manifest.json | jq -r --arg rung $rung --arg n "$count" '.collectors[] | select(.name == "kernel-objects") |
		"# kernel-objects of \($n) processes, memory source \($rung): \(.cpu_s) s of CPU, \(.max_rss_bytes / 1048576 | round) MiB"'
done
exec 9>&-
