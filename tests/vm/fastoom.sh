#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The guard at node scope and on cgroup v2: tests/vm/fastoom.sh [KERNEL...] (default 6.1).
# Not yet the matrix of issue 6: one seed, no peers beside it.  VM_KEEP=DIR keeps results.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
VM=$TOP/tests/vm
QEMU_PID=
# shellcheck source=tests/vm/kernel.sh
. "$VM/kernel.sh"
# shellcheck source=tests/vm/boot.sh
. "$VM/boot.sh"
FASTOOM=${FASTOOM:-$BUILD/capture/fastoom/bin/fastoom}
end_guest() { [ -z "$QEMU_PID" ] || kill -KILL "$QEMU_PID"; }
at_exit end_guest
command -v "$QEMU" >/dev/null || { skip "vm fastoom" "no $QEMU"; exit 0; }
mkdir -p "$TMP/bin"
cp "$FASTOOM" "$TMP/bin/fastoom"
gcc -static -O2 -o "$TMP/bin/native-fastoom_hog" "$TOP/tests/native/fastoom_hog.c" -lpthread

# cell DIR KERNEL NAME STATE KERNEL-KILLS
cell() {
	local line
	line=$(grep "^$3 " "$1/cells")
	check "$2 $3: ${line:-no result}" test "$(awk '{ print $4, $5, $6 }' <<<"$line")" = "hog=$4 innocents=3 kernel=0"
}

for kernel in "${@:-6.1}"; do
	dir=$TMP/results-$kernel
	get_kernel "$kernel" || { skip "kernel $kernel" "$REASON"; continue; }
	make_initramfs "$TMP/initramfs.gz" "$VM/guest/fastoom.sh" "$TMP/bin/fastoom" "$TMP/bin/native-fastoom_hog"
	if ! boot "$TMP/initramfs.gz" 420 "$dir"; then
		fail "$kernel: boots and comes back" "$REASON"
		continue
	fi
	[ -z "${VM_KEEP:-}" ] || { mkdir -p "$VM_KEEP" && cp -r "$dir" "$VM_KEEP/fastoom-$kernel"; }
	for name in leak-20 leak-100 leak-full group-100 group-full swap-100 swap-full; do
		cell "$dir" "$kernel" $name gone
		equal "$kernel $name: the hog, and nobody else, by the guard's hand" hog \
			"$(jq -r 'select(.event == "kill") | .victim.comm' "$dir/journals/$name.jsonl" | paste -sd' ')"
	done
	for name in stream tmpfs; do cell "$dir" "$kernel" $name alive; done
done
