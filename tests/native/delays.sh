# SPDX-License-Identifier: GPL-2.0-or-later
# What processes did and waited for, against loads of which the truth is known.
. "$(dirname "$0")/../lib.sh"
need_root "delays"
load=$NATIVE/native-load
command -v jq >/dev/null || { skip "delays" "jq is not installed"; exit 0; }
if [ ! -r /sys/kernel/btf/vmlinux ]; then
	skip "delays" "this kernel has no BTF"
	exit 0
fi

# capture DIR COLLECTORS SECONDS: one capture; report.json beside it.
capture() {
	mkdir -p "$1"
	"$CAPTURE" -q -d "$3" --collect "$2" -o "$1" >"$1/path" 2>"$1/log" &
	local pid=$!
	wait "$pid"
	echo $? >"$1/rc"
	echo "$pid" >"$1/pid"
	"$ANALYZE" -q -o "$1/report.html" --json "$1/report.json" "$(cat "$1/path")" 2>>"$1/log"
}
q() { jq -r "$2" "$TMP/$1/report.json"; }

# close_to NAME TRUTH DIR JQ: the row's count is within 10 % of the truth, or its interval holds it.
close_to() {
	local row
	row=$(q "$3" "[$4] | if length == 0 then \"nothing\" else .[0] | [(.count), (.count_interval[0]), (.count_interval[1])] | @tsv end")
	if awk -v t="$2" '$1 != "nothing" && (($1 >= 0.9 * t && $1 <= 1.1 * t) || ($2 <= t && t <= $3)) { good = 1 } END { exit !good }' <<<"$row"; then
		ok "$1"
	else
		fail "$1" "truth $2, got $row; $(q "$3" '.hotspot.probes | tostring')"
	fi
}

# ---------------------------------------------------------------- system calls, few and many
(sleep 1; exec "$load" calls 6000 2000) >"$TMP/few.out" &
capture "$TMP/few" syscalls 6s
wait
read -r pid count _ <"$TMP/few.out"
equal "the capture is complete" 0 "$(cat "$TMP/few/rc")"
if [ "$(q few '.hotspot.probes[0].watched_share > 0.9999 and .hotspot.probes[0].lost == 0')" = true ]; then
	equal "few calls are counted one by one" "$count" "$(q few ".hotspot.syscalls[] | select(.pid == $pid and .name == \"getppid\") | .count")"
else
	close_to "few calls" "$count" few ".hotspot.syscalls[] | select(.pid == $pid and .name == \"getppid\")"
