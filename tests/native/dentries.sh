#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Which directories fill the dentry and inode caches, against directories that we filled: a million
# names that do not exist, sixty thousand files on a tmpfs.
. "$(dirname "$0")/../lib.sh"
need_root "reading kernel memory"
missing=1000000 files=60000
mkdir -p "$TMP/spool/app"
mkdir "$TMP/shm"
mount -t tmpfs -o nr_inodes=200k ossnap-test "$TMP/shm"
at_exit umount -l "$TMP/shm"
mkdir "$TMP/shm/tiny"
seq -f "$TMP/shm/tiny/%.0f" "$files" | xargs touch

negative() { awk '{ print $5 }' /proc/sys/fs/dentry-state; }
before=$(negative)
"$NATIVE/native-negatives" "$TMP/spool/app" "$missing" || fail "names that do not exist" "exit $?"
if [ $(($(negative) - before)) -lt $((missing * 9 / 10)) ]; then
	skip "negative dentries" "this file system does not keep them"
	exit 0
fi
report() { # NAME [OPTIONS]
	local name=$1
	shift
	"$CAPTURE" -q -d 100ms --max-cpu 400 --max-memory 256M --collect host,memory,mounts,page-cache -o "$TMP/$name.tar.zst" "$@" >/dev/null 2>"$TMP/$name.err" &&
		"$ANALYZE" -q -o "$TMP/$name.html" --json "$TMP/$name.json" "$TMP/$name.tar.zst" 2>>"$TMP/$name.err" || { cat "$TMP/$name.err"; return 1; }
}
json() { jq -r --arg d "$TMP/spool/app" --arg shm "$TMP/shm/tiny" "$2" "$TMP/$1.json"; }

for sample in all 1/16; do
	rm -f "$TMP"/s.*
	check "a capture with --sample $sample" report s --sample "$sample"
	if [ "$(json s '.memory.dentries.trees')" = null ]; then
		fail "the dentry cache is read" "$(cat "$TMP/s.err") $(json s .page_cache.source)"
		continue
	fi
	# Another run of this test at the same time makes two such directories, each with half.
	equal "slab.negative-dentries names the directory ($sample)" spool/app \
		"$(json s '.findings[] | select(.id == "slab.negative-dentries") | .scope.name' | grep -o 'spool/app$')"
	# 95% intervals, 1 in 20 of which may miss: four half widths never do.
	equal "$missing of them, within the interval's width twice over ($sample)" true \
		"$(json s ".memory.dentries.trees[] | select(.path == \$d) | (.interval[1] - .interval[0]) as \$w | .dentries - $missing | fabs | . < 2 * \$w and . < $missing / 8")"
	equal "all of them negative ($sample)" true "$(json s '.memory.dentries.trees[] | select(.path == $d) | .negative >= 0.999 * .dentries')"
	equal "the tmpfs's inodes are explained ($sample)" "$TMP/shm/tiny" \
		"$(json s '.memory.slabs[] | select(.name == "shmem_inode_cache") | .directory')"
	equal "its files exist ($sample)" 0 "$(json s '.memory.dentries.trees[] | select(.path == $shm) | .negative')"
done
# Gone with their directory, and then nothing is said.
rmdir "$TMP/spool/app"
check "a capture afterwards" report after --sample all
equal "no finding without them" "" "$(jq -r --arg d "$TMP" '.findings[] | select(.id == "slab.negative-dentries" and (.scope.name | startswith($d))) | .id' "$TMP/after.json")"
