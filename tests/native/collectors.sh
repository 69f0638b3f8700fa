#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the collectors hand over, against /proc and /sys read by other means at the same time.
. "$(dirname "$0")/../lib.sh"
need_root collectors

unpack=$NATIVE/native-unpack

# capture DIR OPTION...: the archive's path in $archive
# What the sanitizers need is not the collectors'.
memory=()
sanitized "$CAPTURE" && memory=(--max-memory 1G)
capture() {
	local dir=$1
	shift
	rm -rf "$dir"
	mkdir -p "$dir"
	"$CAPTURE" -q --skip page-cache "${memory[@]}" -o "$dir" "$@" >"$dir/path" 2>"$dir/log"
	rc=$?
	archive=$(cat "$dir/path")
	member "$archive" raw/processes | "$unpack" -d "$dir/proc"
	member "$archive" raw/cgroups | "$unpack" -d "$dir/cgroup"
	member "$archive" manifest.json >"$dir/manifest.json"
}

# status COLLECTOR DIR
status() { jq -r --arg n "$1" '.collectors[] | select(.name == $n) | .status' "$2/manifest.json"; }
reason() { jq -r --arg n "$1" '.collectors[] | select(.name == $n) | .reason' "$2/manifest.json"; }

# ---------------------------------------------------------------- a few processes, a group, a namespace
mkfifo "$TMP/hold"
"$NATIVE/native-sleepers" 20 <"$TMP/hold" >"$TMP/pids" &
sleepers=$!
exec 9>"$TMP/hold"
end() { kill "$1" && wait "$1"; }
wait_for 10 grep -q '^$' "$TMP/pids"
mapfile -t pids < <(grep . "$TMP/pids")

v1=$(awk '$0 ~ / - cgroup / && $NF ~ /(^|,)memory(,|$)/ && $4 == "/" { print $5; exit }' /proc/self/mountinfo)
group=/ossnap-collect-$$
if [ -n "$v1" ] && mkdir "$v1$group" 2>/dev/null; then
	at_exit rmdir "$v1$group"
	mkdir "$v1$group/in ner" && at_exit rmdir "$v1$group/in ner"
	echo 67108864 >"$v1$group/memory.limit_in_bytes"
	for pid in "${pids[@]:0:5}"; do echo "$pid" >"$v1$group/in ner/cgroup.procs"; done
else
	v1=
fi
# Registered last, done first: a group with processes cannot be removed.
at_exit end "$sleepers"

unshare -m sh -c 'mount -t tmpfs ossnap-test /mnt && exec sleep 60' &
unshared=$!
at_exit kill "$unshared"
wait_for 5 grep -q ossnap-test "/proc/$unshared/mountinfo"

[ -z "$v1" ] || find "$v1" -type d -printf '/%P\n' | sed 's,^/$,,' | sort >"$TMP/groups.before"
capture "$TMP/a" -d 300ms
equal "the capture is complete" 0 "$rc"

# ---------------------------------------------------------------- processes
# A sleeper may be running for a moment when we look, as it may be for any reader.
same_status() { [ "$(grep -v ctxt "/proc/$1/status")" = "$(grep -v ctxt "$TMP/a/proc/$1/status")" ]; }
bad=
for pid in "${pids[@]}"; do
	for file in cmdline cgroup oom_score_adj limits statm; do
		cmp "/proc/$pid/$file" "$TMP/a/proc/$pid/$file" >/dev/null 2>&1 || bad+=" $pid/$file"
	done
	[ "$(awk '{ print $1, $2, $4, $5, $6, $22 }' "/proc/$pid/stat")" = \
		"$(awk '{ print $1, $2, $4, $5, $6, $22 }' "$TMP/a/proc/$pid/stat")" ] || bad+=" $pid/stat"
	wait_for 2 same_status "$pid" || bad+=" $pid/status"
	[ "$(readlink "/proc/$pid/exe")" = "$(cat "$TMP/a/proc/$pid/exe")" ] || bad+=" $pid/exe"
