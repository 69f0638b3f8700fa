# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by run.sh: the capture tool for arm64, built here.  The libraries' :arm64 -dev packages are unpacked
# into a directory of their own, so that the machine's dpkg does not learn of a second architecture.

SYSROOT=$CACHE/sysroot-arm64
ARM64_BUSYBOX=$SYSROOT/bin/busybox
ARM64_DONE=
SYSROOT_PACKAGES=(libbpf-dev libelf-dev zlib1g-dev libarchive-dev libzstd-dev nettle-dev libyajl-dev liblzma-dev busybox-static)

# build_arm64: $TMP/arm64 has the programs; else REASON.  CAPTURE_ARM64 names a finished one.
build_arm64() {
	local tool package log=$TMP/arm64.log
	[ -z "${ARM64_DONE:-}" ] || return 0
	for tool in aarch64-linux-gnu-gcc qemu-system-aarch64 clang bpftool cmake ninja; do
		command -v "$tool" >/dev/null || {
			REASON="$tool is not installed"
			return 1
		}
	done
	# Made for another list of packages it lacks some.
	if [ "$(cat "$SYSROOT/complete" 2>/dev/null)" != "${SYSROOT_PACKAGES[*]}" ]; then
		# The libc that they are linked to is the cross compiler's, of Debian 12.
		REASON=$(update_suite bookworm arm64) || return 1
		mkdir -p "$SYSROOT"
		for package in "${SYSROOT_PACKAGES[@]}"; do
			REASON=$(fetch_deb bookworm-arm64 "$package" "$SYSROOT") || return 1
		done
		printf '%s\n' "${SYSROOT_PACKAGES[*]}" >"$SYSROOT/complete"
	fi
	REASON=
	if ! aarch64-linux-gnu-gcc -std=gnu17 -D_GNU_SOURCE -O2 -Wall -Wextra -static -o "$TMP/arm64/truth" "$VM/guest/truth.c" 2>"$log"; then
		REASON="truth.c does not build: $(tail -1 "$log")"
	elif [ -n "${CAPTURE_ARM64:-}" ]; then
		cp "$CAPTURE_ARM64" "$TMP/arm64/ossnap-capture"
	elif ! {
		cmake -S "$TOP" -B "$ARM64_BUILD" -G Ninja "-DCMAKE_TOOLCHAIN_FILE=$TOP/cmake/aarch64.cmake" \
			"-DOSSNAP_SYSROOT=$SYSROOT" -DOSSNAP_WERROR=ON && ninja -C "$ARM64_BUILD" ossnap-capture &&
			aarch64-linux-gnu-strip -o "$TMP/arm64/ossnap-capture" "$ARM64_BUILD/capture/ossnap-capture"
	} >"$log" 2>&1; then
		REASON="it does not build: $(grep -m 1 -E 'error|FAILED' "$log" || tail -1 "$log")"
	fi
	if [ -z "$REASON" ]; then
		ARM64_DONE=1
		return 0
	fi
	fail "arm64: the capture tool builds" "$REASON"
	return 2
}
