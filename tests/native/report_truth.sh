#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The whole way of the data against ground truth that is not ours: known files, known groups,
# cachestat and meminfo on one side, the JSON report on the other.
. "$(dirname "$0")/../lib.sh"
need_root "reading kernel memory"

unlimited="--max-cpu 400 --max-memory 256M"
report() { # NAME [CAPTURE OPTIONS]: captures, analyses, leaves $TMP/NAME.json and .html
	local name=$1
	shift
	# shellcheck disable=SC2086
	"$CAPTURE" -v -d 200ms --sample all $unlimited -o "$TMP/$name.tar.zst" "$@" >"$TMP/$name.path" 2>"$TMP/$name.err" ||
		{ echo "capture exit $?: $(cat "$TMP/$name.err")"; return 1; }
	"$ANALYZE" -q -o "$TMP/$name.html" --json "$TMP/$name.json" "$TMP/$name.tar.zst" 2>"$TMP/$name.aerr" ||
		{ echo "analyze exit $?: $(cat "$TMP/$name.aerr")"; return 1; }
}
json() { jq -r "$2" "$TMP/$1.json"; }

# ------------------------------------------------------------------ files of known sizes
work=$TMP/files
mkdir "$work"
odd=(
	$'new\nline' $'tab\there' "quote'\"s" '<script>alert(1)<\\script>' 'a=b=c' 'x (deleted)'
	$'bidi\u202eevil' "$(printf 'n%.0s' {1..255})" ' leading and trailing '
)
for i in "${!odd[@]}"; do head -c $(((i + 1) * 40960)) /dev/zero >"$work/${odd[i]}"; done
invalid=$work/$'invalid-\xff\xfe-utf8'
head -c 53248 /dev/zero >"$invalid"
head -c 1048576 /dev/zero >"$work/hard-link"
ln "$work/hard-link" "$work/other-name"
mkdir "$work/bound" "$work/bind-target"
head -c 2097152 /dev/zero >"$work/bound/through-a-bind-mount"
mount --bind "$work/bound" "$work/bind-target"
at_exit umount -l "$work/bind-target"
head -c 3145728 /dev/zero >"$work/deleted-but-open"
exec 7<"$work/deleted-but-open"
rm "$work/deleted-but-open"

check "a capture of this machine is reported" report files
equal "the archive is complete" true "$(json files '.archives[0].complete')"
for name in "${odd[@]}"; do
	path=$work/$name
	truth=$("$NATIVE/native-cached" "$path" | head -1 | cut -f1)
	got=$(jq -r --arg p "$path" '[.page_cache.files[] | select(.path == $p) | .cached_bytes] | join(",")' "$TMP/files.json")
	equal "exact size in JSON: $(printf %q "${name:0:24}")" "$truth" "$got"
done
truth=$("$NATIVE/native-cached" "$invalid" | cut -f1)
equal "a name that is not UTF-8 is shown with its bytes" "$truth" \
	"$(jq -r --arg p "$work/invalid-\\xff\\xfe-utf8" '.page_cache.files[] | select(.path == $p) | .cached_bytes' "$TMP/files.json")"
equal "a hard-linked inode is one row" 1 "$(jq --arg w "$work" '[.page_cache.files[] | select(.path == $w + "/hard-link" or .path == $w + "/other-name")] | length' "$TMP/files.json")"
equal "a bind mount does not double a file" 2097152 "$(jq --arg w "$work" '[.page_cache.files[] | select(.path | startswith($w)) | select(.path | endswith("through-a-bind-mount")) | .cached_bytes] | add' "$TMP/files.json")"
equal "deleted but open is deleted" "deleted 3145728" "$(jq -r --arg w "$work" '.page_cache.files[] | select(.path | startswith($w + "/deleted-but-open")) | "\(.state) \(.cached_bytes)"' "$TMP/files.json")"
exec 7<&-

