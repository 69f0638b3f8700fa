#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The Pythons of Debian's suites, each with its own C library in a root of its own (packages through
# apt, unpacked with dpkg -x, kept under build/pythons), as in a container: heaps by type, against
# what the program itself counts.  3.8, 3.10 and 3.12 are in no suite; heaps_python.sh takes those
# that are installed.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../heaps_lib.sh"
. "$(dirname "$0")/../vm/kernel.sh"
need_root "Pythons of Debian's suites"
CACHE=$TOP/build/pythons

# root_of SUITE VERSION: sets ROOT, or REASON.
root_of() {
	local stage packages
	ROOT=$CACHE/$1-$2
	REASON=
	[ ! -x "$ROOT/usr/bin/python$2" ] || return 0
	REASON=$(update_suite "$1") || return 1
	packages=$(private_apt "$1" apt-get -s install --no-install-recommends "python$2-minimal" "libpython$2-stdlib" 2>/dev/null |
		awk '/^Inst / { print $2 }')
	if [ -z "$packages" ]; then
		REASON="$1: has no python$2"
		return 1
	fi
	stage=$(mktemp -d "$CACHE/stage.XXXXXX")
	# shellcheck disable=SC2086
	if ! (cd "$stage" && private_apt "$1" apt-get -o Acquire::http::Timeout=20 download $packages) >"$stage/log" 2>&1; then
		REASON="apt-get download from $1: $(grep -E '^[EW]:' "$stage/log" | head -1)"
		rm -rf "$stage"
		return 1
	fi
	mkdir "$stage/root"
	for deb in "$stage"/*.deb; do
		dpkg -x "$deb" "$stage/root" 2>/dev/null || REASON="dpkg -x $(basename "$deb")"
	done
	for dir in lib lib64; do
		[ -e "$stage/root/$dir" ] || ln -s "usr/$dir" "$stage/root/$dir"
	done
	rm -rf "$ROOT"
	mv "$stage/root" "$ROOT"
	rm -rf "$stage"
	[ -z "$REASON" ]
}

mkdir -p "$CACHE"
exec 9>"$CACHE/lock"
for one in bullseye:3.9 bookworm:3.11 trixie:3.13 sid:3.13 sid:3.14; do
	suite=${one%:*} version=${one#*:}
	flock -w 120 9
	root_of "$suite" "$version"
	got=$?
	flock -u 9
	if [ "$got" != 0 ]; then
		skip "Python $version of $suite" "$REASON"
		continue
	fi
	mkdir -p "$TMP/root"
	mount --bind "$ROOT" "$TMP/root" || { skip "Python $version of $suite" "mount --bind: refused"; continue; }
	at_exit umount "$TMP/root"
	cp "$HERE/heap_truth.py" "$ROOT/heap_truth.py"
	full=$(chroot "$TMP/root" "/usr/bin/python$version" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])')
	TRUTH=/heap_truth.py try_python "Python ${full:-$version} of $suite" chroot "$TMP/root" "/usr/bin/python$version"
	umount "$TMP/root"
done
