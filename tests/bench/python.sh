#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What Python's frames add to a sample of the stacks: 20 busy Pythons, each 20 calls deep.
#   tests/bench/python.sh [TURNS]
. "$(dirname "$0")/../lib.sh"
need_root "sampling all CPUs"
cat >"$TMP/work.py" <<'PY'
import json, sys
def down(n):
    if n:
        return down(n - 1)
    while True:
        json.loads(json.dumps({"a": list(range(200))}))
down(20)
PY
for ((i = 0; i < 20; i++)); do
	/usr/bin/python3 "$TMP/work.py" & at_exit kill $!
done
sleep 1
stats=$(cat /proc/sys/kernel/bpf_stats_enabled 2>/dev/null) && at_exit sysctl -qw "kernel.bpf_stats_enabled=$stats"
sysctl -qw kernel.bpf_stats_enabled=1 || { skip "Python frames' cost" "kernel.bpf_stats_enabled"; exit 0; }
"$NATIVE/native-bench_python" "${1:-6}" | awk '{ ns[$1] = $2; n += $3; frames = $4 }
	END { printf "%.1f us a sample without frames of Python, %.1f us with %.0f of them (%.0f ns each); at 99 Hz they take %.3f%% of each CPU  (%d samples)\n",
		ns["native"] / 1000, ns["python"] / 1000, frames, (ns["python"] - ns["native"]) / (frames ? frames : 1), (ns["python"] - ns["native"]) * 99 / 1e7, n }'
