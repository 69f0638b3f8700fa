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
equal "time in a blocking call" true "$(q few "[.hotspot.syscalls[] | select(.pid == $pid and .name == \"clock_nanosleep\") | .seconds] | (.[0] // 0) > 1.5 and .[0] < 3.2")"

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
