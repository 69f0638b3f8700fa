#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The page-cache scan beside drgn, on the same memory of one guest: Debian's 6.1, its python3-drgn and the
# debug package of that very kernel (300 MB to fetch once; 2 GB of cache under ~/.cache/ossnap-vm).
# drgn walks each struct page to its mapping, its inode and its path; so do we, who also count cgroups and
# states.  What the two find is held against each other.  VM_KEEP=DIR keeps what came out of the guest.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
VM=$TOP/tests/vm
QEMU_PID=
# shellcheck source=tests/vm/kernel.sh
. "$VM/kernel.sh"
# shellcheck source=tests/vm/boot.sh
. "$VM/boot.sh"
end_guest() { [ -z "$QEMU_PID" ] || kill -KILL "$QEMU_PID"; }
at_exit end_guest
GUEST_MEMORY=2560
# Emulated, `rep movsb` goes byte by byte: the kernel is told not to use it for its copies, ours and drgn's.
CPU=max,erms=off,fsrm=off
# COUNT=instructions: the guest's clock counts its instructions, one a nanosecond, so that it says the same whatever
# else this machine does; but an instruction of an interpreter is no dearer then than one of a loop.
[ "${COUNT:-time}" = time ] || ACCEL=tcg,thread=single CPUS=1
GOAL=${GOAL:-100}

for tool in "$QEMU" cpio mkfs.ext4 busybox apt-get dpkg jq; do
	command -v "$tool" >/dev/null || { skip "drgn" "$tool is not installed"; exit 0; }
done
[ "$(uname -m)" = x86_64 ] || { skip "drgn" "the guest is x86_64"; exit 0; }

