#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The ladder kcore → bpf → kpageflags → procfs: each rung holds when those above it are taken away.
. "$(dirname "$0")/../lib.sh"
need_root "the ladder"
[ -r /proc/kpageflags ] || { skip "the ladder" "this kernel has no /proc/kpageflags"; exit 0; }

# scan NAME [OPTIONS]: $TMP/NAME.tar.zst; prefixed with $RUN, which takes something away
RUN=()
# What the sanitizers need is not the collector's.
memory=()
sanitized "$CAPTURE" && memory=(--max-memory 1G)
scan() {
	local name=$1
	shift
	rm -f "$TMP/$name.tar.zst"
	"${RUN[@]}" "$CAPTURE" -q -d 100ms --collect page-cache --max-cpu 400 "${memory[@]}" -o "$TMP/$name.tar.zst" "$@" >/dev/null 2>"$TMP/$name.err"
}
value() { member "$TMP/$1.tar.zst" tables/page_cache_scan.tsv | awk -F'\t' -v k="$2" '$1 == k { print $2 }'; }
status_of() { member "$TMP/$1.tar.zst" manifest.json | jq -r '.collectors[] | select(.name == "page-cache") | "\(.status) \(.reason)"'; }
# row NAME DEVICE:INODE: pages, state and path of the file; "" when it is not there
row() { member "$TMP/$1.tar.zst" tables/page_cache_files.tsv | awk -F'\t' -v i="$2" 'NR > 1 && $2 ":" $3 == i { print $10, $12, $13 }'; }
identity() { echo "$(findmnt -nro MAJ:MIN -T "$1"):$(stat -c %i "$1")"; }
sum() { member "$TMP/$1.tar.zst" tables/page_cache_samples.tsv | awk -F'\t' 'NR > 1 { s += $4 } END { print s * 4 }'; }
# near NAME: the pages counted are Cached + Buffers, by 1% of what they were before, after or between
near() {
	local before after
	before=$(value "$1" meminfo_cached_kb_before) after=$(value "$1" meminfo_cached_kb_after)
	check "$1: pages counted, $(sum "$1") KiB, are Cached + Buffers, $before to $after KiB, by 1%" \
		awk -v f="$(sum "$1")" -v a="$before" -v b="$after" 'BEGIN {
			if (a > b) { t = a; a = b; b = t }
			exit !(a > 0 && f >= a * 0.99 && f <= b * 1.01) }'
}
inside() { # the path within the file system
	local root
	root=$(findmnt -nro TARGET -T "$1")
	[ "$root" = / ] && root=
	printf '%s' "${1#"$root"}"
}

# ------------------------------------------------------------------ the scenario
mkdir "$TMP/shm" "$TMP/disk"
mount -t tmpfs -o size=64M ladder "$TMP/shm" || exit 1
at_exit umount -l "$TMP/shm"
head -c 3145728 /dev/zero >"$TMP/disk/open"
head -c 2097152 /dev/zero >"$TMP/disk/deleted"
head -c 1048576 /dev/zero >"$TMP/disk/closed"
head -c 409600 /dev/zero >"$TMP/shm/closed on tmpfs"
mkfifo "$TMP/disk/fifo"
open=$(identity "$TMP/disk/open") gone=$(identity "$TMP/disk/deleted")
closed=$(identity "$TMP/disk/closed") shm=$(identity "$TMP/shm/closed on tmpfs")
sleep 1000 3<"$TMP/disk/open" 4<"$TMP/disk/deleted" 5<>"$TMP/disk/fifo" &
at_exit kill $!
# Nobody else on this machine shall evict them while we look.
"$NATIVE/native-kpagecgroup" hold "$TMP/disk/open" 3145728 "$TMP/disk/deleted" 2097152 >"$TMP/held" &
at_exit kill $!
wait_for 60 test -s "$TMP/held" || { fail "the files are held" "no answer"; exit 1; }
rm "$TMP/disk/deleted"
atime=$(stat -c %x "$TMP/disk/open")

