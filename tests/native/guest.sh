#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A good guest: bounded memory, size and time; what it was allowed, measured from outside.
. "$(dirname "$0")/../lib.sh"
need_root "measuring a capture"

# A machine with 200 processes.
for _ in $(seq 200); do
	sleep 300 &
	at_exit kill $!
done
before_oom=$(cat /proc/self/oom_score_adj)
sysctl_before=$(sysctl -a 2>/dev/null | grep -vE 'random|nr_|state|stat|ns_last_pid|dentry|inode|pty|nr-|dirty|numa_stat|fs.file|cad_pid|sched_domain|uuid|lowmem|numa_balancing' | md5sum)
modules_before=$(cut -d' ' -f1 /proc/modules 2>/dev/null | sort)
# A process and all below it.
family() {
	local child
	echo "$1"
	for child in $(pgrep -P "$1"); do family "$child"; done
}
# measured NAME OPTION...: a capture and, sampled from outside, Σ over it and all below it of what they
# have resident, and of the BPF maps they hold (by id: two of them may hold the same one), at most.
measured() {
	local name=$1 sum kb maps p pid
	shift
	"$CAPTURE" -q -d 3s -o "$TMP/$name.tar.zst" "$@" >"$TMP/path" 2>"$TMP/err" &
	pid=$!
	peak=0 most_maps=0 adj='' policy=''
	: >"$TMP/maps.now"
	while kill -0 $pid 2>/dev/null; do
		sum=0
		for p in $(family $pid); do
			kb=$(awk '/^Pss:/ { s += $2 } END { print s + 0 }' "/proc/$p/smaps_rollup" 2>/dev/null)
			sum=$((sum + ${kb:-0}))
			grep -hsE '^(memlock|map_id):' "/proc/$p/fdinfo"/* >>"$TMP/maps.now"
		done
		maps=$(awk '/^memlock:/ { m = $2 } /^map_id:/ && !seen[$2]++ { s += m } END { print int(s / 1024) }' "$TMP/maps.now")
		: >"$TMP/maps.now"
		sum=$((sum + maps))
		[ "$maps" -gt "$most_maps" ] && most_maps=$maps
		[ $sum -gt $peak ] && peak=$sum
		[ -z "$adj" ] && adj=$(cat /proc/$pid/oom_score_adj 2>/dev/null) && [ "$adj" != 1000 ] && adj=''
		[ -z "$policy" ] && policy=$(ps -o ni=,cls= -p $pid | awk '$1 >= 10 || $2 == "IDL"')
		sleep 0.02
	done
	wait $pid
	status=$?
	rm -f "$TMP/maps.now"
}
measured idle
equal "a capture of an idle machine is complete (exit)" 0 $status
check "it stayed below 64 MiB (peak $((peak / 1024)) MiB; BPF maps at most $((most_maps / 1024)) MiB)" test "$peak" -gt 0 -a "$peak" -lt 65536
equal "it offered itself to the OOM killer first" 1000 "$adj"
check "it gave way to others (nice, class: $policy)" test -n "$policy"
equal "its own shell's oom_score_adj is untouched" "$before_oom" "$(cat /proc/self/oom_score_adj)"
equal "no sysctl changed" "$sysctl_before" "$(sysctl -a 2>/dev/null | grep -vE 'random|nr_|state|stat|ns_last_pid|dentry|inode|pty|nr-|dirty|numa_stat|fs.file|cad_pid|sched_domain|uuid|lowmem|numa_balancing' | md5sum)"
equal "no module was loaded" "$modules_before" "$(cut -d' ' -f1 /proc/modules 2>/dev/null | sort)"
equal "no file is left but the archive" idle.tar.zst "$(ls "$TMP" | grep -vE '^(path|err)$' | tr '\n' ' ' | sed 's/ $//')"
size=$(stat -c %s "$TMP/idle.tar.zst")
check "its archive is below 3 MiB ($size bytes)" test "$size" -lt $((3 << 20))
cached=$("$NATIVE/native-cached" "$TMP/idle.tar.zst" | cut -f1)
check "its writes do not fill the page cache ($cached of $size bytes cached)" test "$cached" -le $((size / 10 + 65536))
check "the archive verifies" "$CAPTURE" verify "$TMP/idle.tar.zst"
check "plain tar lists it" tar --zstd -tf "$TMP/idle.tar.zst"

# With little memory: what fits beside the others runs and keeps to it, what does not says so.
for mib in 40 24; do
	measured little --max-memory ${mib}M
	equal "with $mib MiB it is partial (exit)" 3 $status
	check "it stayed below $mib MiB (peak $((peak / 1024)) MiB; BPF maps at most $((most_maps / 1024)) MiB)" test "$peak" -gt 0 -a "$peak" -lt $((mib * 1024))
	collectors=$(tar --zstd -xOf "$TMP/little.tar.zst" --wildcards '*/manifest.json' | jq -r '.collectors[] | select(.status != "ok") | "\(.name) \(.status) \(.reason)"')
	equal "with $mib MiB only memory keeps a collector from running" "" "$(grep -vE '^[a-z-]+ (denied it may need .* MiB; --max-memory '$mib' MiB leaves .* beside the others$|skipped the window of)' <<<"$collectors")"
	equal "with $mib MiB some have no room" true "$([ -n "$collectors" ] && echo true)"
	rm -f "$TMP/little.tar.zst"
done

# Once more with nobody looking: what measured it above reads /proc all the time, and is rightly found.
# cpu_idle: jiffies that the CPUs were idle, not waiting for a disk, and all jiffies.
cpu_idle() { awk '/^cpu / { for (i = 2; i <= 9; i++) all += $i; print $5, all }' /proc/stat; }
read -r idle_before all_before < <(cpu_idle)
"$CAPTURE" -q -d 3s -o "$TMP/alone.tar.zst" >"$TMP/path" 2>"$TMP/err"
equal "a capture that nobody measures is complete (exit)" 0 $?
read -r idle_after all_after < <(cpu_idle)
idle=$((100 * (idle_after - idle_before) / (all_after - all_before + 1)))

# Memory of the analyzer and its worker, by an address-space-free way: the kernel's own maximum.
start=$(date +%s%N)
"$NATIVE/native-maxrss" "$TMP/maxrss" "$ANALYZE" -q -o "$TMP/alone.html" --json "$TMP/alone.json" "$TMP/alone.tar.zst"
equal "it is analysed (exit)" 0 $?
took=$((($(date +%s%N) - start) / 1000000))
rss=$(cat "$TMP/maxrss")
check "in less than 64 MiB (largest process $((rss / 1024)) MiB)" test "$rss" -gt 0 -a "$rss" -lt 65536
size=$(stat -c %s "$TMP/alone.html")
check "its report is below 1.5 MiB ($size bytes)" test "$size" -lt 1572864
# findings JQ: those of whose id that is true.
findings() { jq -r ".findings[] | select(.id | $1) | \"\(.id): \(.title)\"" "$TMP/alone.json" || echo "no report"; }
activity='test("^(hotspot|net|reclaim|heap)[.]")'
equal "a healthy machine has no finding about its memory" "" "$(findings "$activity | not")"
# What others run here meanwhile may wait for a CPU or a disk: then that is found, and is right.
found=$(findings "$activity")
if [ -z "$found" ] || [ "$idle" -ge 60 ]; then
	equal "and none about what runs on it (CPUs $idle% idle)" "" "$found"
	equal "and is told so" ok "$(jq -r .verdict.severity "$TMP/alone.json")"
else
	skip "and none about what runs on it" "others run here, the CPUs were only $idle% idle; found: $(tr '\n' ';' <<<"$found")"
fi
"$ANALYZE" -q -o "$TMP/again.html" --json "$TMP/again.json" "$TMP/alone.tar.zst"
check "the same archive gives the same HTML" cmp "$TMP/alone.html" "$TMP/again.html"
check "and the same JSON" cmp "$TMP/alone.json" "$TMP/again.json"
printf '# analysis took %s ms\n' "$took"
