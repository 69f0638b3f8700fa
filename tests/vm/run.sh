#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The vm lane: tests/vm/run.sh [WORD...], a word being [arm64/]KERNEL[+CASE...] with KERNEL one of
# 5.10 6.1 6.12 newest and the cases of cases.sh; "locked/6.1" is the locked-down guest, "delays/6.1" the probes and a capture of all collectors (default: WORDS below).
# Boots Debian's own kernels under QEMU and compares what the capture tool finds through /proc/kcore
# and through BPF with the guest's own truth.  Kernels are cached under ~/.cache/ossnap-vm.
# VM_KEEP=DIR keeps what came out of the guests.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
VM=$TOP/tests/vm
WORDS=(5.10+v1 delays/5.10 6.1 delays/6.1 locked/6.1 6.1+v1+nokaslr 6.1+hugetlb+numa 6.1+hotplug 6.12+16g delays/6.12 newest delays/newest
	newest+folios+4level arm64/5.10 arm64/6.1 arm64/6.12 arm64/newest arm64/6.12+16k)
QEMU_PID=
# shellcheck source=tests/vm/kernel.sh
. "$VM/kernel.sh"
# shellcheck source=tests/vm/arm64.sh
. "$VM/arm64.sh"
# shellcheck source=tests/vm/boot.sh
. "$VM/boot.sh"
# shellcheck source=tests/vm/cases.sh
. "$VM/cases.sh"
# shellcheck source=tests/vm/compare.sh
. "$VM/compare.sh"
ARM64_BUILD=${ARM64_BUILD:-${BUILD%/*}/arm64}
at_exit end_guest

end_guest() { [ -z "$QEMU_PID" ] || kill -KILL "$QEMU_PID"; }

# keep NAME DIR
keep() { [ -z "${VM_KEEP:-}" ] || { mkdir -p "$VM_KEEP" && rm -rf "${VM_KEEP:?}/${1//\//-}" && cp -r "$2" "$VM_KEEP/${1//\//-}"; }; }

# static NAME SOURCE: a program for the guests, once.
static() {
	[ -x "$TMP/bin/$1" ] || ${CC:-cc} -std=gnu17 -D_GNU_SOURCE -O2 -static -o "$TMP/bin/$1" "$2"
}

one_word() {
	local word=$1 dir=$TMP/results-${1//\//-} source status
	if ! set_case "$word"; then
		fail "$word" "$REASON"
		return
	fi
	local programs=("$TMP/bin/ossnap-capture" "$TMP/bin/truth")
	if [ "$ARCH" = arm64 ]; then
		build_arm64
		status=$?
		[ $status != 1 ] || skip "$word" "$REASON"
		[ $status = 0 ] || return
		programs=("$TMP/arm64/ossnap-capture" "$TMP/arm64/truth")
	fi
	for tool in "$QEMU" $(! has folios || echo mkfs.xfs); do
		command -v "$tool" >/dev/null || {
			skip "$word" "$tool is not installed"
			return
		}
	done
	if ! get_kernel "$KERNEL" "$ARCH" "$FLAVOUR"; then
		skip "$word" "$REASON"
		return
	fi
	# This kernel has what ours does not: udmabuf.
	if [ "$ARCH/$KERNEL" = x86_64/6.12 ]; then
		if static native-hog "$TOP/tests/native/hog.c"; then
			programs+=("$TMP/bin/native-hog")
		else
			fail "$word: memory that no process list shows" "hog.c does not build"
		fi
	fi
	make_initramfs "$TMP/initramfs.gz" "$VM/guest/spine.sh" "${programs[@]}"
	boot "$TMP/initramfs.gz" 200 "$dir" || {
		fail "$word: boots and comes back" "$REASON"
		return
	}
	ok "$word: boots and comes back ($KERNEL_VERSION, $SECONDS s, boot $BOOTS of at most $BOOT_TRIES)"
	TEXTS+=("$(cut -d' ' -f1 "$dir/text")")
	case_proof "$word" "$dir"
	equal "$word: the static binary starts" "$("$CAPTURE" --version)" "$(cat "$dir/version")"
	check "$word: list names the page-cache collector" grep -q '^page-cache' "$dir/list"
	equal "$word: check says that all can run" "0" "$(cat "$dir/check.exit")"
	PAGE=$(cat "$dir/pagesize")
	equal "$word: huge pages of shared memory" "$(cut -d' ' -f2 "$dir/tails")" "$(cut -d' ' -f1 "$dir/tails")"
	check "$word: the truth did not move meanwhile" cmp "$dir/truth.before" "$dir/truth.after"
	for source in kcore bpf auto; do
		equal "$word $source: the capture is complete" "0" \
			"$(cat "$dir/$source.exit")$([ "$(cat "$dir/$source.exit")" = 0 ] || tail -3 "$dir/$source.err")"
		equal "$word $source: the archive is whole" "0" "$(cat "$dir/$source.verify.exit")"
		[ -f "$dir/$source.tar.zst" ] || continue
		equal "$word $source: read by what was asked for, all of it" "${source/auto/kcore} 1 1" \
			"$(scan_value "$dir/$source.tar.zst" source) $(scan_value "$dir/$source.tar.zst" one_in) $(scan_value "$dir/$source.tar.zst" finished)"
		[ "$source" = auto ] && continue
		files_of "$dir/$source.tar.zst" >"$dir/$source.files"
		compare_all "$word" "$source" "$dir"
	done
	compare_both "$word" "$dir"
	compare_low "$word" "$dir"
	# Since 5.9 they are its parent's: the table of slab that keeps groups is one of older kernels.
	check "$word: slab keeps no deleted group ($(tr '\n' ' ' <"$dir/slab"))" \
		awk '$1 == "slab" && $2 >= 200000 { big = 1 } $1 == "groups" && $2 == $3 && $5 == 400 { gone = 1 } END { exit !(big && gone) }' "$dir/slab"
	for source in kcore bpf; do compare_recording "$word" $source "$dir"; done
	# While memory comes and goes, and on kernels that count less (5.10), more has no name.
	case $ARCH/$KERNEL in
	x86_64/6.1 | x86_64/6.12) has hotplug || compare_named "$word" "$dir" ;;
	esac
	[[ " ${programs[*]} " != *"/native-hog "* ]] || compare_hogs "$word" "$dir"
	! has hotplug || compare_plugs "$word" "$dir"
	keep "$word" "$dir"
}

compare_all() {
	compare_truth "$@"
	compare_garbage "$@"
	compare_sum "$@"
	compare_cgroups "$@"
	compare_samples "$@"
	compare_dirty "$@"
	! has hugetlb || compare_hugetlb "$@"
}

# A locked kernel: the rest is captured, and the archive says why the scan is missing.
locked_kernel() {
	local kernel=$1 dir=$TMP/locked-$1 source reason status
	set_case "$kernel" || return
	if ! get_kernel "$kernel"; then
		skip "$kernel locked" "$REASON"
		return
	fi
	make_initramfs "$TMP/locked-$kernel.gz" "$VM/guest/lockdown.sh" "$TMP/bin/ossnap-capture"
	boot "$TMP/locked-$kernel.gz" 90 "$dir" lockdown=confidentiality || {
		fail "$kernel locked: boots and comes back" "$REASON"
		return
	}
	keep "$kernel-locked" "$dir"
	check "$kernel locked: the guest is" grep -qF '[confidentiality]' "$dir/lockdown"
	# The scan and the stacks have a lower rung; the probes, which read the kernel's memory as well, have none.
	equal "$kernel locked: check says that some cannot run" 3 "$(cat "$dir/check.exit")"
	check "$kernel locked: and which rung ($(grep -m1 'through' "$dir/check"))" grep -q 'through kpageflags' "$dir/check"
	equal "$kernel locked: auto stands on kpageflags" kpageflags \
		"$(member "$dir/auto.tar.zst" tables/page_cache_scan.tsv | awk -F'\t' '$1 == "source" { print $2 }')"
	equal "$kernel locked auto: the archive is written, partial" 3 "$(cat "$dir/auto.exit")"
	# Of a lower rung, because the higher ones were refused.
	equal "$kernel locked auto: page-cache was partial" "partial" \
		"$(member "$dir/auto.tar.zst" manifest.json | jq -r '.collectors[] | select(.name == "page-cache").status')"
	equal "$kernel locked auto: what failed beside it was refused, and says by what" "" \
		"$(member "$dir/auto.tar.zst" manifest.json | jq -r '.collectors[] | select(.name != "page-cache" and (.status | IN("ok", "unsupported", "skipped") | not)) |
			select((.status | IN("denied", "partial") | not) or (.reason | test("lockdown=confidentiality") | not)) | "\(.name) \(.status) \(.reason)"')"
	equal "$kernel locked auto: the probes of delays were" "5" \
		"$(member "$dir/auto.tar.zst" manifest.json | jq -r '[.collectors[] | select(.name | IN("syscalls", "reclaim", "sched-delay", "block-io", "net-receive")) | select(.status | IN("denied", "partial"))] | length')"
	check "$kernel locked auto: stacks are those of perf events" jq -e '.collectors[] | select(.name == "stacks") |
		.status == "partial" and (.reason | test("lockdown=confidentiality.*; using perf events"))' <(member "$dir/auto.tar.zst" manifest.json)
	reason=$(member "$dir/auto.tar.zst" manifest.json | jq -r '.collectors[] | select(.name == "page-cache").reason')
	check "$kernel locked auto: the reason names the lockdown ($reason)" grep -q 'lockdown=confidentiality' <<<"$reason"
	for source in kcore bpf; do
		equal "$kernel locked $source by name: refused before starting" 5 "$(cat "$dir/$source.exit")"
		check "$kernel locked $source: the reason names the lockdown ($(cat "$dir/$source.err"))" grep -q 'lockdown=confidentiality' "$dir/$source.err"
	done
	equal "$kernel locked: the head names it too" confidentiality \
		"$(member "$dir/auto.tar.zst" capture.json | jq -r .privilege.lockdown)"
}

# A capture of all collectors: each works here or says why not.
whole_capture() {
	local word=$1 dir=$2 manifest=$2/default.manifest exit
	exit=$(cat "$dir/default.exit")
	check "$word all: the archive is written ($exit $([ "$exit" = 0 ] || tail -3 "$dir/default.err"))" test "$exit" = 0 -o "$exit" = 3
	equal "$word all: verify says the same" "$exit" "$(cat "$dir/default.verify.exit")"
	member "$dir/default.tar.zst" manifest.json >"$manifest"
	equal "$word all: every collector was run" "$(grep -c '^ *needs:' "$dir/list")" "$(jq '.collectors | length' "$manifest")"
	equal "$word all: none failed, and what is not there has a reason" "" \
		"$(jq -r '.collectors[] | select(.status == "error" or (.status != "ok" and (.reason // "") == "")) | "\(.name) \(.status) \(.reason)"' "$manifest")"
	ok "$word all: $(jq -r '[.collectors[] | select(.status != "ok") | "\(.name) \(.status): \(.reason)"] | join("; ")' "$manifest")"
	"$ANALYZE" -q -o "$dir/default.html" --json "$dir/default.json" "$dir/default.tar.zst" 2>"$dir/default.analyze"
	equal "$word all: and it is analysed" "$exit" $?
}

# The probes of delays: each runs on this kernel or says why not, and counts what the loads did.
delays_kernel() {
	local kernel=$1 dir=$TMP/delays-$1 json status pid count row
	set_case "$kernel" || return
	# With a thread for each CPU QEMU (7.2) may go on executing a breakpoint that a CPU has come upon while another one
	# was patching the kernel's text there, as it does for every tracepoint: both CPUs hang in that for ever.
	local ACCEL=tcg,thread=single
	if ! get_kernel "$kernel"; then
		skip "$kernel delays" "$REASON"
		return
	fi
	if ! static load "$TOP/tests/native/load.c"; then
		fail "$kernel delays" "load.c does not build"
		return
	fi
	make_initramfs "$TMP/delays-$kernel.gz" "$VM/guest/delays.sh" "$TMP/bin/ossnap-capture" "$TMP/bin/load"
	boot "$TMP/delays-$kernel.gz" 200 "$dir" || {
		fail "$kernel delays: boots and comes back" "$REASON"
		return
	}
	keep "$kernel-delays" "$dir"
	ok "$kernel delays: boots and comes back ($SECONDS s)"
	whole_capture "$kernel" "$dir"
	equal "$kernel delays: the capture is complete" 0 "$(cat "$dir/delays.exit")$([ "$(cat "$dir/delays.exit")" = 0 ] || tail -3 "$dir/delays.err")"
	json=$dir/delays.json
	"$ANALYZE" -q -o "$dir/delays.html" --json "$json" "$dir/delays.tar.zst" || {
		fail "$kernel delays: the archive is analysed" ""
		return
	}
	for status in syscalls reclaim sched-delay block-io net-receive; do
		equal "$kernel delays: $status runs" "ok" "$(jq -r ".collectors[] | select(.name == \"$status\") | .status + (if .status == \"ok\" then \"\" else \" \" + .reason end)" "$json")"
	done
	# about NAME TRUTH JQ: within 10 %, or in the interval.
	about() {
		row=$(jq -r "[$3] | if length == 0 then \"nothing\" else .[0] | [.count, .count_interval[0], .count_interval[1]] | @tsv end" "$json")
		check "$kernel delays: $1 ($2: $row)" awk -v t="$2" '$1 != "nothing" && (($1 >= 0.9 * t && $1 <= 1.1 * t) || ($2 <= t && t <= $3)) { good = 1 } END { exit !good }' <<<"$row"
	}
	read -r pid count _ <"$dir/calls"
	about "system calls" "$count" ".hotspot.syscalls[] | select(.pid == $pid and .name == \"getppid\")"
	read -r pid count _ <"$dir/proc"
	about "opened files below /proc" "$count" ".hotspot.proc_files[] | select(.pid == $pid and .operation == \"open\" and .path == \"/proc/*/stat\")"
	read -r pid count _ <"$dir/tcp"
	about "TCP packets" "$count" ".hotspot.net_receive[] | select(.pid == $pid)"
	check "$kernel delays: what they lay" jq -e "[.hotspot.net_receive[] | select(.pid == $pid)][0] | .seconds / .count | . > 0.04 and . < 0.3" "$json"
	if jq -e '.collectors[] | select(.name == "net-receive") | (.notes // "") | test("UDP is not seen")' "$json" >/dev/null; then
		ok "$kernel delays: UDP is not seen here, and it is said"
	else
		read -r pid count _ <"$dir/udp"
		about "UDP packets" "$count" ".hotspot.net_receive[] | select(.pid == $pid and .protocol == \"udp\")"
	fi
	read -r pid _ _ count <"$dir/spin"
	check "$kernel delays: run delay ($count)" jq -e "[.hotspot.sched_delay[] | select(.pid == $pid)][0].seconds | . > 0.7 * $count and . < 1.3 * $count + 0.1" "$json"
	check "$kernel delays: reads of a disk" jq -e '[.hotspot.block_io[] | select(.operation == "read" and .bytes >= 1048576 and .seconds > 0 and .device != "")] | length >= 1' "$json"
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
mkdir "$TMP/bin" "$TMP/arm64"
strip -o "$TMP/bin/ossnap-capture" "$CAPTURE"
if ! ${CC:-cc} -std=gnu17 -D_GNU_SOURCE -O2 -Wall -Wextra -static -o "$TMP/bin/truth" "$VM/guest/truth.c"; then
	fail "vm lane" "truth.c does not build"
	exit 1
fi
TEXTS=()
[ $# -gt 0 ] || set -- "${WORDS[@]}"
for word; do
	case $word in
	locked/*) locked_kernel "${word#*/}" ;;
	delays/*) delays_kernel "${word#*/}" ;;
	*) one_word "$word" ;;
	esac
done
# Where each boot found its kernel: were it always the same place, the lane would say nothing about KASLR.
[ ${#TEXTS[@]} -lt 3 ] || check "the kernel lay in different places ($(printf '%s\n' "${TEXTS[@]}" | sort -u | wc -l) of ${#TEXTS[@]} boots)" \
	test "$(printf '%s\n' "${TEXTS[@]}" | sort -u | wc -l)" -ge 3
