# SPDX-License-Identifier: GPL-2.0-or-later
# What the probes of delays (system calls, reclaim, scheduling, block I/O, network) take from a load of
# 500,000 system calls a second and from one of 100,000 switches a second: pairs of runs, one of them
# watched, in turns.  Prints the throughput lost with a 95% interval of Student's t.  The truth is asked
# for as well: a probe that looked away costs nothing.
. "$(dirname "$0")/../lib.sh"
need_root "bench probes"
PAIRS=${PAIRS:-12}
COLLECT=${COLLECT:-syscalls,reclaim,sched-delay,block-io,net-receive}

# measure LOAD WORK: two seconds, and the same watched; prints "ALONE WATCHED".
alone() { "$NATIVE/native-bench_probes" "$1" "work=$2" 2 0 | cut -d' ' -f2; }
watched() {
	rm -f "$TMP"/*.zst
	"$CAPTURE" -q -d 4s --collect "$COLLECT" -o "$TMP" >"$TMP/path" 2>"$TMP/log" &
	local capture=$!
	sleep 1
	alone "$1" "$2"
	wait $capture
}

for load in calls switches; do
	case $load in calls) rate=500000 ;; *) rate=100000 ;; esac
	read -r work was < <("$NATIVE/native-bench_probes" $load $rate 1 0)
	for ((i = 0; i < PAIRS; i++)); do
		if ((i % 2)); then
			a=$(alone $load "$work") b=$(watched $load "$work")
		else
			b=$(watched $load "$work") a=$(alone $load "$work")
		fi
		echo "$a $b"
	done >"$TMP/pairs"
	awk -v load="$load" -v was="$was" '
		{ lost = 100 * (1 - $2 / $1); n++; s += lost; q += lost * lost }
		END {
			split("12.71 4.30 3.18 2.78 2.57 2.45 2.36 2.31 2.26 2.23 2.20 2.18 2.16 2.14 2.13 2.12 2.11 2.10 2.09", t, " ")
			k = n > 19 ? 19 : n - 1
			m = s / n; v = n > 1 ? (q - n * m * m) / (n - 1) : 0
			printf "%-9s %8d a second: lost %.2f%%, 95%% interval %.2f%% to %.2f%%, %d pairs\n", load, was, m,
				m - t[k] * sqrt(v / n), m + t[k] * sqrt(v / n), n
		}' "$TMP/pairs"
	"$ANALYZE" -q -o "$TMP/r.html" --json "$TMP/r.json" "$(cat "$TMP/path")" 2>/dev/null
	jq -r --arg load $load '"          the last archive: " + ([.hotspot.probes[] | "\(.name) watched \(.watched_share * 1000 | round / 10)%"] | join(", ")),
		(.hotspot.syscalls[] | select($load == "calls" and .name == "getppid" and (.comm | startswith("native-bench"))) |
		"          getppid: \(.count) counted, \(.count_interval[0]) to \(.count_interval[1])")' "$TMP/r.json"
	jq -r '"          CPU time of the collectors: \([.collectors[] | .cpu_s // 0] | add * 1000 | round) ms in 4 s; peak memory of the capture \(.observer.max_rss_bytes / 1048576 | round) MiB"' "$TMP/r.json"
done