# drgn_disk: an ext4 image with Python, drgn and vmlinux with its DWARF, as IMAGE; prints why not.
drgn_disk() (
	stage=$(mktemp -d "$CACHE/stage.XXXXXX")
	trap 'rm -rf "$stage"' EXIT
	mkdir -p "$stage/root"/{proc,sys,dev,tmp,usr/lib/debug/boot} "$stage/debs"
	update_suite bookworm || exit 1
	cd "$stage/debs" || exit 1
	mapfile -t packages < <(private_apt bookworm apt-get -s install --no-install-recommends python3-drgn 2>/dev/null |
		awk '$1 == "Inst" { print $2 }')
	[ ${#packages[@]} -gt 3 ] || { echo "bookworm has no python3-drgn"; exit 1; }
	private_apt bookworm apt-get download "${packages[@]}" >"$stage/log" 2>&1 || {
		echo "apt-get download: $(grep -E '^[EW]:' "$stage/log" | head -1)"
		exit 1
	}
	for deb in *.deb; do dpkg -x "$deb" "$stage/root"; done
	rm -f -- *.deb
	private_apt bookworm apt-get download "linux-image-$KERNEL_VERSION-dbg" >"$stage/log" 2>&1 || {
		echo "linux-image-$KERNEL_VERSION-dbg: $(grep -E '^[EW]:' "$stage/log" | head -1)"
		exit 1
	}
	dpkg --fsys-tarfile ./*.deb | tar -x -C "$stage/root" "./usr/lib/debug/boot/vmlinux-$KERNEL_VERSION" || {
		echo "linux-image-$KERNEL_VERSION-dbg holds no vmlinux"
		exit 1
	}
	rm -f -- *.deb
	truncate -s "$(du -sm "$stage/root" | awk '{ print int($1 * 1.2) + 64 }')M" "$stage/image"
	mkfs.ext4 -q -F -m 0 -O ^has_journal -d "$stage/root" "$stage/image" || exit 1
	mv "$stage/image" "$IMAGE"
)

get_kernel 6.1 || { skip "drgn" "$REASON"; exit 0; }
IMAGE=$CACHE/drgn-$KERNEL_VERSION.ext4
if [ ! -f "$IMAGE" ]; then
	reason=$(drgn_disk) || { skip "drgn" "$reason"; exit 0; }
fi
mkdir "$TMP/bin"
strip -o "$TMP/bin/ossnap-capture" "$CAPTURE"
cp "$TOP/tests/bench/guest/drgn_walk.py" "$TMP/bin/"
cp "$NATIVE/native-bench_peers" "$(ldd "$NATIVE/native-bench_peers" | awk '$1 == "libbpf.so.1" { print $3 }')" "$TMP/bin/"
QEMU_MORE=($([ $CPUS = 2 ] || echo -icount shift=0,sleep=off) -drive "file=$IMAGE,format=raw,if=virtio,readonly=on")
make_initramfs "$TMP/initramfs.gz" "$TOP/tests/bench/guest/drgn.sh" "$TMP"/bin/*
boot "$TMP/initramfs.gz" 1500 "$TMP/out" || { fail "the guest comes back" "$REASON"; exit 1; }
out=$TMP/out
[ -z "${VM_KEEP:-}" ] || { mkdir -p "$VM_KEEP" && rm -rf "$VM_KEEP/drgn" && cp -r "$out" "$VM_KEEP/drgn"; }
[ -s "$out/drgn.json" ] || { fail "drgn walks" "$(tail -5 "$out/drgn.err" "$out/log")"; exit 1; }

value() { member "$out/$1-${3:-1}.tar.zst" tables/page_cache_scan.tsv | awk -F'\t' -v k="$2" '$1 == k { print $2 }'; }
drgn() { jq -r ".$1" "$out/drgn.json"; }
# ns a frame, naming included
ours() {
	for round in 1 2 3 4 5; do
		awk -v a="$(value "$1" scan_cpu_ns $round)" -v b="$(value "$1" resolve_cpu_ns $round)" -v n="$(value "$1" pages_read $round)" \
			'BEGIN { printf "%.0f\n", (a + b) / n }'
	done | sort -n | head -1
}
theirs() { awk -v s="$(drgn "$1.cpu_s")" -v n="$(drgn "$1.pages")" 'BEGIN { printf "%.0f", s * 1e9 / n }'; }

echo "# kernel $KERNEL_VERSION, emulated ($([ "$CPUS" = 2 ] && echo CPU time || echo one instruction is 1 ns)); drgn $(drgn version); CPU time of the walk, the best of its rounds, without $(drgn load_cpu_s) s to load the debug information"
for way in walk unpacked; do
	printf '# drgn, %-34s %9d frames %8d files %12d ns a frame\n' \
		"$([ $way = walk ] && echo "its objects" || echo "used only to read in bulk")" "$(drgn $way.pages)" "$(drgn $way.files)" "$(theirs $way)"
done
for source in kcore bpf; do
	printf '# ossnap-capture, %-24s %9d frames %8d files %12d ns a frame\n' $source "$(value $source pages_read)" \
		"$(member "$out/$source-1.tar.zst" tables/page_cache_files.tsv | tail -n +2 | wc -l)" "$(ours $source)"
done
for source in kcore bpf; do
	for way in walk unpacked; do
		ratio=$(awk -v a="$(theirs $way)" -v b="$(ours $source)" 'BEGIN { printf "%.0f", a / b }')
		if [ $way = unpacked ]; then
			echo "# $source against drgn used only to read in bulk: $ratio times"
		elif [ "$ratio" -ge "$GOAL" ]; then
			ok "$source against drgn, a frame examined: $ratio times (goal $GOAL)"
		else
			fail "$source against drgn, a frame examined" "$ratio times, goal $GOAL"
		fi
	done
done

[ ! -s "$out/peers" ] || awk -F'\t' '
	$1 == "full" { full = $2 }
	{ ns[$1] = $2; each[$1] = $2 / $3 }
	END {
		printf "# of a full scan through kcore: read %.0f%%, look and count %.0f%%, naming %.0f%%\n", 100 * ns["full:read"] / full,
			100 * ns["full:look"] / full, 100 * (ns["full:naming-read"] + ns["full:naming"]) / full
		printf "# one pread a page of kpageflags, kpagecgroup and kcore: %.0f ns a frame, %.0f times ours\n", each["page-by-page"],
			each["page-by-page"] / each["full"]
	}' "$out/peers"

# What drgn found (device, inode, pages, path), against our nrpages: the same files, the same sizes.
# The memory lives on between the two: a few pages may come and go.
member "$out/kcore-5.tar.zst" tables/page_cache_files.tsv | awk -F'\t' '
	NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next }
	{ print $c["dev"] "\t" $c["ino"] "\t" $c["nrpages"] "\t" $c["path"] }' >"$TMP/ours"
awk -F'\t' '
	FILENAME == ARGV[1] { pages[$1 FS $2] = $3; path[$1 FS $2] = substr($4, 2); total += $3; next }
	{ all++; theirs += $3
	  if (!(($1 FS $2) in pages)) { missed++; next }
	  d = pages[$1 FS $2] - $3; same += d == 0
	  named += $4 == "" || substr($4, length($4) - length(path[$1 FS $2]) + 1) == path[$1 FS $2] }
	END { print all + 0, missed + 0, same + 0, named + 0, theirs + 0, total + 0 }' "$TMP/ours" "$out/drgn.files" >"$TMP/agree"
read -r all missed same named theirs_pages our_pages <"$TMP/agree"
check "of $all files that drgn found we have $((all - missed)), $same with the same number of pages, $named with the same path" \
	awk -v a="$all" -v m="$missed" -v s="$same" -v n="$named" 'BEGIN { exit !(a > 100 && m <= a / 100 && s >= 0.97 * a && n >= 0.97 * (a - m)) }'
check "pages of all files: drgn $theirs_pages, ours $our_pages (within 1%)" \
	awk -v a="$theirs_pages" -v b="$our_pages" 'BEGIN { d = a > b ? a - b : b - a; exit !(d * 100 <= a) }'