fi
# 6,000 calls, each followed by a sleep of a fifth of them or fewer: the time asleep is nearly all of it.
equal "time in a blocking call" true "$(q few "(if .hotspot.probes[0].watched_share > 0.9999 then 3.2 else 4.5 end) as \$most |
	[.hotspot.syscalls[] | select(.pid == $pid and .name == \"clock_nanosleep\") | .seconds] | (.[0] // 0) > 1.5 and .[0] < \$most")"

(sleep 1; exec "$load" calls 2500000 500000) >"$TMP/calls.out" &
(sleep 1; exec "$load" read 5 2000 /proc/self/stat /proc/1/status) >"$TMP/proc.out" &
(sleep 1; exec "$load" read 5 2000 /etc/passwd) >"$TMP/other.out" &
capture "$TMP/many" syscalls,processes 8s
wait
read -r pid count _ <"$TMP/calls.out"
close_to "500,000 calls a second" "$count" many ".hotspot.syscalls[] | select(.pid == $pid and .name == \"getppid\")"
read -r pid count _ <"$TMP/proc.out"
close_to "files below /proc that are opened" $((count / 2)) many ".hotspot.proc_files[] | select(.pid == $pid and .operation == \"open\" and .path == \"/proc/*/stat\")"
close_to "files below /proc that are read" $((count / 2)) many ".hotspot.proc_files[] | select(.pid == $pid and .operation == \"read\" and .path == \"/proc/*/status\")"
equal "the reader of /proc is found" "native-load ($pid)" "$(q many '.findings[] | select(.id == "hotspot.proc-readers") | .scope.name' | grep native-load)"
read -r pid _ <"$TMP/other.out"
equal "the reader of other files is not" "" "$(q many ".hotspot.proc_files[] | select(.pid == $pid)")"
# Another capture may run on this machine as well.
equal "our own reads are ours" true "$(q many "[.hotspot.proc_files[] | select(.pid == $(cat "$TMP/many/pid")) | .own] | all")"
equal "and only ours are" "" "$(q many '.hotspot.proc_files[] | select(.own and .comm != "ossnap-capture")')"

# ---------------------------------------------------------------- reclaim
group=/sys/fs/cgroup/memory/ossnap-test-$$
if mkdir "$group" 2>/dev/null && echo 67108864 >"$group/memory.limit_in_bytes" 2>/dev/null; then
	at_exit rmdir "$group"
	mkdir "$TMP/tracing"
	tracing=
	if mount -t tracefs none "$TMP/tracing" 2>/dev/null; then
		at_exit umount "$TMP/tracing"
		instance=$TMP/tracing/instances/ossnap-$$
		mkdir "$instance" 2>/dev/null && tracing=$instance && at_exit rmdir "$instance"
	fi
	mkdir "$TMP/disk"
	(
		echo "$BASHPID" >"$group/cgroup.procs"
		sleep 1
		exec "$load" write "$TMP/disk/big" 200000000 3
	) >"$TMP/big.out" &
	writer=$!
	# The same, where it fits.
	(sleep 1; exec "$load" write "$TMP/disk/small" 20000000 3) >"$TMP/small.out" &
	if [ -n "$tracing" ]; then
		echo 64 >"$tracing/buffer_size_kb"
		echo "$writer" >"$tracing/set_event_pid"
		echo 1 >"$tracing/events/vmscan/mm_vmscan_memcg_reclaim_begin/enable"
	fi
	capture "$TMP/reclaim" reclaim,memory,cgroups,processes 6s
	wait
	rm -f "$TMP"/disk/*
	if [ -n "$tracing" ]; then
		echo 0 >"$tracing/events/vmscan/mm_vmscan_memcg_reclaim_begin/enable"
		truth=$(awk '/^(entries|overrun):/ { n += $2 } END { print n + 0 }' "$tracing"/per_cpu/cpu*/stats)
		close_to "stalls of a group at its limit" "$truth" reclaim ".hotspot.reclaim[] | select(.pid == $writer and .kind == \"memcg\")"
	else
		skip "stalls of a group at its limit" "tracefs cannot be mounted"
	fi
	equal "whose they are" "/ossnap-test-$$" "$(q reclaim ".hotspot.reclaim[] | select(.pid == $writer) | .cgroup")"
	equal "they are a finding" "/ossnap-test-$$" "$(q reclaim '.findings[] | select(.id == "reclaim.direct" and .scope.kind == "cgroup") | .scope.name' | grep "ossnap-test-$$")"
	read -r pid _ <"$TMP/small.out"
	equal "who has room does not stall" "" "$(q reclaim ".hotspot.reclaim[] | select(.pid == $pid and .kind == \"memcg\")")"
else
	rmdir "$group" 2>/dev/null
	skip "reclaim of a cgroup" "no memory hierarchy of v1 that can be written"
fi

# ---------------------------------------------------------------- waiting for a CPU, and for packets
(sleep 1; exec "$load" spin 4 0 3) >"$TMP/spin.out" &
(sleep 1; exec "$load" wake 4 200) >"$TMP/wake.out" &
(sleep 1; exec "$load" tcp 4 5 60) >"$TMP/held.out" &
(sleep 1; exec "$load" tcp 4 5 0) >"$TMP/prompt.out" &
capture "$TMP/wait" sched-delay,net-receive,processes,memory 7s
wait
read -r pid _ _ truth <"$TMP/spin.out"
if [ "${truth%.*}" -ge 1 ]; then
	equal "run delay, as the kernel adds it up" true "$(q wait "[.hotspot.sched_delay[] | select(.pid == $pid)][0].seconds / $truth | . > 0.85 and . < 1.15")"
else
	skip "run delay, as the kernel adds it up" "three processes on one CPU waited for less than a second: not one CPU, or no /proc/PID/schedstat"
