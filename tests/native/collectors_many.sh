#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Five thousand processes: all are there, twice, in time and within the memory budget.
. "$(dirname "$0")/../lib.sh"
need_root collectors_many

count=${OSSNAP_PROCESSES:-5000}
mkfifo "$TMP/hold"
"$NATIVE/native-sleepers" "$count" <"$TMP/hold" >"$TMP/pids" 2>"$TMP/log" &
sleepers=$!
exec 9>"$TMP/hold"
at_exit kill "$sleepers"
if ! wait_for 30 grep -q '^$' "$TMP/pids" || [ "$(grep -c . "$TMP/pids")" != "$count" ]; then
	skip "many processes" "cannot make $count processes: $(cat "$TMP/log")"
	exit 0
fi
"$CAPTURE" -q -d 2s --collect processes,mounts,containers -o "$TMP" >"$TMP/path" 2>"$TMP/log"
equal "$count processes: complete" 0 $?
archive=$(cat "$TMP/path")
member "$archive" raw/processes | "$NATIVE/native-unpack" -l >"$TMP/entries"
for file in stat status statm cgroup oom_score_adj limits cmdline exe; do
	equal "$file of every one" "" "$(grep . "$TMP/pids" | sort | comm -23 - <(grep -a "/$file " "$TMP/entries" | cut -d/ -f1 | sort -u) | head -3)"
done
equal "stat was read at both ends" "" "$(grep . "$TMP/pids" | sort | comm -23 - <(grep -a '/stat ' "$TMP/entries" | cut -d/ -f1 | sort | uniq -d) | head -3)"
equal "mount namespace of every one" "" "$(grep . "$TMP/pids" | sort | comm -23 - <(member "$archive" tables/mount_namespaces.tsv | sed 1d | cut -f2 | sort) | head -3)"
member "$archive" manifest.json >"$TMP/manifest.json"
rss=$(jq '[.collectors[] | .max_rss_bytes] | max' "$TMP/manifest.json")
[ "$rss" -lt $((16 << 20)) ] && ok "a collector stays below 16 MiB" || fail "a collector stays below 16 MiB" "$rss bytes"
exec 9>&-