seen() { # NAME: what the rungs without kernel memory can see of the scenario
	equal "$1: an open file, with its pages" "768 linked $(inside "$TMP/disk/open")" "$(row "$1" "$open")"
	equal "$1: a deleted file that is open" "512 deleted $(inside "$TMP/disk/deleted")" "$(row "$1" "$gone")"
	equal "$1: a file on tmpfs, though nobody has it open" "100 linked /closed on tmpfs" "$(row "$1" "$shm")"
	equal "$1: no file on disk that is closed" "" "$(row "$1" "$closed")"
	check "$1: no FIFO, no device" awk -F'\t' 'NR > 1 && $7 != "reg" { bad = 1 } END { exit bad }' \
		<(member "$TMP/$1.tar.zst" tables/page_cache_files.tsv)
	equal "$1: looking did not read the file: its time of access stands" "$atime" "$(stat -c %x "$TMP/disk/open")"
}

# ------------------------------------------------------------------ by name
scan kpageflags --memory-source kpageflags
equal "kpageflags: complete" 0 $?
equal "kpageflags: says what it stood on, all frames read" "kpageflags 1 1" "$(value kpageflags source) $(value kpageflags finished) $(value kpageflags one_in)"
near kpageflags
seen kpageflags
equal "kpageflags: no sample claims a file" "" "$(member "$TMP/kpageflags.tar.zst" tables/page_cache_samples.tsv | awk -F'\t' 'NR > 1 && $1 != 0')"

scan sixteenth --memory-source kpageflags --sample 1/16
# A busy machine may stop it before it has seen all strata.
estimate=$(($(sum sixteenth) * 16 * $(value sixteenth strata_total) / $(value sixteenth strata_done))) cached=$(value sixteenth meminfo_cached_kb_after)
check "kpageflags, one in 16: $estimate KiB is Cached + Buffers, $cached KiB, by 10%" \
	awk -v f="$estimate" -v m="$cached" 'BEGIN { d = f - m; exit !((d < 0 ? -d : d) <= m * 0.1) }'

scan procfs --memory-source procfs
equal "procfs: says what it stood on" procfs "$(value procfs source)"
seen procfs
equal "procfs: frames of memory were not measured, and are not said to be 0" "" "$(value procfs pages_total)"

# ------------------------------------------------------------------ cgroups
v1=$(findmnt -nro TARGET,OPTIONS -t cgroup | awk '$2 ~ /(^|,)memory(,|$)/ { print $1; exit }')
if [ -n "$v1" ] && mkdir "$v1/ossnap-ladder.$$" 2>/dev/null; then
	at_exit rmdir "$v1/ossnap-ladder.$$"
	(echo "$BASHPID" >"$v1/ossnap-ladder.$$/cgroup.procs" && exec head -c 4194304 /dev/zero) >"$TMP/disk/charged"
	scan charged --memory-source kpageflags
	group=$(member "$TMP/charged.tar.zst" tables/page_cache_cgroups.tsv | awk -F'\t' -v p="/ossnap-ladder.$$" 'substr($4, length($4) - length(p) + 1) == p { print $1, $2, $3 }')
	equal "kpageflags: the group that wrote a file has its path and inode number" "$(stat -c %i "$v1/ossnap-ladder.$$") online" "${group#* }"
	equal "kpageflags: and the file's pages" 1024 \
		"$(member "$TMP/charged.tar.zst" tables/page_cache_samples.tsv | awk -F'\t' -v g="${group%% *}" '$2 == g { s += $4 } END { print s }')"
else
	skip "kpageflags: cgroups" "no v1 memory hierarchy here that one may make groups in"
fi

# ------------------------------------------------------------------ taken away
if [ ! -e /proc/kcore ]; then
	scan no-kcore
	equal "no kcore: bpf" "bpf" "$(value no-kcore source)"
	check "and says why" grep -q '^/proc/kcore: No such file.*using bpf' <(value no-kcore reason)
fi