done
equal "every file of 20 processes is the kernel's own" "" "$bad"

# Kernel threads included: each process that lives now and lived before the capture is there.
missing=
start=$(awk '{ print $22 }' "/proc/$unshared/stat")
for dir in /proc/[1-9]*; do
	begun=$(awk '{ sub(/.*\) /, ""); print $20 }' "$dir/stat" 2>/dev/null) || continue
	[ -n "$begun" ] && [ "$begun" -le "$start" ] || continue
	[ -s "$TMP/a/proc/${dir#/proc/}/stat" ] || missing+=" ${dir#/proc/}"
done
equal "no process is missing" "" "$missing"
check "kernel threads are there" grep -q '^2 (kthreadd)' "$TMP/a/proc/2/stat"

# ---------------------------------------------------------------- memory
first=$(tar --zstd -tf "$archive" | grep -c '/raw/memory/meminfo\.[0-9]\{9\}$')
equal "meminfo was read twice" 2 "$first"
member "$archive" "raw/memory/meminfo" >"$TMP/meminfo"
equal "meminfo has the kernel's keys" "$(awk '{ print $1 }' /proc/meminfo | sort)" "$(awk '{ print $1 }' "$TMP/meminfo" | sort -u)"
equal "MemTotal" "$(grep MemTotal /proc/meminfo)" "$(grep -m1 MemTotal "$TMP/meminfo")"
if [ -d /sys/kernel/slab ]; then
	grep -H . /sys/kernel/slab/[!:]*/reclaim_account | sed 's,/sys/kernel/slab/,,; s,/reclaim_account:,\t,' | sort >"$TMP/slab.want"
	member "$archive" tables/slab_caches.tsv | sed 1d | sort >"$TMP/slab.got"
	equal "reclaimable slab caches" "" "$(diff "$TMP/slab.want" "$TMP/slab.got" | head -5)"
else
	skip "reclaimable slab caches" "no /sys/kernel/slab"
fi

# ---------------------------------------------------------------- cgroups
if [ -n "$v1" ]; then
	equal "a group's limit" 67108864 "$(cat "$TMP/a/cgroup/memory$group/memory.limit_in_bytes")"
	equal "how many processes are in it" 5 "$(cat "$TMP/a/cgroup/memory$group/in ner/cgroup.procs.count")"
	# Others make and remove groups meanwhile: those that were there before and after are asked for.
	equal "every online group is there" "" "$(comm -23 \
		<(comm -12 "$TMP/groups.before" <(find "$v1" -type d -printf '/%P\n' | sed 's,^/$,,' | sort)) \
		<(cd "$TMP/a/cgroup/memory" && find . -name memory.limit_in_bytes -printf '/%h\n' | sed 's,^/\.,,' | sort))"
	check "force_empty was not touched" test ! -e "$TMP/a/cgroup/memory/memory.force_empty"
	equal "a readable memory file left out" "" "$(for f in "$v1"/memory.*; do
		n=${f##*/}
		case $n in memory.force_empty | memory.pressure_level | memory.move_charge_at_immigrate | memory.kmem.slabinfo) continue ;; esac
		[ -e "$TMP/a/cgroup/memory/$n" ] || echo "$n"
	done)"

	capture "$TMP/narrow" -d 100ms --cgroup "$v1$group"
	equal "--cgroup leaves the processes of the group" "$(printf '%s\n' "${pids[@]:0:5}" | sort)" "$(ls "$TMP/narrow/proc" | sort)"
	check "--cgroup leaves the group and the way to it" test -e "$TMP/narrow/cgroup/memory/memory.stat" -a -e "$TMP/narrow/cgroup/memory$group/in ner/memory.stat"
else
	skip "cgroups" "no v1 memory hierarchy that can be written"
fi
capture "$TMP/pid" -d 100ms --pid "${pids[0]}"
equal "--pid leaves one process" "${pids[0]}" "$(ls "$TMP/pid/proc")"

