#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The Pythons of Debian's suites, each in a root of its own: heaps by type, against what the program
# itself counts.  3.8, 3.10 and 3.12 are in no suite; heaps_python.sh takes those that are installed.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../heaps_lib.sh"
. "$(dirname "$0")/../python_roots.sh"
need_root "Pythons of Debian's suites"

try_root() {
	local name=$1 root=$2 python=$3
	cp "$HERE/heap_truth.py" "$root/heap_truth.py"
	TRUTH=/heap_truth.py try_python "$name" chroot "$root" "$python"
}
in_roots try_root
