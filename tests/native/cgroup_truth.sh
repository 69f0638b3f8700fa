#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Who the page cache is charged to: the report's matrix of files and cgroups against memory.stat
# and /proc/kpagecgroup.  One file that two groups read half each, a nested group, a dying one.
. "$(dirname "$0")/../lib.sh"
need_root "reading kernel memory"
v1=$(findmnt -nro TARGET,OPTIONS -t cgroup | awk '$2 ~ /(^|,)memory(,|$)/ { print $1; exit }')
top=$v1/ossnap-truth.$$
if [ -z "$v1" ] || ! mkdir "$top" 2>/dev/null; then
	skip "cgroups" "no v1 memory hierarchy here that one may make groups in"
	exit 0
fi
at_exit rmdir "$top"
for g in a b a/inner gone; do
	mkdir "$top/$g" || exit 1
	at_exit rmdir "$top/$g"
done
truth=$NATIVE/native-kpagecgroup
MiB=1048576

# in_group GROUP COMMAND...
in_group() {
	local g=$1
	shift
	(echo "$BASHPID" >"$top/$g/cgroup.procs" && exec "$@")
}
fault() { in_group "$1" "$truth" fault "$2" "$3" "$4"; }

for f in shared inner pin1 pin2; do
	head -c $((8 * MiB)) /dev/urandom >"$TMP/$f"
	sync "$TMP/$f"
done
gone_ino=$(stat -c %i "$top/gone") top_ino=$(stat -c %i "$top")
# Each file into the cache by its group, and held there: nobody else on this machine shall evict it while we look.
# What was evicted before it was held is charged to us, and that is another try.
charge() {
	: >"$TMP/held"
	for f in shared inner pin1 pin2; do dd if="$TMP/$f" iflag=nocache count=0 status=none; done
	[ -z "$("$truth" show "$TMP/shared")" ] || return 1
	fault a "$TMP/shared" 0 $((3 * MiB))
	fault b "$TMP/shared" $((3 * MiB)) $((5 * MiB))
	fault a/inner "$TMP/inner" 0 $((2 * MiB))
	fault gone "$TMP/pin1" 0 $((6 * MiB))
	fault gone "$TMP/pin2" 0 $((1 * MiB))
	"$truth" hold "$TMP/shared" $((8 * MiB)) "$TMP/inner" $((2 * MiB)) "$TMP/pin1" $((6 * MiB)) "$TMP/pin2" $MiB >"$TMP/held" & holder=$!
	wait_for 60 test -s "$TMP/held" || { fail "the files are held" "no answer"; exit 1; }
	[ "$(for f in shared inner pin1 pin2; do "$truth" show "$TMP/$f"; done | sort)" = "$({
		echo "$(stat -c %i "$top/a") 768"
		echo "$(stat -c %i "$top/b") 1280"
		echo "$(stat -c %i "$top/a/inner") 512"
		echo "$gone_ino 1536"
		echo "$gone_ino 256"
	} | sort)" ]
}
for try in 1 2 3 4 5; do
	holder=
	! charge || break
	[ -n "$holder" ] || { skip "cgroups" "the file system of $TMP keeps its cache"; exit 0; }
	kill "$holder"
	wait "$holder" 2>/dev/null
done
at_exit kill "$holder"
stat_cache() { awk '$1 == "cache" { print $2 }' "$top/$1/memory.stat"; }
gone_cache=$(stat_cache gone)
equal "before it goes, kpagecgroup says the group has the file" "$gone_ino $((6 * 256))" "$("$truth" show "$TMP/pin1")"
rmdir "$top/gone"

# report NAME [OPTIONS]: prefixed with $IN, which changes what the capture stands in
IN=()
report() {
	local name=$1
	shift
	"${IN[@]}" "$CAPTURE" -q -d 100ms --collect host,memory,cgroups,mounts,page-cache --max-cpu 400 --max-memory 256M "$@" -o "$TMP/$name.tar.zst" >/dev/null 2>"$TMP/$name.err" &&
		"$ANALYZE" -q -o "$TMP/$name.html" --json "$TMP/$name.json" "$TMP/$name.tar.zst" 2>>"$TMP/$name.err" || { cat "$TMP/$name.err"; return 1; }
}
check "a capture of all pages is reported" report full --sample all
if [ "$(jq -r '.page_cache.found_bytes' "$TMP/full.json")" = null ]; then
	skip "the matrix" "$(jq -r '.page_cache.reason' "$TMP/full.json")"
	exit 0