# On a full scan the sum found, without reference to meminfo, is Cached + Buffers.
found=$(json files '.page_cache.found_bytes') mean=$(json files '.page_cache.meminfo_bytes')
check "the sum found ($found) is within 0.5% of Cached + Buffers ($mean)" \
	awk -v f="$found" -v m="$mean" 'BEGIN { d = f - m; if (d < 0) d = -d; exit !(m > 0 && d <= m * 0.005) }'
equal "hostile names are inert in the HTML" 0 "$(grep -c '<script>alert(1)' "$TMP/files.html")"

# ------------------------------------------------------------------ small files in a tmpfs directory
shm=$TMP/shm
mkdir "$shm"
mount -t tmpfs -o size=3g ossnap-test "$shm"
at_exit umount -l "$shm"
mkdir "$shm/leak"
bytes=$("$NATIVE/native-mkfiles" "$shm/leak" 20000 4096 163840)
check "20,000 small files are captured" report shm
equal "shmem.small-files names the directory" "$shm/leak" \
	"$(json shm '.findings[] | select(.id == "shmem.small-files") | .scope.name' | head -1)"
equal "the roll-up has their number and bytes" "20000 $bytes" \
	"$(jq -r --arg d "$shm/leak" '.page_cache.shared_memory.directories[] | select(.path == $d) | "\(.files) \(.bytes)"' "$TMP/shm.json")"
umount "$shm"

