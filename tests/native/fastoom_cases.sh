#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The guard's nasty cases: victims that cannot die, or whose end frees nothing; a pod; an empty root.
. "$(dirname "$0")/../lib.sh"
need_root fastoom_cases
FASTOOM=${FASTOOM:-$BUILD/capture/fastoom/bin/fastoom}
HOG=${HOG:-$NATIVE/native-fastoom_hog}
MEMORY=/sys/fs/cgroup/memory
alive() { [ -d "/proc/$1" ] && [ "$(awk '/^State/ { print $2 }' "/proc/$1/status" 2>/dev/null)" != Z ]; }
gone() { ! alive "$1"; }

# ------------------------------------------------------------------ an empty root
mkdir -p "$TMP/empty"
cp "$FASTOOM" "$TMP/empty/fastoom"
equal "an empty root: it starts" "fastoom 0.1.0" "$(chroot "$TMP/empty" /fastoom --version)"
chroot "$TMP/empty" /fastoom --dry-run --journal - --duration 1s >"$TMP/out" 2>"$TMP/err"
equal "an empty root without /proc: cannot run" 4 $?
check "an empty root without /proc: says so" grep -q '^fastoom: /proc' "$TMP/err"
mkdir "$TMP/empty/proc"
if mount -t proc proc "$TMP/empty/proc" 2>/dev/null; then
	at_exit umount "$TMP/empty/proc"
	chroot "$TMP/empty" /fastoom --dry-run --journal /journal --duration 1s 2>/dev/null
	equal "an empty root with /proc: runs" 0 $?
	equal "an empty root with /proc: start and stop" "start stop" "$(jq -r .event "$TMP/empty/journal" | paste -sd' ')"
else
	skip "an empty root with /proc" "cannot mount proc"
fi

if [ ! -e $MEMORY/memory.limit_in_bytes ]; then
	skip fastoom_cases "no v1 memory controller here (the vm lane has v2)"
	exit 0
fi
GROUP=fastoom-cases-$$
G=$MEMORY/$GROUP
mkdir "$G" || { skip fastoom_cases "cannot make a memory cgroup"; exit 0; }
at_exit rmdir "$G"
end_group() {
	local pid i
	for i in 1 2 3 4 5 6 7 8 9 10; do
		[ -n "$(cat "$1/cgroup.procs" 2>/dev/null)" ] || return 0
		while read -r pid; do kill -CONT "$pid"; kill -KILL "$pid"; done <"$1/cgroup.procs" 2>/dev/null
		sleep 0.1
	done
}
at_exit end_group "$G"
echo 256M >"$G/memory.limit_in_bytes"
run_in() {
	local dir=$1
	shift
	bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$dir" "$@" >/dev/null 2>&1 &
	PID=$!
	disown $PID
}
# guard COMMAND...: in the background; sets GUARD and J
guard() {
	J=$TMP/journal.$RANDOM$RANDOM.jsonl
	"$@" --journal "$J" --duration 60s 2>"$TMP/guard.err" &
	GUARD=$!
	wait_for 5 grep -q '"start"' "$J"
}
end_guard() {
	kill "$GUARD" 2>/dev/null
	wait "$GUARD"
}
oom_kills() { awk '$1 == "oom_kill" { print $2 }' "$G/memory.oom_control"; }
outcomes() { jq -r 'select(.event == "kill") | "\(.victim.comm) \(.outcome)"' "$J" | paste -sd';'; }
holds_mib() { [ "$(cat "$1/memory.usage_in_bytes")" -ge $(($2 << 20)) ]; }

# ------------------------------------------------------------------ a kernel without pidfds
if "$NATIVE/native-fastoom_nopidfd" true 2>/dev/null; then
	guard "$NATIVE/native-fastoom_nopidfd" "$FASTOOM" --scope "cgroup:/$GROUP"
	run_in "$G" "$HOG" -n quiet 20 0
	quiet=$PID
	run_in "$G" "$HOG" -n hog 400 50
	check "no pidfd: the hog goes" wait_for 15 gone "$PID"
	wait_for 5 grep -q '"event":"kill"' "$J"
	equal "no pidfd: freed, and told" "hog freed" "$(outcomes)"
	check "no pidfd: the other lives" alive $quiet
	check "no pidfd: said at the start" grep -q '"pidfd":false,"process_mrelease":false' "$J"
	end_guard
	end_group "$G"
else
	skip "no pidfd" "seccomp is not to be had"
fi

# ------------------------------------------------------------------ locked in memory
before=$(oom_kills)
guard "$FASTOOM" --scope "cgroup:/$GROUP"
run_in "$G" "$HOG" -n locked -L 240 60
check "mlocked: it goes" wait_for 15 gone "$PID"
wait_for 5 grep -q '"event":"kill"' "$J"
equal "mlocked: its memory comes free" "locked freed" "$(outcomes)"
end_guard
end_group "$G"

# ------------------------------------------------------------------ its memory is another's, too
guard "$FASTOOM" --scope "cgroup:/$GROUP"
run_in "$G" "$HOG" -n sharer -V 400 40
leader=$PID
check "CLONE_VM: the larger of two equals is gone" wait_for 20 grep -q '"event":"kill".*"comm":"sharer".*"outcome":"exited"' "$J"
check "CLONE_VM: its end freed next to nothing, and that is said" \
	test "$(jq 'select(.event == "kill") | .freed_bytes' "$J" | head -1)" -lt $((2 << 20))