hidden=$(mktemp -d "$TMP/hidden.XXXXXX")
RUN=(unshare -m bash -c 'mount --bind "$0" /sys/kernel/btf && exec "$@"' "$hidden")
scan no-btf
status=$?
equal "no BTF: neither kcore nor bpf; kpageflags" "kpageflags 0" "$(value no-btf source) $status"
check "and says why ($(value no-btf reason))" grep -q '^/sys/kernel/btf/vmlinux: No such file.*using kpageflags' <(value no-btf reason)
check "it is not the capture's failure: ok" grep -q '^ok ' <(status_of no-btf)
near no-btf
"${RUN[@]}" "$CAPTURE" -q --memory-source bpf -o "$TMP/no-btf-bpf.tar.zst" 2>"$TMP/no-btf-bpf.err"
equal "no BTF, bpf by name: refused before starting" 5 $?
check "and --btf is named" grep -q -- '--btf FILE' "$TMP/no-btf-bpf.err"
"${RUN[@]}" "$CAPTURE" check >"$TMP/check" 2>&1
check "check names the rung and the reason" grep -q 'kpageflags' "$TMP/check"

cp /sys/kernel/btf/vmlinux "$TMP/types"
scan given --btf "$TMP/types"
equal "no BTF, a copy given: bpf (or kcore) again" 0 $?
check "and it read kernel memory ($(value given source))" grep -qE '^(bpf|kcore)$' <(value given source)
equal "with the closed file" "linked $(inside "$TMP/disk/closed")" "$(row given "$closed" | cut -d' ' -f2-)"
RUN=()

head -c 100000 /dev/urandom >"$TMP/garbage"
scan garbage --btf "$TMP/garbage"
equal "garbage as --btf: the archive is partial" 3 $?
check "and the file is named ($(status_of garbage))" grep -q "^[a-z]* .*$TMP/garbage" <(status_of garbage)
head -c 3000000 "$TMP/types" >"$TMP/cut"
scan cut --btf "$TMP/cut"
check "half a BTF as well ($(status_of cut))" grep -q "$TMP/cut" <(status_of cut)

RUN=("$NATIVE/native-without_bpf")
scan no-bpf
status=$?
equal "bpf() refused: kpageflags, partial, because it was refused" "kpageflags 3" "$(value no-bpf source) $status"
check "and says so ($(status_of no-bpf))" grep -q '^partial .*bpf: Operation not permitted.*using kpageflags' <(status_of no-bpf)
near no-bpf
RUN=()

