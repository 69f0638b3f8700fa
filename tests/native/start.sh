#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# It starts on the customer's machine: one static file, in any root, and leaves nothing behind.
. "$(dirname "$0")/../lib.sh"

size=$(stat -c %s "$CAPTURE")
stripped=$TMP/ossnap-capture
strip -o "$stripped" "$CAPTURE"
size=$(stat -c %s "$stripped")
if [ "$size" -lt $((4 << 20)) ]; then ok "the executable is under 4 MiB ($size bytes)"; else fail "the executable is under 4 MiB" "$size bytes"; fi
equal "it needs no shared library and no interpreter" "" \
	"$(readelf -ld "$CAPTURE" 2>/dev/null | grep -E 'NEEDED|INTERP')"

# What each binary may name: the capture links no XML and no sandbox, the analyzer no BPF.
equal "the capture holds nothing of libxml2, libseccomp or the report" "" \
	"$(nm "$CAPTURE" | grep -E ' [TtDd] (xml[A-Z]|html[A-Z]|seccomp_|report_(html|json|text)$|model_create$)' | head -3)"
equal "the analyzer needs no libbpf and no libelf" "" \
	"$(readelf -d "$ANALYZE" | grep NEEDED | grep -E 'libbpf|libelf')"
check "and what it needs is what README's table names" \
	bash -c '! readelf -d "$0" | sed -n "s/.*NEEDED.*\[\(.*\)\]/\1/p" | grep -vE "^(libxml2|libz|libseccomp|libarchive|libzstd|libnettle|libyajl|libc|libm)\.so"' "$ANALYZE"

# in ROOT COMMAND...: chroot with nothing but what is in ROOT, /proc and /sys.
in_root() {
	local root=$1
	shift
	unshare -m sh -c 'mount --make-rprivate / && mount -t proc proc "$0/proc" && mount --rbind /sys "$0/sys" && exec chroot "$0" "$@"' "$root" "$@"
}

try_root() { # NAME ROOT
	local name=$1 root=$2 out
	mkdir -p "$root/proc" "$root/sys" "$root/out"
	cp "$stripped" "$root/ossnap-capture"
	local before
	before=$(find "$root" -xdev -type d | wc -l)
	touch "$TMP/stamp"
	equal "$name: --version" "$("$CAPTURE" --version)" "$(in_root "$root" /ossnap-capture --version)"
	out=$(in_root "$root" /ossnap-capture -d 200ms -q --min-free 1M -o /out 2>"$TMP/err")
	if [ -n "$out" ] && [ -f "$root$out" ] && "$CAPTURE" verify "$root$out" >"$TMP/verify" 2>&1; then
		ok "$name: a capture is whole"
	else
		fail "$name: a capture is whole" "$(cat "$TMP/err" "$TMP/verify" 2>/dev/null)"
	fi
	equal "$name: nothing is left behind but the archive" "$before /out/$(basename "$out")" \
		"$before $(cd "$root" && find . -xdev -newer "$TMP/stamp" -type f ! -name ossnap-capture | sed 's/^\.//')"
}

need_root "roots of other systems"
mkdir "$TMP/empty"
try_root "empty root" "$TMP/empty"

# A Debian 11 root: two minutes to make, so it is kept beside the kernels of the vm lane.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/ossnap-vm
bullseye=$cache/bullseye-root.tar
if [ ! -f "$bullseye" ]; then
	mkdir -p "$cache"
	mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 2>/dev/null | sort -u | grep debian | head -1)
	if debootstrap --variant=minbase bullseye "$TMP/debootstrap" "$mirror" >"$TMP/debootstrap.log" 2>&1; then
		tar -C "$TMP/debootstrap" --exclude ./var/cache/apt --exclude ./usr/share/doc -cf "$bullseye.$$" . && mv "$bullseye.$$" "$bullseye"
		rm -rf "$TMP/debootstrap"
	fi
fi
if [ -f "$bullseye" ]; then
	mkdir "$TMP/bullseye"
	tar -C "$TMP/bullseye" -xf "$bullseye"
	try_root "Debian 11 root" "$TMP/bullseye"
else
	skip "Debian 11 root" "debootstrap: $(tail -1 "$TMP/debootstrap.log" 2>/dev/null)"
fi

cp "$stripped" "$TMP/renamed-copy"
equal "a copied single file starts under another name" "$("$CAPTURE" --version)" "$("$TMP/renamed-copy" --version)"
if id nobody >/dev/null 2>&1; then
	for command in --version --help list check --plan; do
		setpriv --reuid nobody --regid nogroup --clear-groups "$CAPTURE" $command >"$TMP/out" 2>"$TMP/err"
		status=$?
		case $command/$status in
		check/3 | */0) ok "without root: $command" ;;
		*) fail "without root: $command" "exit $status: $(cat "$TMP/err")" ;;
		esac
	done
fi
