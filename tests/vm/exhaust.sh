#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The exhaustion matrix: every guard in every scenario, and the table of what came of it.  Resumable: a boot
# whose cells are in $EXHAUST (default build/exhaust) is not booted again.
#   KERNELS="6.1 newest" MEMORIES="768" SWAPS="none disk" GUARDS="none earlyoom low medium high" SEEDS="1" \
#   SCENARIOS=leak-20,leak-100,leak-full,crowd,tmpfs,parked,stream,thrash,steady,backup tests/vm/exhaust.sh
# TABLE=1: print the table of what is there, boot nothing.  A slow disk: swap takes 20 MB/s.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
VM=$TOP/tests/vm
QEMU_PID=
# shellcheck source=tests/vm/kernel.sh
. "$VM/kernel.sh"
# shellcheck source=tests/vm/boot.sh
. "$VM/boot.sh"
EXHAUST=${EXHAUST:-$TOP/build/exhaust}
KERNELS=${KERNELS:-6.1}
MEMORIES=${MEMORIES:-768}
SWAPS=${SWAPS:-none disk}
GUARDS=${GUARDS:-none earlyoom low medium high}
SEEDS=${SEEDS:-1}
SCENARIOS=${SCENARIOS:-leak-20,leak-100,leak-full,crowd,tmpfs,parked,stream,thrash,steady,backup}
FASTOOM=${FASTOOM:-$BUILD/capture/fastoom/bin/fastoom}

table() {
	printf '%-10s %-5s %-9s %-10s %6s %8s %9s %10s %9s %6s %6s\n' kernel swap guard scenario MiB relief "worst ms" "total ms" innocents kernel verdict
	for cells in "$EXHAUST"/*/cells; do
		[ -s "$cells" ] || continue
		IFS=_ read -r kernel memory swap guard seed <<<"$(basename "$(dirname "$cells")")"
		awk -v k="$kernel" -v m="$memory" -v s="$swap" -v g="$guard" -v seed="$seed" '{
			if ($2 == "none") verdict = $6 ? "kernel" : $4 == "gone" || $5 < 3 ? "KILLED" : "right"
			else if ($1 == "crowd") verdict = $6 ? "kernel" : $5 < 3 ? "INNOCENT" : "right"
			else verdict = $6 ? "kernel" : $5 < 3 ? "INNOCENT" : $4 != "gone" ? "alive" : "right"
			printf "%-10s %-5s %-9s %-10s %6d %8s %9d %10d %9d %6d %6s\n", k "/" seed, s, g, $1, m, $10, $7, $8, 3 - $5, $6, verdict }' "$cells"
	done | sort -k4,4 -k2,2 -k1,1 -k3,3
}
if [ -n "${TABLE:-}" ]; then
	table
	exit 0
fi
end_guest() { [ -z "$QEMU_PID" ] || kill -KILL "$QEMU_PID"; }
at_exit end_guest
command -v "$QEMU" >/dev/null || { skip "exhaustion" "no $QEMU"; exit 0; }
mkdir -p "$TMP/bin" "$EXHAUST"
cp "$FASTOOM" "$TMP/bin/fastoom"
gcc -static -O2 -o "$TMP/bin/native-fastoom_hog" "$TOP/tests/native/fastoom_hog.c" -lpthread
gcc -static -O2 -o "$TMP/bin/exhaust_probe" "$VM/guest/exhaust_probe.c"
programs=("$TMP/bin/fastoom" "$TMP/bin/native-fastoom_hog" "$TMP/bin/exhaust_probe")
# earlyoom as Debian ships it needs a C library: they go into /bin of the guest, and the loader is called by name.
if [[ " $GUARDS " == *" earlyoom "* ]]; then
	earlyoom=$(command -v earlyoom) || { skip "earlyoom" "not installed"; GUARDS=${GUARDS//earlyoom/}; }
	if [ -n "${earlyoom:-}" ]; then
		cp "$earlyoom" "$TMP/bin/earlyoom.real"
		cp -L "$(ldd "$earlyoom" | awk '/ld-linux/ { print $1 }')" "$TMP/bin/ld.so"
		cp -L "$(ldd "$earlyoom" | awk '/libc.so/ { print $3 }')" "$TMP/bin/libc.so.6"
		printf '#!/bin/sh\nexec /bin/ld.so --library-path /bin --argv0 earlyoom /bin/earlyoom.real "$@"\n' >"$TMP/bin/earlyoom"
		programs+=("$TMP/bin/earlyoom" "$TMP/bin/earlyoom.real" "$TMP/bin/ld.so" "$TMP/bin/libc.so.6")
	fi
fi
truncate -s 1G "$TMP/swap.raw"
QEMU_MORE=(-drive "file=$TMP/swap.raw,format=raw,if=virtio,cache=unsafe,throttling.bps-total=20000000")

for kernel in $KERNELS; do
	get_kernel "$kernel" || { skip "kernel $kernel" "$REASON"; continue; }
	make_initramfs "$TMP/initramfs.gz" "$VM/guest/exhaust.sh" "${programs[@]}"
	for memory in $MEMORIES; do for swap in $SWAPS; do for seed in $SEEDS; do for guard in $GUARDS; do
		GUEST_MEMORY=$memory
		name=${kernel}_${memory}_${swap}_${guard}_$seed
		[ ! -s "$EXHAUST/$name/cells" ] || continue
		GUEST_ARGUMENTS="OSSNAP_GUARD=$guard OSSNAP_SWAP=$swap OSSNAP_SEED=$seed OSSNAP_SCENARIOS=$SCENARIOS"
		rm -rf "${EXHAUST:?}/$name"
		if boot "$TMP/initramfs.gz" "${LIMIT:-900}" "$EXHAUST/$name"; then
			ok "$name: $(wc -l <"$EXHAUST/$name/cells") cells"
		else
			fail "$name" "$REASON"
		fi
	done; done; done; done
done
table | sed 's/^/# /'
