#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The vm lane: tests/vm/run.sh [KERNEL...], KERNEL one of 5.10 6.1 6.12 newest (default: all).
# Boots Debian's own kernels under QEMU and compares what the capture tool finds through /proc/kcore
# and through BPF with the guest's own truth.  Kernels are cached under ~/.cache/ossnap-vm.
# VM_KEEP=DIR keeps what came out of the guests.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
VM=$TOP/tests/vm
QEMU_PID=
# shellcheck source=tests/vm/kernel.sh
. "$VM/kernel.sh"
# shellcheck source=tests/vm/boot.sh
. "$VM/boot.sh"
at_exit end_guest

end_guest() { [ -z "$QEMU_PID" ] || kill -KILL "$QEMU_PID"; }

# pages_of ARCHIVE: dev:ino of every file found → nrpages, state, path
files_of() {
	member "$1" tables/page_cache_files.tsv | awk -F'\t' -v OFS='\t' '
		NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next }
		{ print $c["dev"], $c["ino"], $c["nrpages"], $c["state"], $c["path"], $c["size"], $c["file"] }'
}

# scan_value ARCHIVE KEY
scan_value() { member "$1" tables/page_cache_scan.tsv | awk -F'\t' -v k="$2" '$1 == k { print $2 }'; }

# compare_truth KERNEL SOURCE DIR: every file of the truth, found once, with its exact size.
compare_truth() {
	local kernel=$1 source=$2 dir=$3 name state path dev ino bytes pages found want
	files_of "$dir/$source.tar.zst" >"$dir/$source.files"
	while IFS=$'\t' read -r name state path dev ino bytes pages; do
		want=$(((bytes + 4095) / 4096))
		if [ "$pages" -lt "$want" ]; then
			if [ "$name" = evicted ] && [ "$pages" = 0 ]; then
				skip "$kernel $source: evicted" "this kernel drops the pages with the name"
			else
				fail "$kernel $source: $name" "the guest itself has $pages of $want pages cached"
			fi
			continue
		fi
		found=$(awk -F'\t' -v d="$dev" -v i="$ino" '$1 == d && $2 == i { print $3 "\t" $4 "\t" $5 }' "$dir/$source.files")
		if [ -z "$found" ]; then
			fail "$kernel $source: $name" "not found (device $dev, inode $ino, $pages pages)"
		elif [ "$(printf '%s\n' "$found" | wc -l)" != 1 ]; then
			fail "$kernel $source: $name" "found more than once: $found"
		elif [ "${found%%$'\t'*}" != "$pages" ]; then
			fail "$kernel $source: $name" "$pages pages expected, found ${found//$'\t'/ }"
		elif ! path_fits "$state" "$path" "$(cut -f2 <<<"$found")" "$(cut -f3 <<<"$found")"; then
			fail "$kernel $source: $name" "$state '$path' expected, found ${found//$'\t'/ }"
		else
			ok "$kernel $source: $name is there with its $pages pages, $(cut -f2 <<<"$found")"
		fi
	done < <(cat "$dir/truth.after" "$dir/truth.evicted.after")
}

# path_fits EXPECTED-STATE EXPECTED-PATH STATE PATH
path_fits() {
	case $1 in
	any) [ "$3" = unresolved ] || [ "$4" = "$2" ] ;;
	unnamed) [ "$3" = unnamed ] && [[ $4 == *"$2"* ]] ;;
	deleted) [ "$3" = deleted ] && [[ $4 == *"$2"* ]] ;;
	*) [ "$3" = "$1" ] && [[ "|$2|" == *"|$4|"* ]] ;;
	esac
}

# compare_sum KERNEL SOURCE DIR: all that was found, against the kernel's sum right before and right
# after the scan.  Those two readings stand in the archive, since the tool's own shared memory counts
# too and is gone after it; they are held against what the guest read before and after the tool ran.
compare_sum() {
	local found mean difference before after guest
	before=$(scan_value "$3/$2.tar.zst" meminfo_cached_kb_before)
	after=$(scan_value "$3/$2.tar.zst" meminfo_cached_kb_after)
	found=$(awk -F'\t' '{ s += $3 } END { printf "%d", s * 4 }' "$3/$2.files")
	mean=$(((${before:-0} + ${after:-0}) / 2))
	difference=$((found > mean ? found - mean : mean - found))
	if [ "$mean" -gt 0 ] && [ $((difference * 200)) -le "$mean" ]; then
		ok "$1 $2: the sum found is within 0.5% of Cached + Buffers ($found and $mean KiB)"
	else
		fail "$1 $2: the sum found is within 0.5% of Cached + Buffers" "$found KiB found, $mean KiB in meminfo"
	fi
	guest=$(awk '/^(Cached|Buffers):/ { s += $2 } END { printf "%d", s / 2 }' "$3/meminfo.$2")
	difference=$((guest > mean ? guest - mean : mean - guest))
	check "$1 $2: the tool read the same meminfo as the guest, give or take its own 4 MiB ($mean and $guest KiB)" \
		test "$difference" -le 4096
}

