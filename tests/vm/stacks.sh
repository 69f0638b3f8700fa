#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Timed stacks under other kernels: tests/vm/stacks.sh [KERNEL...] (default 5.10 newest).  The
# programs load, stacks of a known depth reach their thread's start, Python (of bullseye, where it
# can be had) has its frames.  VM_KEEP=DIR keeps results.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
VM=$TOP/tests/vm
QEMU_PID=
# shellcheck source=tests/vm/kernel.sh
. "$VM/kernel.sh"
# shellcheck source=tests/vm/boot.sh
. "$VM/boot.sh"
# shellcheck source=tests/python_roots.sh
. "$TOP/tests/python_roots.sh"
end_guest() { [ -z "$QEMU_PID" ] || kill -KILL "$QEMU_PID"; }
at_exit end_guest
command -v "$QEMU" >/dev/null || { skip "vm stacks" "no $QEMU"; exit 0; }
mkdir -p "$TMP/bin"
gcc -std=gnu17 -D_GNU_SOURCE -static -O2 -o "$TMP/bin/native-stacks_load" "$TOP/tests/native/stacks_load.c" -lpthread

# What of Python its start needs, and a program; empty: there is none.
python=$TMP/bin/python.tar
mkdir -p "$PYTHON_CACHE" "$TMP/python"
if root_of bullseye 3.9; then
	(cd "$ROOT" && tar cf - usr/bin/python3.9 lib lib64 usr/lib/x86_64-linux-gnu/*.so* usr/lib/python3.9/*.py \
		usr/lib/python3.9/encodings usr/lib/python3.9/collections) | tar xf - -C "$TMP/python"
	cat >"$TMP/python/planted.py" <<'PY'
import time

def leaf():
    return sum(i for i in range(300))

def key(x):
    return leaf()

while True:
    sorted(range(20), key=key)
    time.sleep(0.05)
PY
	tar cf "$python" -C "$TMP/python" .
else
	skip "Python of bullseye" "$REASON"
	: >"$python"
fi

for kernel in "${@:-5.10 newest}"; do
	for kernel in $kernel; do
		dir=$TMP/results-$kernel
		get_kernel "$kernel" || { skip "kernel $kernel" "$REASON"; continue; }
		make_initramfs "$TMP/initramfs.gz" "$VM/guest/stacks.sh" "$TMP/bin/native-stacks_load" "$CAPTURE" "$python"
		if ! boot "$TMP/initramfs.gz" 200 "$dir"; then
			fail "$kernel: boots and comes back" "$REASON"
			continue
		fi
		[ -z "${VM_KEEP:-}" ] || { mkdir -p "$VM_KEEP/stacks-$kernel" && cp -r "$dir/." "$VM_KEEP/stacks-$kernel"; }
		archive=$dir/capture.tar.zst
		equal "$kernel: the capture is complete" 0 "$(cat "$dir/status")"
		equal "$kernel: stacks are" "ok " "$(member "$archive" manifest.json | jq -r '.collectors[] | select(.name == "stacks") | "\(.status) \(.reason)"')"
		read -r deep _ <"$dir/pids"
		process=$(member "$archive" tables/stack_processes.tsv | awk -F'\t' -v p="$deep" '$2 == p { print $1; exit }')
		check "$kernel: 40 calls have 40 frames and reach the start" awk -F'\t' -v p="$process" '
			NR > 1 && $2 == p { all++; n = split($4, f, " "); good += $5 == "root" && n >= 44 && n <= 48 }
			END { print good, all; exit !(good >= 10) }' <(member "$archive" tables/stack_stacks.tsv)
		[ -s "$python" ] || continue
		# The generator's and its caller's, sorted()'s key, the module that also sleeps: each with
		# its line, or that of its def when it has not begun.
		equal "$kernel: Python's frames" "<genexpr>:4 <module>:10 <module>:11 key:7 leaf:4" \
			"$(member "$archive" tables/stack_python.tsv | awk -F'\t' '$4 == "/planted.py" { print $3 ":" $5 }' | grep -vxE "key:6|leaf:3" | sort -u | tr '\n' ' ' | sed 's/ $//')"
	done
done