# ------------------------------------------------------------------ a container's log files
memory=/sys/fs/cgroup/memory
if [ -f $memory/memory.limit_in_bytes ]; then
	id=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
	uid=$(cat /proc/sys/kernel/random/uuid)
	pods=/var/log/pods/shop_api-7d9f_$uid
	group=$memory/ossnap-test-$$
	mkdir -p "$pods/api" "$group/kubepods/pod$uid/$id"
	at_exit rm -rf "$pods"
	# as the kubelet leaves them
	touch "$pods/api/0.log"
	mkdir -p /var/log/containers
	link=/var/log/containers/api-7d9f_shop_api-$id.log
	ln -s "$pods/api/0.log" "$link"
	at_exit rmdir /var/log/containers /var/log/pods
	at_exit rm -f "$link"
	at_exit rmdir "$group/kubepods/pod$uid/$id" "$group/kubepods/pod$uid" "$group/kubepods" "$group"
	echo 1 >"$group/memory.use_hierarchy" 2>/dev/null
	echo $((300 << 20)) >"$group/kubepods/pod$uid/$id/memory.limit_in_bytes"
	logs=$TMP/logs
	mkdir "$logs"
	# shellcheck disable=SC2016
	sh -c 'echo 0 >"$0/cgroup.procs" && head -c 119537664 /dev/zero >"$1/a.log" && head -c 119537664 /dev/zero >"$1/b.log" && head -c 50331648 /dev/zero | (sleep 600 & echo $! >"$1/pid"; cat >/dev/null)' \
		"$group/kubepods/pod$uid/$id" "$logs"
	pid=$(cat "$logs/pid")
	at_exit kill "$pid"
	check "the group is captured" report logs
	path=$(jq -r --arg id "$id" '.memory.cgroups[] | select(.path | endswith($id)) | .path' "$TMP/logs.json")
	equal "the group has the pod's name" "shop api-7d9f api" "$(jq -r --arg p "$path" '.memory.cgroups[] | select(.path == $p) | "\(.namespace) \(.pod) \(.container)"' "$TMP/logs.json")"
	usage=$(cat "$group/kubepods/pod$uid/$id/memory.usage_in_bytes")
	check "its usage is the kernel's ($usage)" \
		jq -e --arg p "$path" --argjson u "$usage" '.memory.cgroups[] | select(.path == $p) | (.usage_bytes - $u) | fabs < 8388608' "$TMP/logs.json"
	equal "its limit is the one set" $((300 << 20)) "$(jq --arg p "$path" '.memory.cgroups[] | select(.path == $p) | .limit_bytes' "$TMP/logs.json")"
	check "both logs are charged to it" jq -e --arg p "$path" --arg l "$logs" \
		'[.page_cache.files[] | select(.path == $l + "/a.log" or .path == $l + "/b.log") | .cgroups[] | select(.path == $p) | .bytes] | length == 2 and (add > 237000000)' "$TMP/logs.json"
	check "page-cache.container says so" jq -e '.findings[] | select(.id == "page-cache.container")' "$TMP/logs.json"
	jq -r '.findings[] | select(.id == "page-cache.container") | .title' "$TMP/logs.json" | sed 's/^/# /'
	kill "$pid"
	wait_for 5 rmdir "$group/kubepods/pod$uid/$id"
	rm -f "$logs"/*.log
else
	skip "a container's log files" "no v1 memory controller here"
fi

# ------------------------------------------------------------------ overlay: the path outside and inside
mkdir -p "$TMP"/ov/{lower/bin,upper,work,merged}
cp /bin/busybox "$TMP/ov/lower/bin/busybox"
mkdir "$TMP/ov/lower/proc"
unshare -m sh -c 'mount --make-rprivate / && mount -t overlay -o "lowerdir=$0/lower,upperdir=$0/upper,workdir=$0/work" overlay "$0/merged" &&
	mount -t proc proc "$0/merged/proc" && exec chroot "$0/merged" /bin/busybox sh -c "/bin/busybox mkdir -p /var/log && /bin/busybox dd if=/bin/busybox of=/var/log/app.log bs=65536 count=8; exec /bin/busybox sleep 600"' "$TMP/ov" &
pid=$!
at_exit kill "$pid"
if wait_for 10 sh -c '[ "$(stat -c %s "$0")" = 524288 ]' "$TMP/ov/upper/var/log/app.log"; then
	check "the overlay is captured" report overlay
	equal "the path on the host and the path inside" "$TMP/ov/upper/var/log/app.log /var/log/app.log 524288" \
		"$(jq -r --arg p "$TMP/ov/upper/var/log/app.log" '.page_cache.files[] | select(.path == $p) | "\(.path) \(.container_path) \(.cached_bytes)"' "$TMP/overlay.json")"
else
	fail "an overlay in a mount namespace" "could not be set up"
fi
kill "$pid"

# ------------------------------------------------------------------ unnamed memory
"$NATIVE/native-shared" 16777216 >"$TMP/shared.out" &
pid=$!
at_exit kill "$pid"
wait_for 5 grep -q ready "$TMP/shared.out"
check "unnamed shared memory is captured" report unnamed
for what in memfd:ossnap-test SYSV; do
	equal "$what is unnamed, with its size" "unnamed 16777216" \
		"$(jq -r --arg w "$what" '[.page_cache.files[] | select(.path | contains($w)) | select(.cached_bytes == 16777216)][0] | "\(.state) \(.cached_bytes)"' "$TMP/unnamed.json")"
done
kill "$pid"

# ------------------------------------------------------------------ a block device's own cache
truncate -s 64M "$TMP/disk"
if loop=$(losetup --find --show "$TMP/disk" 2>/dev/null); then
	at_exit losetup -d "$loop"
	dd if="$loop" of=/dev/null bs=1M count=32 2>/dev/null
	exec 8<"$loop" # an open device keeps its cache
	dd if="$loop" of=/dev/null bs=1M count=32 2>/dev/null
	device=$(printf '%d:%d' "0x$(stat -c %t "$loop")" "0x$(stat -c %T "$loop")")
	truth=$("$NATIVE/native-cached" "$loop" | cut -f1)
	check "a block device is captured" report block
	# What reads ahead may go on doing so meanwhile.
	after=$("$NATIVE/native-cached" "$loop" | cut -f1)
	found=$(jq --arg d "$device" '[.page_cache.files[] | select(.path | contains("block device " + $d)) | .cached_bytes] | add // 0' "$TMP/block.json")
	check "the cache of block device $device is found ($found; $truth before, $after after)" \
		awk -v f="$found" -v a="$truth" -v b="$after" 'BEGIN { exit !(a > 0 && f >= (a < b ? a : b) && f <= (a > b ? a : b)) }'
	exec 8<&-
else
	skip "a block device's own cache" "losetup: no loop device here"
fi