# compare_samples KERNEL SOURCE DIR: with every page read, each file's samples are all its pages.
compare_samples() {
	local wrong
	wrong=$(member "$3/$2.tar.zst" tables/page_cache_samples.tsv | awk -F'\t' '
		FILENAME == ARGV[1] { if (FNR == 1) for (i = 1; i <= NF; i++) c[$i] = i; else n[$c["file"]] += $c["pages"]; next }
		FILENAME == ARGV[2] { truth[$4 FS $5] = $1; next }
		($1 FS $2) in truth && n[$7] != $3 { printf "%s: %d samples of %d pages; ", truth[$1 FS $2], n[$7], $3 }' \
		- "$3/truth.after" "$3/$2.files")
	equal "$1 $2: each file's samples are all its pages" "" "$wrong"
}

same_and_many() { diff "$1" "$2" && [ "$(wc -l <"$1")" -ge 13 ]; }

# compare_cgroup KERNEL SOURCE DIR: the group that wrote a file
compare_cgroup() {
	local kernel=$1 source=$2 dir=$3 file group path
	file=$(awk -F'\t' '$5 == "/charged" { print $7 }' "$dir/$source.files")
	group=$(member "$dir/$source.tar.zst" tables/page_cache_samples.tsv | awk -F'\t' -v f="$file" '
		NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next }
		$c["file"] == f { n[$c["cgroup"]] += $c["pages"] }
		END { for (g in n) print g "=" n[g] }')
	path=$(member "$dir/$source.tar.zst" tables/page_cache_cgroups.tsv | awk -F'\t' -v g="${group%=*}" '
		NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next }
		$c["cgroup"] == g { print $c["path"] }')
	equal "$kernel $source: a group's file is charged to it, all 512 pages" "/ossnap-spine 512" "$path ${group#*=}"
}

one_kernel() {
	local kernel=$1 dir=$TMP/results-$1 source
	if ! get_kernel "$kernel"; then
		skip "kernel $kernel" "$REASON"
		return
	fi
	# Both ways to lay out the kernel's addresses, over the kernels.
	case $kernel in
	6.1 | newest) CPU=max ;;
	*) CPU=max,la57=off ;;
	esac
	make_initramfs "$TMP/initramfs-$kernel.gz" "$VM/guest/spine.sh" "$TMP/bin/ossnap-capture" "$TMP/bin/truth"
	boot "$TMP/initramfs-$kernel.gz" 150 "$dir" || {
		fail "$kernel: boots and comes back" "$REASON"
		return
	}
	[ -z "${VM_KEEP:-}" ] || { mkdir -p "$VM_KEEP" && rm -rf "${VM_KEEP:?}/$kernel" && cp -r "$dir" "$VM_KEEP/$kernel"; }
	ok "$kernel: boots and comes back ($KERNEL_VERSION, boot $BOOTS of at most $BOOT_TRIES)"
	equal "$kernel: the static binary starts" "$("$CAPTURE" --version)" "$(cat "$dir/version")"
	check "$kernel: list names the page-cache collector" grep -q '^page-cache' "$dir/list"
	equal "$kernel: check says that all can run" "0" "$(cat "$dir/check.exit")"
	check "$kernel: the guest has huge pages of shared memory" awk '/^ShmemHugePages/ { exit !($2 >= 4096) }' "$dir/meminfo.huge"
	check "$kernel: the truth did not move meanwhile" cmp "$dir/truth.before" "$dir/truth.after"
	for source in kcore bpf auto; do
		equal "$kernel $source: the capture is complete" "0" \
			"$(cat "$dir/$source.exit")$([ "$(cat "$dir/$source.exit")" = 0 ] || tail -3 "$dir/$source.err")"
		equal "$kernel $source: the archive is whole" "0" "$(cat "$dir/$source.verify.exit")"
		[ -f "$dir/$source.tar.zst" ] || continue
		equal "$kernel $source: read by what was asked for, all of it" "${source/auto/kcore} 1 1" \
			"$(scan_value "$dir/$source.tar.zst" source) $(scan_value "$dir/$source.tar.zst" one_in) $(scan_value "$dir/$source.tar.zst" finished)"
		[ "$source" = auto ] && continue
		compare_truth "$kernel" "$source" "$dir"
		compare_sum "$kernel" "$source" "$dir"
		compare_cgroup "$kernel" "$source" "$dir"
		compare_samples "$kernel" "$source" "$dir"
	done
	# The same answer by both ways, for every file of the scenario's file systems.
	for source in kcore bpf; do
		awk -F'\t' 'NR == FNR { d[$4]; next } $1 in d { print $1, $2, $3, $4, $5, $6 }' \
			"$dir/truth.after" "$dir/$source.files" 2>/dev/null | grep -v ' /results/' | sort >"$dir/$source.same"
	done
	check "$kernel: kcore and bpf give the same files with the same sizes ($(wc -l <"$dir/bpf.same"))" \
		same_and_many "$dir/kcore.same" "$dir/bpf.same"
}

