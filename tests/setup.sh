# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by tests/run and tests/try: installs what is needed and builds.
# OSSNAP_NO_INSTALL=1 leaves the machine's packages alone.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PATH=$PATH:/usr/sbin:/sbin # bpftool, losetup, debootstrap

# What building needs, and what the lanes need beside it.
PACKAGES_BUILD=(gcc libc6-dev cmake ninja-build pkg-config clang llvm bpftool libbpf-dev libelf-dev zlib1g-dev
	libarchive-dev libzstd-dev nettle-dev libyajl-dev libxml2-dev libseccomp-dev libcmocka-dev)
PACKAGES_TEST=(jq zstd qemu-system-x86 qemu-system-arm gcc-aarch64-linux-gnu libc6-dev-arm64-cross xfsprogs
	busybox-static cpio curl xz-utils chromium nodejs npm debootstrap clang-format clang-tidy libclang-rt-dev fdisk
	e2fsprogs python3)

say() { printf '%s\n' "$*" >&2; }

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# install PACKAGE...: only what is missing, so that a second run needs no network.
install_packages() {
	[ -z "${OSSNAP_NO_INSTALL:-}" ] || return 0
	local missing=() p
	for p in "$@"; do
		[ "$p" = libclang-rt-dev ] && p=$(clang_runtime)
		# node from another source brings its own npm
		[ "$p" = npm ] && command -v npm >/dev/null && continue
		[ "$p" = nodejs ] && command -v node >/dev/null && continue
		dpkg-query -W -f '${Status}\n' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
	done
	[ ${#missing[@]} = 0 ] && return 0
	say "installing ${missing[*]}"
	local log
	log=$(mktemp)
	if ! { as_root apt-get -q update && as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -q install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
		tail -20 "$log" >&2
		say "tests/setup.sh: apt-get install failed (log: $log)"
		return 1
	fi
	rm -f "$log"
}

# The sanitizer and fuzzer runtime that belongs to the installed clang.
clang_runtime() {
	local v
	v=$(clang --version 2>/dev/null | sed -n 's/.*clang version \([0-9]*\).*/\1/p')
	printf 'libclang-rt-%s-dev' "${v:-14}"
}

# build PRESET TARGET...: configure once, build quietly, show the log when it fails.
build() {
	local preset=$1 log
	shift
	log=$(mktemp)
	if ! { { [ -f "$TOP/build/$preset/build.ninja" ] || cmake -S "$TOP" --preset "$preset"; } &&
		ninja -C "$TOP/build/$preset" "$@"; } >"$log" 2>&1; then
		tail -40 "$log" >&2
		say "tests/setup.sh: building $preset failed (log: $log)"
		return 1
	fi
	if grep -q 'warning:' "$log"; then
		grep 'warning:' "$log" >&2
		return 1
	fi
	rm -f "$log"
}
