#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Growing heaps under other kernels: tests/vm/leaks.sh [KERNEL...] (default 5.10 6.1 6.12 newest).
# VM_KEEP=DIR keeps results.
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
command -v "$QEMU" >/dev/null || { skip "vm leaks" "no $QEMU"; exit 0; }
mkdir -p "$TMP/bin"
# malloc is to be exported, so the guest gets a C library
gcc -std=gnu17 -D_GNU_SOURCE -O2 -o "$TMP/bin/native-leaks" "$TOP/tests/native/leaks.c" || exit 1
for library in ld-linux-x86-64.so.2 libc.so.6; do cp "$(gcc -print-file-name="$library")" "$TMP/bin/" || exit 1; done
# growth PID KIND FUNCTION PERCENT: what stayed at a function against the truth in MAP.out
near() {
	jq -r ".memory.heap_growth[] | select(.pid == $1 and .by == \"$2\") | .sites[] | select((.function // \"\") | test(\"$3\")) | .bytes" "$dir/report.json" |
		awk -v truth="$(awk '$1 == "done" { print $2 }' "$dir/$5.out")" -v percent="$4" '
			{ n += $1 }
			END { printf "%.1f MiB of %.1f\n", n / 1048576, truth / 1048576; exit !(truth && n > truth * (1 - percent / 100) && n < truth * (1 + percent / 100)) }'
}
kernels=("$@")
[ $# -gt 0 ] || kernels=(5.10 6.1 6.12 newest)
for kernel in "${kernels[@]}"; do
	dir=$TMP/results-$kernel
	get_kernel "$kernel" || { skip "kernel $kernel" "$REASON"; continue; }
	make_initramfs "$TMP/initramfs.gz" "$VM/guest/leaks.sh" "$TMP"/bin/* "$CAPTURE"
	if ! boot "$TMP/initramfs.gz" 250 "$dir"; then
		fail "$kernel: boots and comes back" "$REASON"
		continue
	fi
	[ -z "${VM_KEEP:-}" ] || { mkdir -p "$VM_KEEP/leaks-$kernel" && cp -r "$dir/." "$VM_KEEP/leaks-$kernel"; }
	equal "$kernel: the capture is complete" 0 "$(cat "$dir/status")"
	equal "$kernel: growth is looked at" on "$(member "$dir/capture.tar.zst" tables/stack_capture.tsv | awk -F'\t' '$1 == "growth" { print $2 }')"
	"$ANALYZE" -q --json "$dir/report.json" -o "$dir/report.html" "$dir/capture.tar.zst"
	read -r leak map <"$dir/pids"
	check "$kernel: page faults: mapping_site" near "$map" page-faults '^fill|^mapping_site' 35 map
	# A trap takes 0.2 ms under emulation, so it may not be looked at to the end: a quarter of what is allocated stays.
	check "$kernel: allocations: leaky_site has a quarter of them" awk -v s="$(jq -r ".memory.heap_growth[] | select(.pid == $leak and .by == \"allocations\") | ([.sites[] | select(.function == \"leaky_site\") | .bytes] | add // 0) / .came_bytes" "$dir/report.json")" 'BEGIN { print s; exit !(s > 0.18 && s < 0.32) }'
	check "$kernel: who frees what it takes is not accused" awk -v s="$(jq -r ".memory.heap_growth[] | select(.pid == $leak and .by == \"allocations\") | ([.sites[] | select(.function == \"churning_site\") | .bytes] | add // 0) / .kept_bytes * 100" "$dir/report.json")" 'BEGIN { print s; exit !(s != "" && s <= 10) }'
done
