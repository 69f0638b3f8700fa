#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Traces of v1 memory cgroups of this machine, for tests/vm/fit.mjs to judge the model by (never to fit it to): the
# same files as a boot of tests/vm/exhaust.sh leaves, in $EXHAUST/v1_256_none_none_1.
. "$(dirname "$0")/../lib.sh"
need_root trace_groups
FASTOOM=${FASTOOM:-$BUILD/capture/fastoom/bin/fastoom}
HOG=${HOG:-$NATIVE/native-fastoom_hog}
EXHAUST=${EXHAUST:-$TOP/build/exhaust}
G=/sys/fs/cgroup/memory/fastoom-trace-$$
[ -e /sys/fs/cgroup/memory/memory.limit_in_bytes ] || { skip trace_groups "no v1 memory controller here"; exit 0; }
mkdir "$G" && at_exit rmdir "$G"
echo 256M >"$G/memory.limit_in_bytes"
R=$EXHAUST/v1_256_none_none_1
rm -rf "$R"
mkdir -p "$R/traces" "$R/stalls"
gcc -static -O2 -o "$TMP/probe" "$TOP/tests/vm/guest/exhaust_probe.c"
dd if=/dev/zero of="$TMP/probed" bs=4096 count=64 2>/dev/null
now() { cut -d' ' -f1 /proc/uptime; }
alive() { [ -d "/proc/$1" ] && ! grep -q '^State:.*Z' "/proc/$1/status"; }
kernel_kills() { awk '$1 == "oom_kill" { print $2 }' "$G/memory.oom_control"; }
inside() { bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$G" "$@" >/dev/null 2>&1 & PID=$!; disown $PID; }

# cell NAME danger|none LIMIT COMMAND...
cell() {
	local name=$1 class=$2 limit=$3 before probe guard start hog end=- state=gone pid
	shift 3
	before=$(kernel_kills)
	inside "$TMP/probe" "$TMP/probed" "$R/stalls/$name"
	probe=$PID
	echo -900 >"/proc/$probe/oom_score_adj" 2>/dev/null
	"$FASTOOM" --dry-run --scope "cgroup:/$(basename "$G")" --journal /dev/null --trace "$R/traces/$name.tsv" 2>/dev/null &
	guard=$!
	sleep 1
	start=$(now)
	inside "$@"
	hog=$PID
	sleep 0.1
	while [ $(($(cut -d. -f1 /proc/uptime) - ${start%.*})) -lt "$limit" ]; do
		sleep 0.05
		alive $hog || { end=$(now); break; }
	done
	[ "$end" != - ] || state=alive
	kill -KILL $hog 2>/dev/null
	kill $probe $guard 2>/dev/null
	wait $guard 2>/dev/null
	wait_for 3 test -s "$R/stalls/$name" || touch "$R/stalls/$name"
	while read -r pid; do kill -KILL "$pid"; done <"$G/cgroup.procs" 2>/dev/null
	sleep 0.3
	echo "$name $class $start $state 3 $(($(kernel_kills) - before)) 0 0 - $([ "$end" = - ] && echo - || echo "$end $start" | awk '{ print $1 - $2 }')" >>"$R/cells"
}
cell leak-20 danger 30 "$HOG" -n hog 400 20
cell leak-100 danger 20 "$HOG" -n hog 400 100
cell leak-full danger 10 "$HOG" -n hog 400 0
cell leak-5 danger 60 "$HOG" -n hog -i 180 400 5
cell steady none 8 "$HOG" -n hog 226 200
cell stream none 10 "$HOG" -n hog -f "$TMP/stream" 400 0
cell half none 8 "$HOG" -n hog 128 100
cat "$R/cells"
