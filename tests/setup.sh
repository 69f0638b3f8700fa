# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by tests/run and tests/try: installs what is needed and builds.
# OSSNAP_NO_INSTALL=1 leaves the machine's packages alone.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PATH=$PATH:/usr/sbin:/sbin # bpftool, losetup, debootstrap

# What building needs, and what each lane needs beside it.
PACKAGES_BUILD=(gcc libc6-dev cmake ninja-build pkg-config clang llvm bpftool libbpf-dev libelf-dev zlib1g-dev
	libarchive-dev libzstd-dev nettle-dev libyajl-dev liblzma-dev libiberty-dev libxml2-dev libseccomp-dev libcmocka-dev musl-tools)
PACKAGES_style=(git clang-format clang-tidy)
PACKAGES_unit=(zstd e2fsprogs locales python3)
PACKAGES_native=(git jq zstd busybox-static debootstrap binutils e2fsprogs fdisk procps util-linux python3
	openjdk-17-jdk-headless)
PACKAGES_vm=(qemu-system-x86 qemu-system-arm gcc-aarch64-linux-gnu libc6-dev-arm64-cross busybox-static cpio
	xz-utils zstd jq e2fsprogs xfsprogs python3)
PACKAGES_guard=(qemu-system-x86 busybox-static cpio zstd jq xz-utils e2fsprogs earlyoom procps)
PACKAGES_browser=(chromium nodejs npm jq zstd)
PACKAGES_bench=(jq zstd linux-perf earlyoom qemu-system-x86 busybox-static cpio xz-utils e2fsprogs)
# Programs that leak: in C++, and with other allocators than glibc's.
PACKAGES_native+=(g++ libjemalloc2 libtcmalloc-minimal4)
# A program in Go.
PACKAGES_native+=(fzf)
# pprof's own description, to check what we export.
PACKAGES_native+=(protobuf-compiler golang-github-google-pprof-dev python3-prometheus-client)

say() { printf '%s\n' "$*" >&2; }

# Asked once, at the start: not after everything has been built.
need_root_or_sudo() {
	[ "$(id -u)" = 0 ] || command -v sudo >/dev/null || {
		say "$1: run it as root, or install sudo"
		exit 1
	}
}

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# install PACKAGE...: only what is missing, so that a second run needs no network.
install_packages() {
	[ -z "${OSSNAP_NO_INSTALL:-}" ] || return 0
	local missing=() p
	for p in "$@"; do
		# node from another source brings its own npm
		[ "$p" = npm ] && command -v npm >/dev/null && continue
		[ "$p" = nodejs ] && command -v node >/dev/null && continue
		dpkg-query -W -f '${Status}\n' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
	done
	[ ${#missing[@]} = 0 ] && return 0
	local log
	log=$(mktemp)
	say "installing ${#missing[@]} packages and what they need (log: $log): ${missing[*]}"
	if ! { as_root apt-get -q update && as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -q install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
		tail -20 "$log" >&2
		say "tests/setup.sh: apt-get install failed (log: $log)"
		return 1
	fi
	rm -f "$log"
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