check "CLONE_VM: the memory is still there" holds_mib "$G" 100
run_in "$G" "$HOG" -n more 400 10
check "CLONE_VM: when it gets worse the other one is found to hold it" \
	wait_for 20 grep -q '"event":"kill".*"comm":"sharer".*"outcome":"freed"' "$J"
check "CLONE_VM: both are gone" gone "$leader"
end_guard
equal "CLONE_VM: the kernel killed nobody" "$before" "$(oom_kills)"
end_group "$G"

# ------------------------------------------------------------------ frozen: in D state, SIGKILL stays pending
FREEZER=/sys/fs/cgroup/freezer
if [ -d $FREEZER ] && mkdir "$FREEZER/$GROUP" 2>/dev/null; then
	at_exit rmdir "$FREEZER/$GROUP"
	run_in "$G" "$HOG" -n ice 150 0
	ice=$PID
	wait_for 10 holds_mib "$G" 148
	echo $ice >"$FREEZER/$GROUP/cgroup.procs"
	echo FROZEN >"$FREEZER/$GROUP/freezer.state"
	thaw() { echo THAWED >"$FREEZER/$GROUP/freezer.state"; }
	at_exit thaw
	guard "$FASTOOM" --scope "cgroup:/$GROUP"
	run_in "$G" "$HOG" -n leak 400 25
	leak=$PID
	check "frozen: asked first, as the largest" wait_for 15 grep -q '"event":"intent".*"comm":"ice"' "$J"
	check "frozen: it does not die in time, and that is told" wait_for 15 grep -q '"event":"kill".*"comm":"ice".*"outcome":"pending"' "$J"
	check "frozen: the next one is taken" wait_for 20 gone $leak
	sleep 1
	equal "frozen: it is not signalled again" 1 "$(grep -c '"event":"intent".*"comm":"ice"' "$J")"
	end_guard
	thaw
	check "thawed: it goes" wait_for 5 gone $ice
	end_group "$G"
else
	skip "frozen" "no v1 freezer here"
fi

# ------------------------------------------------------------------ story (b): a pod near its limit
# A kubelet's tree of its own: /var/log/pods in a mount namespace, the pod's group below this test's.
UID_POD=0f3a$$-1111-2222-3333-444455556666
POD=$G/kubepods/pod$UID_POD
echo 512M >"$G/memory.limit_in_bytes"
mkdir -p "$POD/app" "$TMP/pods/default_test-alinux-7d9f_$UID_POD" "$TMP/pods/default_other-1_0f3b$$-9"
at_exit rmdir "$G/kubepods"
at_exit rmdir "$POD"
at_exit rmdir "$POD/app"
at_exit end_group "$POD/app"
echo 256M >"$POD/memory.limit_in_bytes"
printf '[orders]\nscope = pod:default/test-alinux-.*\nsensitivity = low\nprefer = ^logger$\nspare-pid1 = yes\n' >"$TMP/pod.conf"
[ -d /var/log/pods ] || { mkdir -p /var/log/pods && at_exit rmdir /var/log/pods; }
guard unshare -m bash -c 'mount --make-rprivate / && mount --bind "$0" /var/log/pods && exec "$@"' "$TMP/pods" \
	"$FASTOOM" -c "$TMP/pod.conf"
check "pod: found by its name" wait_for 8 grep -q '"scope":"pod:default/test-alinux-7d9f","phase":"found"' "$J"
equal "pod: the other one is not watched" "" "$(grep -o 'pod:default/other-1' "$J" | head -1)"
run_in "$POD/app" unshare -pf bash -c '"$0" -n business 60 0 & "$0" -n logger 400 20 & exec "$0" -n podinit 90 0' "$HOG"
check "pod: the priority process dies" wait_for 25 grep -q '"event":"kill".*"comm":"logger".*"outcome":"freed"' "$J"
sleep 1
comms() { while read -r p; do cat "/proc/$p/comm"; done <"$POD/app/cgroup.procs" 2>/dev/null | sort -u | paste -sd' '; }
check "pod: pid 1 lives (it is the largest of them)" grep -qw podinit <<<"$(comms)"
check "pod: the business process lives" grep -qw business <<<"$(comms)"
check "pod: the logger is gone" test -z "$(grep -w logger <<<"$(comms)")"
equal "pod: nobody else was asked" logger "$(jq -r 'select(.event == "intent") | .victim.comm' "$J" | sort -u | paste -sd' ')"
equal "pod: and why" 'prefer ^logger$' "$(jq -r 'select(.event == "kill") | .rule' "$J" | head -1)"
equal "pod: the kernel killed nobody" 0 "$(awk '$1 == "oom_kill" { print $2 }' "$POD/memory.oom_control")"
end_group "$POD/app"
rmdir "$POD/app" "$POD"
check "pod: gone, and that is told" wait_for 8 grep -q '"scope":"pod:default/test-alinux-7d9f","phase":"lost"' "$J"
NEW=$G/kubepods/pod0f3c$$-5555
mkdir "$NEW"
at_exit rmdir "$NEW"
echo 128M >"$NEW/memory.limit_in_bytes"
mv "$TMP/pods/default_test-alinux-7d9f_$UID_POD" "$TMP/pods/default_test-alinux-8000_0f3c$$-5555"
check "pod: the next one is found as it comes" wait_for 10 grep -q '"scope":"pod:default/test-alinux-8000","phase":"found"' "$J"
end_guard