# A locked kernel: the rest is captured, and the archive says why the scan is missing.
locked_kernel() {
	local kernel=$1 dir=$TMP/locked-$1 source reason
	make_initramfs "$TMP/locked-$kernel.gz" "$VM/guest/lockdown.sh" "$TMP/bin/ossnap-capture"
	boot "$TMP/locked-$kernel.gz" 90 "$dir" lockdown=confidentiality || {
		fail "$kernel locked: boots and comes back" "$REASON"
		return
	}
	[ -z "${VM_KEEP:-}" ] || { rm -rf "${VM_KEEP:?}/$kernel-locked" && cp -r "$dir" "$VM_KEEP/$kernel-locked"; }
	check "$kernel locked: the guest is" grep -qF '[confidentiality]' "$dir/lockdown"
	equal "$kernel locked: check says that some cannot run" 3 "$(cat "$dir/check.exit")"
	for source in auto kcore bpf; do
		equal "$kernel locked $source: the archive is written, partial" 3 "$(cat "$dir/$source.exit")"
		equal "$kernel locked $source: page-cache was denied, and nothing else failed" "page-cache denied" \
			"$(member "$dir/$source.tar.zst" manifest.json | jq -r '.collectors[] | select(.status | IN("ok", "unsupported", "skipped") | not) | "\(.name) \(.status)"')"
		reason=$(member "$dir/$source.tar.zst" manifest.json | jq -r '.collectors[] | select(.name == "page-cache").reason')
		check "$kernel locked $source: the reason names the lockdown ($reason)" grep -q 'lockdown=confidentiality' <<<"$reason"
	done
	equal "$kernel locked: the head names it too" confidentiality \
		"$(member "$dir/auto.tar.zst" capture.json | jq -r .privilege.lockdown)"
}

if [ "$(uname -m)" != x86_64 ]; then
	skip "vm lane" "the guests are x86_64, what was built is $(uname -m)"
	exit 0
fi
for tool in "$QEMU" cpio mkfs.ext4 busybox jq apt-get; do
	if ! command -v "$tool" >/dev/null; then
		skip "vm lane" "$tool is not installed"
		exit 0
	fi
done
if readelf -l "$(command -v busybox)" | grep -q INTERP; then
	skip "vm lane" "$(command -v busybox) is not static (package busybox-static)"
	exit 0
fi
if [ ! -x "$CAPTURE" ]; then
	fail "vm lane" "$CAPTURE is not built"
	exit 1
fi
mkdir "$TMP/bin"
strip -o "$TMP/bin/ossnap-capture" "$CAPTURE"
if ! ${CC:-cc} -std=gnu17 -D_GNU_SOURCE -O2 -Wall -Wextra -static -o "$TMP/bin/truth" "$VM/guest/truth.c"; then
	fail "vm lane" "truth.c does not build"
	exit 1
fi
[ $# -gt 0 ] || set -- 5.10 6.1 6.12 newest
for kernel; do
	one_kernel "$kernel"
	[ "$kernel" != 6.1 ] || [ ! -d "$TMP/results-6.1" ] || locked_kernel 6.1
done