install -m 755 "$CAPTURE" "$TMP/capture" && chmod 755 "$TMP" && mkdir -m 777 "$TMP/nobody"
head -c 1228800 /dev/zero >"$TMP/disk/nobody" && chmod 644 "$TMP/disk/nobody" && chown 65534 "$TMP/disk/nobody"
own=$(identity "$TMP/disk/nobody")
setpriv --reuid=65534 --regid=65534 --clear-groups sleep 1000 3<"$TMP/disk/nobody" &
at_exit kill $!
wait_for 5 test "$(readlink "/proc/$!/fd/3")" = "$TMP/disk/nobody"
setpriv --reuid=65534 --regid=65534 --clear-groups "$TMP/capture" -q -d 100ms --collect page-cache -o "$TMP/nobody" >/dev/null 2>"$TMP/nobody.err"
equal "not root: partial" 3 $?
cp "$TMP"/nobody/*.tar.zst "$TMP/unprivileged.tar.zst"
equal "not root: procfs" procfs "$(value unprivileged source)"
check "not root: why is said ($(status_of unprivileged))" grep -q '^partial .*kpageflags: Permission denied.*using procfs' <(status_of unprivileged)
equal "not root: a file that a process of ours has open" "300 linked $(inside "$TMP/disk/nobody")" "$(row unprivileged "$own")"
equal "not root: not what others have open" "" "$(row unprivileged "$open")"

# ------------------------------------------------------------------ a process that hangs who looks at it
stuck_process() {
	mkdir "$TMP/fuse"
	mkfifo "$TMP/hold"
	"$NATIVE/native-stuckcmdline" "$TMP/fuse" <"$TMP/hold" >"$TMP/pid" 2>"$TMP/error" &
	stuck=$!
	exec 9>"$TMP/hold"
	at_exit umount -l "$TMP/fuse"
	at_exit kill -KILL "$stuck"
	wait_for 5 grep -q . "$TMP/pid"
}
if stuck_process; then
	start=$(date +%s%N)
	scan stuck --memory-source kpageflags
	took=$((($(date +%s%N) - start) / 1000000))
	check "a process whose memory map is locked: the rest is there in time ($took ms; $(status_of stuck))" test "$took" -lt 6000
	check "and it is said (or this kernel reads its maps all the same)" grep -qE '^partial .*no answer from 1 processes|^ok ' <(status_of stuck)
	near stuck
	equal "stuck: an open file of another process" "768 linked $(inside "$TMP/disk/open")" "$(row stuck "$open")"
	exec 9>&-
	kill -KILL "$stuck"
else
	skip "a process whose memory map is locked" "no FUSE here: $(cat "$TMP/error")"
fi

# ------------------------------------------------------------------ the report of each rung
for name in kpageflags procfs; do
	"$ANALYZE" -q -o "$TMP/$name.html" --json "$TMP/$name.json" "$TMP/$name.tar.zst" 2>"$TMP/$name.err"
	equal "$name: the report says which rung" "$name" "$(jq -r .page_cache.source "$TMP/$name.json")"
	check "$name: and what could not be seen ($(jq -r '.not_seen[] | select(.why | test("kernel memory")) | .what' "$TMP/$name.json" | head -1))" \
		jq -e '.not_seen[] | select(.why | test("kernel memory"))' "$TMP/$name.json"
	equal "$name: an exact size" 3145728 "$(jq --argjson i "${open##*:}" '.page_cache.files[] | select(.inode == $i) | .cached_bytes' "$TMP/$name.json")"
	equal "$name: what was not measured of it is null" "null null" \
		"$(jq -r --argjson i "${open##*:}" '.page_cache.files[] | select(.inode == $i) | "\(.active_bytes) \(.dirty_bytes)"' "$TMP/$name.json")"
done

# ------------------------------------------------------------------ recorded and replayed
# What went away while it was looked at may be whole in the recording: one of a quiet moment.
for try in 1 2 3; do
	rm -rf "$TMP/kernel" "$TMP/kernel.btf" "$TMP/kernel.root"
	scan live --record-kernel "$TMP/kernel"
	status=$?
	[ "$(value live discarded)" != 0 ] || break
done
equal "a recording is made (try $try; $(status_of live))" 0 "$status"
check "FILE, FILE.btf and FILE.root" test -s "$TMP/kernel" -a -s "$TMP/kernel.btf" -a -d "$TMP/kernel.root/proc"
check "nobody else may read it" test "$(stat -c %a "$TMP/kernel") $(stat -c %a "$TMP/kernel.root")" = "600 700"
scan replay --memory-source "core:$TMP/kernel" --root "$TMP/kernel.root" --btf "$TMP/kernel.btf"
equal "it is replayed" 0 $?
equal "from the recording" core-file "$(value replay source)"
for table in page_cache_cgroups page_cache_samples page_types; do
	equal "the replay gives the same $table" "" \
		"$(diff <(member "$TMP/live.tar.zst" "tables/$table.tsv" | sort) <(member "$TMP/replay.tar.zst" "tables/$table.tsv" | sort) | head -3)"
done
# A file that grows between two looks at it, as the recording itself does, has two sizes.
files() { member "$TMP/$1.tar.zst" tables/page_cache_files.tsv | awk -F'\t' -v OFS='\t' '{ $9 = ""; $10 = "" } 1' | sort; }
equal "and the same files" "" "$(diff <(files live) <(files replay) | head -3)"
equal "with the same sizes" "$(row live "$open") $(row live "$gone")" "$(row replay "$open") $(row replay "$gone")"
scan again --record-kernel "$TMP/kernel"
check "an existing file is not written over ($(status_of again))" grep -q "$TMP/kernel.*File exists" <(status_of again)
"$CAPTURE" --record-kernel "$TMP/x" --memory-source kpageflags 2>"$TMP/usage"
equal "there is nothing to record without kernel memory: usage" 2 $?

# ------------------------------------------------------------------ nothing at all
# shellcheck disable=SC2016
unshare -m sh -c 'umount -l /proc && exec "$0" -q -d 100ms --collect page-cache,host -o "$1"' "$CAPTURE" "$TMP/noproc.tar.zst" >/dev/null 2>"$TMP/noproc.err"
check "without /proc there is an archive" tar --zstd -tf "$TMP/noproc.tar.zst"
equal "and no scan in it: not measured is not zero" "" "$(member "$TMP/noproc.tar.zst" tables/page_cache_scan.tsv)"
