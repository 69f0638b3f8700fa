#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Frames of Python in the stacks, for the Pythons of Debian's suites, each in a root of its own.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../python_roots.sh"
. "$(dirname "$0")/../stacks_python_lib.sh"
need_root "Python frames"
if [ "$(uname -m)" != x86_64 ]; then
	skip "Python frames" "x86-64 only"
	exit 0
fi

try_root() {
	local name=$1 root=$2 python=$3
	cp "$HERE/stacks_planted.py" "$HERE/stacks_planted_other.py" "$root/"
	mkdir -p "$root/proc"
	mount --bind /proc "$root/proc" && at_exit umount "$root/proc"
	try_stacks "$name" "${python##*python}" /stacks_planted.py chroot "$root" "$python"
	umount "$root/proc"
}
in_roots try_root