fi
# Another machine's worth of work may run here at the same time, and be found as well.
equal "who shares a CPU is found" true "$(q wait "[.findings[] | select(.id == \"hotspot.sched-delay\")] | length == 1")"
read -r pid count _ <"$TMP/held.out"
equal "packets that were held back" true "$(q wait "[.hotspot.net_receive[] | select(.pid == $pid)][0] | .seconds / .count | . > 0.05 and . < 0.2")"
close_to "their number" "$count" wait ".hotspot.net_receive[] | select(.pid == $pid)"
equal "the late reader is found" "native-load ($pid)" "$(q wait '.findings[] | select(.id == "net.receive-delay") | .scope.name' | grep "($pid)")"
read -r pid _ <"$TMP/prompt.out"
equal "the prompt one is not" "" "$(q wait '.findings[] | select(.id == "net.receive-delay") | .scope.name' | grep "($pid)")"

# The same number of processes, each of which wakes often and gets its CPU.
for i in 1 2 3; do (sleep 0.5; exec "$load" wake 3 200) >"$TMP/calm$i.out" & done
capture "$TMP/calm" sched-delay,memory 4s
wait
named=$(q calm '.findings[] | select(.id == "hotspot.sched-delay") | .scope.name, .because[].text')
for i in 1 2 3; do
	read -r pid count took truth <"$TMP/calm$i.out"
	equal "one that wakes often is measured ($i)" true "$(q calm "[.hotspot.sched_delay[] | select(.pid == $pid)][0].count > 0.5 * $count")"
	# By the kernel's own figure; where others run it may have waited for long, and be found.
	if awk "BEGIN { exit !($truth < 0.2 * $took) }"; then
		equal "and is not found ($i)" "" "$(grep -E "\\((pid )?$pid\\)" <<<"$named")"
	else
		skip "and is not found ($i)" "it waited $truth s of $took s: others run here"
	fi
done

# ---------------------------------------------------------------- a disk of known latency
slow_disk() { # MS REQUESTS DIR: reads from a loop device on a file that takes so long
	mkdir "$TMP/slow$1"
	mkfifo "$TMP/stdin$1"
	"$NATIVE/native-slowfs" "$TMP/slow$1" 67108864 "$1" <"$TMP/stdin$1" >"$TMP/slow$1.out" 2>&1 &
	local fs=$! end disk
	exec {end}>"$TMP/stdin$1"
	if wait_for 5 grep -q ready "$TMP/slow$1.out" && disk=$(losetup -f --show "$TMP/slow$1/disk" 2>/dev/null); then
		stat -c '%Hr:%Lr' "$disk" >"$3.device"
		(sleep 1; exec dd if="$disk" of=/dev/null bs=64k iflag=direct count="$2" 2>/dev/null) &
		local reader=$!
		capture "$3" block-io,processes,memory 5s
		wait $reader
		losetup -d "$disk"
	fi
	exec {end}>&-
	wait $fs
}
slow_disk 40 40 "$TMP/io"
if [ -s "$TMP/io.device" ]; then
	slow_disk 0 40 "$TMP/fast"
	row=".hotspot.block_io[] | select(.device == \"$(cat "$TMP/io.device")\" and .operation == \"read\")"
	close_to "requests to a disk" 40 io "$row"
	equal "what they took" true "$(q io "[$row][0] | .seconds / .count | . > 0.038 and . < 0.2")"
	equal "the slow disk is found" true "$(q io "[.findings[] | select(.id == \"hotspot.blocking-io\" and (.title | startswith(\"Disk $(cat "$TMP/io.device") \")))] | length == 1")"
	equal "the fast one is not" 0 "$(q fast "[.findings[] | select(.id == \"hotspot.blocking-io\" and (.title | startswith(\"Disk $(cat "$TMP/fast.device") \")))] | length")"
else
	skip "a disk of known latency" "no FUSE, or no loop devices: $(tail -1 "$TMP/slow40.out")"
fi

# ---------------------------------------------------------------- without what it needs
chmod 755 "$TMP"
mkdir -m 777 "$TMP/user"
cp "$CAPTURE" "$TMP/capture"
chmod 755 "$TMP/capture"
setpriv --reuid=65534 --regid=65534 --clear-groups "$TMP/capture" -q -d 100ms --collect syscalls,reclaim,memory -o "$TMP/user" >"$TMP/user/path" 2>"$TMP/user/log"
rc=$?
"$ANALYZE" -q -o "$TMP/user/r.html" --json "$TMP/user/report.json" "$(cat "$TMP/user/path")" 2>/dev/null
equal "without privilege the archive is partial" 3 $rc
equal "without privilege: denied, and why" "denied CAP_BPF" "$(q user '.collectors[] | select(.name == "syscalls") | .status + " " + (.reason | capture("(?<c>CAP_BPF)").c)')"
equal "without privilege nothing is claimed" null "$(q user '.hotspot')"
