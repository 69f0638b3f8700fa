#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What happens to groups, against what we did to them: one whose working set is files that are read
# again and again, one in which the kernel kills during the window, one that is well; processes of
# one name together.
. "$(dirname "$0")/../lib.sh"
need_root "making groups"
v1=$(findmnt -nro TARGET,OPTIONS -t cgroup | awk '$2 ~ /(^|,)memory(,|$)/ { print $1; exit }')
top=$v1/ossnap-groups.$$
if [ -z "$v1" ] || ! mkdir "$top" 2>/dev/null; then
	skip "groups" "no v1 memory hierarchy here that one may make groups in"
	exit 0
fi
# What was killed in it may take a moment to be gone.
remove() { wait_for 10 rmdir "$1"; }
at_exit remove "$top"
MiB=1048576
for g in near kills well; do
	mkdir "$top/$g" && at_exit remove "$top/$g"
done
echo $((64 * MiB)) >"$top/near/memory.limit_in_bytes"
echo $((32 * MiB)) >"$top/kills/memory.limit_in_bytes"
echo $((512 * MiB)) >"$top/well/memory.limit_in_bytes"
in_group() {
	local g=$1
	shift
	(echo "$BASHPID" >"$top/$g/cgroup.procs" && exec "$@")
}

# 60 MiB of a log, not in the cache before; read again and again it is active.
mkdir "$TMP/log"
head -c $((60 * MiB)) /dev/urandom >"$TMP/log/busy.log"
sync "$TMP/log/busy.log"
dd if="$TMP/log/busy.log" iflag=nocache count=0 status=none
head -c $((20 * MiB)) /dev/urandom >"$TMP/calm"
(
	# The loop itself, not a shell above it, is what ends with this script.
	echo "$BASHPID" >"$top/near/cgroup.procs"
	while cat "$TMP/log/busy.log" >/dev/null; do sleep 0.2; done
) &
reader=$!
at_exit kill "$reader"
in_group well cat "$TMP/calm" >/dev/null
active() { [ "$(awk '$1 == "total_active_file" { print $2 }' "$top/near/memory.stat")" -gt $((55 * MiB)) ]; }
if ! wait_for 20 active; then
	skip "a working set of files" "this kernel does not make them active"
	exit 0
fi

# A kill between the two readings.
(
	sleep 1
	in_group kills tail /dev/zero
) >/dev/null 2>&1 &
killer=$!
# Eleven of one name, of which none is large.
cp "$(command -v sleep)" "$TMP/ossnap-eleven"
for _ in {1..11}; do
	"$TMP/ossnap-eleven" 60 &
	at_exit kill $!
done
# A group that is deleted while a socket that was made in it lives on.  v1 counts sockets where TCP has a limit.
mkdir "$top/socket"
if echo $((1024 * MiB)) 2>/dev/null >"$top/socket/memory.kmem.tcp.limit_in_bytes"; then
	(
		echo "$BASHPID" >"$top/socket/cgroup.procs"
		exec 5<>/dev/udp/127.0.0.1/9 6<>/dev/udp/127.0.0.1/9
		echo "$BASHPID" >"$v1/cgroup.procs"
		echo "$BASHPID" >"$TMP/keeper"
		exec sleep 60
	) &
	wait_for 10 test -s "$TMP/keeper"
	keeper=$(cat "$TMP/keeper")
	at_exit kill "$keeper"
fi
rmdir "$top/socket"
"$CAPTURE" -q -d 4s --sample all --max-cpu 400 --max-memory 256M --collect host,memory,processes,cgroups,mounts,page-cache,kernel-objects -o "$TMP/a.tar.zst" >/dev/null 2>"$TMP/err" ||
	fail "a capture" "$(cat "$TMP/err")"
wait "$killer"
"$ANALYZE" -q -o "$TMP/a.html" --json "$TMP/a.json" "$TMP/a.tar.zst" 2>"$TMP/err" || fail "a report" "$(cat "$TMP/err")"
json() { jq -r --arg top "/ossnap-groups.$$" "$1" "$TMP/a.json"; }
finding() { json ".findings[] | select(.id == \"$1\" and (.scope.name | startswith(\$top))) | $2"; }

equal "cgroup.near-limit names the group" "/ossnap-groups.$$/near" "$(finding cgroup.near-limit .scope.name)"
case $(finding cgroup.near-limit .title) in
*"the log file $TMP/log/busy.log") ok "and the file that is in use" ;;
*) fail "and the file that is in use" "$(finding cgroup.near-limit .title)" ;;
esac
kills=$(awk '$1 == "oom_kill" { print $2 }' "$top/kills/memory.oom_control")
equal "cgroup.oom-killed names the group" "/ossnap-groups.$$/kills" "$(finding cgroup.oom-killed .scope.name)"
equal "the kernel's count is in the table" "$kills" "$(json '.memory.cgroups[] | select(.path == $top + "/kills") | .oom_kills - .oom_kills_first')"
equal "of the group that is well nothing is said" "" "$(json '.findings[] | select(.scope.name == $top + "/well") | .id')"
stat=$(awk '$1 == "total_inactive_file" { print $2 }' "$top/well/memory.stat")
equal "its working set is usage less inactive file cache" true \
	"$(json ".memory.cgroups[] | select(.path == \$top + \"/well\") | .workingset_bytes == .usage_bytes - .inactive_file_bytes and .inactive_file_bytes <= $((stat + 4 * MiB))")"
equal "eleven processes of one name are one row" 11 "$(json '.memory.programs[] | select(.comm == "ossnap-eleven") | .processes')"
if [ -n "${keeper:-}" ]; then
	equal "a deleted group, and whose sockets keep it" "sleep $keeper 2 /ossnap-groups.$$/socket" \
		"$(json '.memory.kernel_objects[] | select(.kind == "dying-cgroup" and (.largest.detail | startswith($top))) | "\(.comm) \(.pid) \(.objects) \(.largest.detail)"')"
else
	skip "a deleted group, and whose sockets keep it" "no limit of TCP's memory here"
fi