fi
# matrix FILE [REPORT]: "GROUP BYTES" of each group that pays for it, by name
matrix() {
	jq -r --arg p "$TMP/$1" '.page_cache.files[] | select(.path == $p) | .cgroups[] | "\(.path | split("/")[2:] | join("/")) \(.bytes)"' "$TMP/${2:-full}.json" | sort
}
by_kernel() { # the same from kpagecgroup
	"$truth" show "$TMP/$1" | while read -r ino pages; do
		for g in a b a/inner; do
			[ "$(stat -c %i "$top/$g")" != "$ino" ] || echo "$g $((pages * 4096))"
		done
	done | sort
}
equal "a file of two groups is shown with each one's part" "a $((3 * MiB)) b $((5 * MiB))" "$(matrix shared | tr '\n' ' ' | sed 's/ $//')"
for f in shared inner; do equal "kpagecgroup agrees: $f" "$(by_kernel "$f")" "$(matrix "$f")"; done
of_group() { # STATE NAME: cached bytes
	jq -r --arg s "$1" --arg p "/ossnap-truth.$$/$2" '.page_cache.cgroups[] | select(.state == $s and .path == $p) | .cached_bytes' "$TMP/full.json"
}
for g in a b a/inner; do
	# memory.stat of a group counts what is below it in total_cache, its own in cache.
	equal "memory.stat agrees: $g" "$(stat_cache "$g")" "$(of_group online "$g")"
done
equal "a nested group is a row of its own" "$((2 * MiB))" "$(of_group online a/inner)"
equal "a removed group is listed as dying, with what it holds" "$gone_cache" "$(of_group dying gone)"
equal "and with the files that pin it" "pin1 $((6 * MiB)) pin2 $MiB" \
	"$(jq -r --arg p "/ossnap-truth.$$/gone" '.page_cache.cgroups[] | select(.state == "dying" and .path == $p) | .files[] | "\(.path | split("/")[-1]) \(.bytes)"' "$TMP/full.json" | tr '\n' ' ' | sed 's/ $//')"
# kpagecgroup cannot show a dying group: it climbs to the nearest one that is online.
equal "for its pages kpagecgroup names the nearest online group" "$top_ino $((6 * 256))" "$("$truth" show "$TMP/pin1")"

# A unified hierarchy beside it, as systemd's hybrid machines have: the memory controller is still the one of v1.
mkdir "$TMP/unified"
# shellcheck disable=SC2016
IN=(unshare -m sh -c 'mount -t cgroup2 unified "$0" && exec "$@"' "$TMP/unified")
if unshare -m mount -t cgroup2 unified "$TMP/unified" 2>/dev/null; then
	check "hybrid: a capture is reported" report hybrid --sample all
	equal "hybrid: it is told" hybrid "$(jq -r .host.cgroups "$TMP/hybrid.json")"
	for f in shared inner; do equal "hybrid: the same groups pay for $f" "$(matrix "$f")" "$(matrix "$f" hybrid)"; done
	equal "hybrid: the removed group is still dying" "$gone_cache" \
		"$(jq -r --arg p "/ossnap-truth.$$/gone" '.page_cache.cgroups[] | select(.state == "dying" and .path == $p) | .cached_bytes' "$TMP/hybrid.json")"
else
	skip "hybrid" "no cgroup2 here"
fi
IN=()

# A sampled scan.  A 95% interval misses the truth now and then, and a test must not: it is held
# against one 2.2 times as wide, which for these counts is more than four standard errors.
check "a sampled capture is reported" report part --sample 1/16
held=$(jq -r --arg s "$TMP/shared" --arg a "/ossnap-truth.$$/a" --arg b "/ossnap-truth.$$/b" '
	def holds($i): (if .path == $a then 3145728 else 5242880 end) as $t |
		.b - 2.2 * (.b - $i[0]) <= $t and $t <= .b + 2.2 * ($i[1] - .b) and $i[0] < $i[1];
	[(.page_cache.files[] | select(.path == $s) | .cgroups[] | {path, b: .bytes, i: .interval}),
	 (.page_cache.cgroups[] | select(.path == $a or .path == $b) | {path, b: .cached_bytes, i: .interval})] |
	map(holds(.i)) | "\(map(select(.)) | length) of \(length)"' "$TMP/part.json")
equal "parts and groups of the sample hold the truth" "4 of 4" "$held"
