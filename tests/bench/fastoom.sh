#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the guard costs beside earlyoom, on the same machine at the same time: memory, CPU of an idle
# minute ($SECONDS_IDLE), and one choice among many processes.  Nobody is killed: earlyoom is told to act at
# thresholds that cannot be met, fastoom runs dry.
. "$(dirname "$0")/../lib.sh"
need_root fastoom
FASTOOM=${FASTOOM:-$BUILD/capture/fastoom/bin/fastoom}
SECONDS_IDLE=${SECONDS_IDLE:-60}
MEMORY=/sys/fs/cgroup/memory

# cost PID: user and system time in ms from the scheduler's own nanoseconds, all threads
cost() { awk '{ s += $1 } END { printf "%.2f", s / 1e6 }' /proc/"$1"/task/*/schedstat 2>/dev/null; }
kib() { awk -v k="$2:" '$1 == k { print $2 }' "/proc/$1/status"; }
major() { awk '{ sub(/.*\) /, ""); print $10 }' "/proc/$1/stat"; }

names=() pids=()
start() {
	local name=$1
	shift
	"$@" >/dev/null 2>&1 &
	names+=("$name")
	pids+=($!)
	at_exit kill $!
}
start "fastoom, node" "$FASTOOM" --dry-run --scope node --journal "$TMP/1.jsonl"
if [ -e $MEMORY/memory.limit_in_bytes ]; then
	groups=()
	for i in 1 2; do
		mkdir "$MEMORY/fastoom-bench-$$-$i" && at_exit rmdir "$MEMORY/fastoom-bench-$$-$i"
		echo 256M >"$MEMORY/fastoom-bench-$$-$i/memory.limit_in_bytes"
		groups+=(--scope "cgroup:/fastoom-bench-$$-$i")
	done
	start "fastoom, node + 2 groups" "$FASTOOM" --dry-run --scope node "${groups[@]}" --journal "$TMP/2.jsonl"
fi
command -v earlyoom >/dev/null && start "earlyoom" "$(command -v earlyoom)" -r 0 -m 1,1 -s 1,1 --dryrun
sleep 2
before=() faults=() # those of the start, from before the memory was locked, do not count
for i in "${!pids[@]}"; do before[i]=$(cost "${pids[i]}") faults[i]=$(major "${pids[i]}"); done
sleep "$SECONDS_IDLE"
printf '%-28s %12s %12s %14s %14s\n' "$SECONDS_IDLE s idle" "RSS KiB" "locked KiB" "CPU ms" "major faults"
for i in "${!pids[@]}"; do
	[ -d "/proc/${pids[i]}" ] || { fail "bench fastoom: ${names[i]}" "it has ended"; continue; }
	printf '%-28s %12s %12s %14s %14s\n' "${names[i]}" "$(kib "${pids[i]}" VmRSS)" "$(kib "${pids[i]}" VmLck)" \
		"$(awk -v a="${before[i]}" -v b="$(cost "${pids[i]}")" 'BEGIN { printf "%.2f", b - a }')" $(($(major "${pids[i]}") - faults[i]))
done
check "bench fastoom: below 1 MiB resident" test "$(kib "${pids[0]}" VmRSS)" -lt 1024
check "bench fastoom: no major faults" test "$(major "${pids[0]}")" = "${faults[0]}"
[ -z "${MANY:-}" ] || {
	# $MANY processes that sleep (NATIVE/native-sleepers), and one choice among them
	"$NATIVE/native-sleepers" "$MANY" >/dev/null &
	at_exit kill $!
	sleep "${SETTLE:-20}"
	"$FASTOOM" --scope node --check | grep 'processes seen'
}
