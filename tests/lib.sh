# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by every test script: results as TAP lines, a scratch directory, clean-up in reverse order.
# $BUILD names the build to test; $CAPTURE and $ANALYZE are its two programs.

set -u
TOP=${TOP:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}
BUILD=${BUILD:-$TOP/build/dev}
CAPTURE=${CAPTURE:-$BUILD/capture/ossnap-capture}
ANALYZE=${ANALYZE:-$BUILD/analyze/ossnap-analyze}
NATIVE=$BUILD/tests # native-NAME programs
PATH=$PATH:/usr/sbin:/sbin
TMP=$(mktemp -d "${TMPDIR:-/tmp}/ossnap-test.XXXXXX")
_cleanup=()

ok() { printf 'ok - %s\n' "$1"; }
fail() { printf 'not ok - %s: %s\n' "$1" "${2:-}" | tr '\n' ' '; echo; }
skip() { printf 'ok - %s # SKIP %s\n' "$1" "$2"; }

# check NAME COMMAND...: ok when the command succeeds; its output is shown when it does not.
check() {
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then ok "$name"; else fail "$name" "$(printf '%s' "$out" | tail -c 600)"; fi
}

# equal NAME EXPECTED GOT
equal() {
	if [ "$2" = "$3" ]; then ok "$1"; else fail "$1" "expected '$2', got '$3'"; fi
}

# at_exit COMMAND...: run when the script ends, last one first.
at_exit() { _cleanup+=("$(printf '%q ' "$@")"); }

_finish() {
	local i
	for ((i = ${#_cleanup[@]} - 1; i >= 0; i--)); do
		eval "${_cleanup[i]}" >/dev/null 2>&1
	done
	rm -rf --one-file-system "$TMP"
}
trap _finish EXIT
trap 'exit 130' INT TERM HUP

# need_root NAME: skip the rest of the script without privilege.
need_root() {
	[ "$(id -u)" = 0 ] && return 0
	skip "$1" "needs root"
	exit 0
}

# sanitized PROGRAM: whether it was built with the address sanitizer.
sanitized() { grep -q __asan_init "$1"; }

# member ARCHIVE NAME: a member's bytes; parts of a split member joined, repeated headers dropped.
member() {
	local top
	top=$(tar --zstd -tf "$1" | head -1 | cut -d/ -f1)
	case $2 in
	tables/*) tar --zstd -xOf "$1" --wildcards "$top/$2" "$top/$2.*" 2>/dev/null | awk 'NR == 1 { h = $0 } NR == 1 || $0 != h' ;;
	*) tar --zstd -xOf "$1" --wildcards "$top/$2" "$top/$2.*" 2>/dev/null ;;
	esac
}

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}