# ---------------------------------------------------------------- mounts
member "$(cat "$TMP/a/path")" raw/mountinfo | "$unpack" -d "$TMP/mounts"
ns=$(readlink "/proc/$unshared/ns/mnt" | tr -dc 0-9)
equal "another mount namespace, verbatim" "" "$(diff "/proc/$unshared/mountinfo" "$TMP/mounts/$ns/$unshared" 2>&1 | head -3)"
equal "our own, verbatim" "" "$(diff /proc/self/mountinfo <(cat "$TMP/mounts/$(readlink /proc/self/ns/mnt | tr -dc 0-9)"/*) 2>&1 | head -3)"
check "which process is in which namespace" grep -qx "$ns	$unshared" <(member "$(cat "$TMP/a/path")" tables/mount_namespaces.tsv)

# ---------------------------------------------------------------- processes that come and go
(while :; do /bin/true; done) &
storm=$!
at_exit kill "$storm"
capture "$TMP/storm" -d 500ms
kill "$storm"
equal "vanishing processes are no error" ok "$(status processes "$TMP/storm")"

# ---------------------------------------------------------------- without privilege
chmod 755 "$TMP"
# user_capture DIR [PREFIX...]
user_capture() {
	local dir=$1
	shift
	mkdir -m 777 "$dir"
	cp "$CAPTURE" "$TMP/capture"
	chmod 755 "$TMP/capture"
	"$@" setpriv --reuid=65534 --regid=65534 --clear-groups "$TMP/capture" -q --skip page-cache -d 100ms -o "$dir" >"$dir/path" 2>"$dir/log"
	rc=$?
	member "$(cat "$dir/path")" manifest.json >"$dir/manifest.json"
}
user_capture "$TMP/user"
equal "without root the archive is partial" 3 "$rc"
check "without root meminfo is there" test -n "$(member "$(cat "$TMP/user/path")" raw/memory/meminfo)"
equal "what root would have read is named" partial "$(status memory "$TMP/user")"
case $(reason memory "$TMP/user") in
*/proc/slabinfo*"Permission denied"*) ok "the reason names slabinfo" ;;
*) fail "the reason names slabinfo" "$(reason memory "$TMP/user")" ;;
esac
if unshare -m mount -t proc -o hidepid=2 proc /proc 2>/dev/null; then
	user_capture "$TMP/hidden" unshare -m sh -c 'mount -t proc -o hidepid=2 proc /proc && exec "$@"' sh
	case $(status processes "$TMP/hidden"):$(reason processes "$TMP/hidden") in
	partial:*hidepid*) ok "hidepid is recognised" ;;
	*) fail "hidepid is recognised" "$(status processes "$TMP/hidden") $(reason processes "$TMP/hidden")" ;;
	esac
else
	skip "hidepid" "proc cannot be mounted here"
fi
mkdir "$TMP/noproc"
unshare -m sh -c 'umount -l /proc && exec "$@"' sh "$CAPTURE" -q -d 100ms -o "$TMP/noproc" >"$TMP/noproc/path" 2>"$TMP/noproc/log"
rc=$?
if sanitized "$CAPTURE"; then
	skip "without /proc: partial" "the leak sanitizer ends with 1 where it has no /proc"
else
	equal "without /proc: partial" 3 $rc
fi
member "$(cat "$TMP/noproc/path")" manifest.json >"$TMP/noproc/manifest.json"
equal "without /proc: the reason is that" "error /proc: no proc file system is mounted" \
	"$(status processes "$TMP/noproc") $(reason processes "$TMP/noproc")"
case $(reason page-cache "$TMP/noproc") in
*"not permitted"*) fail "without /proc: root is not told that it lacks capabilities" "$(reason page-cache "$TMP/noproc")" ;;
*) ok "without /proc: root is not told that it lacks capabilities" ;;
esac
exec 9>&-
