#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Frames of Python in the stacks, for the Pythons that are installed here, against what the program
# itself sees: function, file and line of every frame, and their place in the native stack.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../stacks_python_lib.sh"
need_root "Python frames"
if [ "$(uname -m)" != x86_64 ]; then
	skip "Python frames" "x86-64 only"
	exit 0
fi

seen=" "
for python in /usr/bin/python3 /usr/bin/python3.[0-9]* ~/.pyenv/versions/3.*/bin/python3; do
	[ -x "$python" ] || continue
	version=$("$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || continue
	case $version in
	3.8.* | 3.9.* | 3.1[0-4].*) ;;
	*) continue ;;
	esac
	case $seen in *" $version "*) continue ;; esac
	seen="$seen$version "
	try_stacks "Python $version" "${version%.*}" "$HERE/stacks_planted.py" "$python"
done
[ "$seen" != " " ] || skip "Python frames" "no Python from 3.8 to 3.14 is installed"
