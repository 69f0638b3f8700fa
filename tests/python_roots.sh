# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced: Pythons of Debian's suites, each with its own C library in a root of its own, as in a
# container: packages through apt, unpacked with dpkg -x, kept under build/pythons.
. "$TOP/tests/vm/kernel.sh"

DEBIAN_PYTHONS="bullseye:3.9 bookworm:3.11 trixie:3.13 sid:3.13 sid:3.14"
PYTHON_CACHE=$TOP/build/pythons

# root_of SUITE VERSION: sets ROOT, or REASON.
root_of() {
	local stage packages
	ROOT=$PYTHON_CACHE/$1-$2
	REASON=
	[ ! -x "$ROOT/usr/bin/python$2" ] || return 0
	REASON=$(update_suite "$1") || return 1
	packages=$(private_apt "$1" apt-get -s install --no-install-recommends "python$2-minimal" "libpython$2-stdlib" 2>/dev/null |
		awk '/^Inst / { print $2 }')
	if [ -z "$packages" ]; then
		REASON="$1: has no python$2"
		return 1
	fi
	stage=$(mktemp -d "$PYTHON_CACHE/stage.XXXXXX")
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

# in_roots COMMAND...: COMMAND NAME ROOT PYTHON for each, ROOT a mount of its own.
in_roots() {
	local one suite version got
	mkdir -p "$PYTHON_CACHE"
	exec 9>"$PYTHON_CACHE/lock"
	for one in $DEBIAN_PYTHONS; do
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
		if ! mount --bind "$ROOT" "$TMP/root"; then
			skip "Python $version of $suite" "mount --bind: refused"
			continue
		fi
		at_exit umount "$TMP/root"
		"$@" "Python $version of $suite" "$TMP/root" "/usr/bin/python$version"
		umount "$TMP/root"
	done
}
