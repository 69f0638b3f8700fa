#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Who has shared memory: a memfd and a System V segment that a process holds, a segment that somebody
# left behind, files on a tmpfs with their age.
. "$(dirname "$0")/../lib.sh"
need_root "reading kernel memory"
MiB=1048576
total=$(($(awk '/^MemTotal:/ { print $2 }' /proc/meminfo) * 1024))
# A little above a hundredth of memory, for the finding.
left=$((total / 80 > 80 * MiB ? total / 80 : 80 * MiB))
if [ "$left" -gt $((1200 * MiB)) ]; then left=$((1200 * MiB)); fi
"$NATIVE/native-shared" $((64 * MiB)) >"$TMP/ready" & holder=$!
at_exit kill "$holder"
wait_for 20 test -s "$TMP/ready" || { fail "shared memory is made" "no answer"; exit 1; }
"$NATIVE/native-hog" memfd $((48 * MiB)) >"$TMP/open" & opener=$!
at_exit kill "$opener"
wait_for 20 test -s "$TMP/open" || { fail "a memfd is written to" "no answer"; exit 1; }
id=$("$NATIVE/native-shared" "$left" leave) || { skip "a segment left behind" "cannot make one"; exit 0; }
at_exit ipcrm -m "$id"
mkdir "$TMP/shm"
mount -t tmpfs ossnap-test "$TMP/shm"
at_exit umount -l "$TMP/shm"
mkdir "$TMP/shm/dir"
for i in 1 2 3; do head -c $MiB /dev/zero >"$TMP/shm/dir/$i"; done
touch -d @1600000000 "$TMP/shm/dir/2"

"$CAPTURE" -q -d 100ms --sample all --max-cpu 400 --max-memory 256M --collect host,memory,processes,mounts,page-cache,kernel-objects -o "$TMP/a.tar.zst" >/dev/null 2>"$TMP/err" &&
	"$ANALYZE" -q -o "$TMP/a.html" --json "$TMP/a.json" "$TMP/a.tar.zst" 2>>"$TMP/err" || fail "a report" "$(cat "$TMP/err")"
json() { jq -r --arg d "$TMP/shm/dir" --argjson id "$id" --argjson pid "$holder" "$1" "$TMP/a.json"; }
equal "who maps the memfd and the segment" "64 64" \
	"$(json "[.page_cache.files[] | select(.mapped_by_pid == \$pid) | .cached_bytes / $MiB] | join(\" \")")"
equal "who has a memfd open that nobody maps" "48 null" \
	"$(json "[.page_cache.files[] | select(.open_in_pid == $opener) | \"\(.cached_bytes / $MiB) \(.mapped_by_pid)\"] | join(\" \")")"
equal "who made the segment, and is attached" "$holder 1" \
	"$(json '.page_cache.files[] | select(.mapped_by_pid == $pid and .made_by_pid != null) | "\(.made_by_pid) \(.attached)"')"
truth=$(awk -v id="$id" '$2 == id { print $5, $7, $16 }' /proc/sysvipc/shm)
equal "of the one left behind the kernel's own words: maker, attached, swapped" "$truth" \
	"$(json '.page_cache.files[] | select(.inode == $id and (.path | startswith("[SysV"))) | "\(.made_by_pid) \(.attached) \(.swapped_bytes)"')"
check "shmem.unattached names it" grep -q "shmid $id " <<<"$(json '.findings[] | select(.id == "shmem.unattached") | .because[].text')"
equal "the oldest file of a directory, and none swapped" "1600000000 3 0" \
	"$(json '.page_cache.shared_memory.directories[] | select(.path == $d) | "\(.oldest_epoch_s) \(.files) \(.swapped_bytes)"')"
