#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the page-cache scan costs: BPF in full and sampled, beside reading /proc/kpageflags in
# batches and frame by frame.  Ratios are the result; times belong to this machine.
. "$(dirname "$0")/../lib.sh"
need_root "reading kernel memory"
[ -r /proc/kpageflags ] || { skip "scan" "no /proc/kpageflags"; exit 0; }

# bench NAME: the table, and CPU seconds per TiB of RAM (4 KiB frames)
bench() {
	nice -n -5 "$NATIVE/native-bench_scan" "${ROUNDS:-9}" >"$TMP/$1" || { fail "$1" "bench_scan failed"; return 1; }
	awk -F'\t' -v what="$1" '
		$1 == "open" { printf "# %s: open: %.1f ms CPU, once\n", what, $2 / 1e6; next }
		$1 == "1/64-first" { printf "# %s: 1/64, the first one, with loading its programs: %.1f ms CPU\n", what, $2 * $3 / 1e6; next }
		$1 == "resolve" { printf "# %s: naming: %.2f µs CPU a file, %d files\n", what, $2 / 1e3, $3; next }
		{ printf "# %s: %-10s %8.2f ns CPU a frame of RAM, %11.0f frames/s, %8.3f CPU s per TiB\n", what, $1, $2, 1e9 / $2, $2 * 268435456 / 1e9 }
	' "$TMP/$1"
}
ns() { awk -F'\t' -v w="$2" '$1 == w { print $2 }' "$TMP/$1"; }
# at_least NAME RATIO GOAL
at_least() {
	if awk -v r="$2" -v g="$3" 'BEGIN { exit !(r >= g) }'; then ok "$1: $2 times (goal $3)"; else fail "$1" "$2 times, goal $3"; fi
}
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f", a / b }'; }
compare() {
	at_least "$1: full BPF scan against batched kpageflags" "$(ratio "$(ns "$1" batched)" "$(ns "$1" full)")" 1
	at_least "$1: full BPF scan against one read of kpageflags a frame" "$(ratio "$(ns "$1" single)" "$(ns "$1" full)")" 10
	at_least "$1: sampled 1/64 against full" "$(ratio "$(ns "$1" full)" "$(ns "$1" 1/64)")" 8 # of what a full scan takes itself little is left
}

bench idle && compare idle
free=$(awk '/^MemFree:/ { print int($2 / 1024) }' /proc/meminfo)
if [ "$free" -gt 6000 ]; then
	mkdir "$TMP/fill"
	mount -t tmpfs -o size=4G fill "$TMP/fill" && at_exit umount -l "$TMP/fill"
	for i in $(seq 1024); do head -c 3M /dev/zero >"$TMP/fill/$i"; done
	bench filled && compare filled
else
	skip "with 3 GiB of shared memory" "only $free MiB free"
fi
