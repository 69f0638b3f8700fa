# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by run.sh: Debian's cloud kernels, found in the suite's own index with a private apt state
# (so that signatures are checked and the machine's apt is left alone), unpacked and cached.

CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/ossnap-vm

# suite_of KERNEL: which Debian suite carries it.
suite_of() {
	case $1 in
	5.10) echo bullseye ;;
	6.1) echo bookworm ;;
	6.12) echo trixie ;;
	newest) echo sid ;;
	*) return 1 ;;
	esac
}

# mirror LABEL: the machine's own mirror, as apt knows it.
mirror() {
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' "Label: $1" 2>/dev/null |
		sort -u | head -1
}

# index_of SUITE ARCH: the suite's index for that architecture, as the functions below want it.
index_of() { [ "$2" = arm64 ] && echo "$1-arm64" || echo "$1"; }

# private_apt INDEX COMMAND...: apt with the state of that suite and architecture only.
private_apt() {
	local dir=$CACHE/apt-$1 arch=amd64
	[[ $1 != *-arm64 ]] || arch=arm64
	shift
	"$1" -q -o "Dir::State=$dir/state" -o "Dir::State::status=$dir/status" -o "Dir::Cache=$dir/cache" \
		-o "Dir::Etc::SourceList=$dir/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o APT::Architecture=$arch -o APT::Architectures=$arch -o Acquire::Languages=none \
		-o APT::Sandbox::User= -o Acquire::Retries=2 "${@:2}"
}

# update_suite SUITE [ARCH]: its index, at most a day old.
update_suite() {
	local suite=$1 index dir main security
	index=$(index_of "$1" "${2:-amd64}")
	dir=$CACHE/apt-$index
	main=$(mirror Debian)
	security=$(mirror Debian-Security)
	if [ -z "$main" ]; then
		echo "apt names no Debian mirror"
		return 1
	fi
	mkdir -p "$dir/state/lists/partial" "$dir/cache/archives/partial"
	touch "$dir/status"
	{
		echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $main $suite main"
		[ "$suite" = sid ] || [ -z "$security" ] ||
			echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $security $suite-security main"
	} >"$dir/sources.list"
	[ -z "$(find "$dir/updated" -mmin -1440 2>/dev/null)" ] || return 0
	if ! private_apt "$index" apt-get update -o APT::Update::Error-Mode=any >"$dir/log" 2>&1; then
		# A suite whose security index has gone is still a suite.
		sed -i '2,$d' "$dir/sources.list"
		private_apt "$index" apt-get update -o APT::Update::Error-Mode=any >"$dir/log" 2>&1 || {
			echo "apt-get update for $suite: $(grep -E '^[EW]:' "$dir/log" | head -1)"
			return 1
		}
	fi
	touch "$dir/updated"
}

# newest_packages INDEX PATTERN: of what the pattern matches the highest two, then the highest of the main archive:
# the security archive may lack what its index names.
newest_packages() {
	local all
	mapfile -t all < <(private_apt "$1" apt-cache pkgnames 2>/dev/null | grep -E "$2" | sort -Vr)
	[ ${#all[@]} != 0 ] || return
	printf '%s\n' "${all[@]:0:2}"
	private_apt "$1" apt-cache madison "${all[@]}" 2>/dev/null | grep -v security | awk '{ print $1 }' | sort -V | tail -1
}

# fetch_deb INDEX PACKAGE ROOT: download and unpack.
fetch_deb() {
	local dir
	dir=$(mktemp -d "$CACHE/deb.XXXXXX")
	if ! (cd "$dir" && private_apt "$1" apt-get download "$2") >"$dir/log" 2>&1; then
		echo "apt-get download $2: $(grep -E '^[EW]:' "$dir/log" | head -1)"
		rm -rf "$dir"
		return 1
	fi
	dpkg -x "$dir"/*.deb "$3"
	rm -rf "$dir"
}

# plain_image FILE: an arm64 kernel packed as an EFI program becomes the image that QEMU 7 can start.
plain_image() {
	local start bytes
	[ "$(dd if="$1" bs=1 skip=4 count=4 2>/dev/null | tr -d '\0')" = zimg ] || return 0
	read -r start bytes < <(od -An -tu4 -j8 -N8 "$1")
	tail -c "+$((start + 1))" "$1" | head -c "$bytes" >"$1.packed"
	case $(dd if="$1" bs=1 skip=24 count=8 2>/dev/null | tr -d '\0') in
	gzip) zcat "$1.packed" ;;
	zstd*) zstd -qdc "$1.packed" ;;
	xz*) xz -dc "$1.packed" ;;
	*) false ;;
	esac >"$1.plain" 2>/dev/null || {
		echo "$1: an EFI image that cannot be unpacked"
		return 1
	}
	mv "$1.plain" "$1" && rm "$1.packed"
}

# unpack INDEX IMAGE VERSION: into the cache as KERNEL_DIR; prints why not.
unpack() (
	stage=$(mktemp -d "$CACHE/stage.XXXXXX")
	trap 'rm -rf "$stage"' EXIT
	mkdir "$stage/root" "$stage/kernel"
	fetch_deb "$1" "$2" "$stage/root" || exit 1
	# In unstable the image is split, and lies among the modules.
	[ -n "$(find "$stage/root" -name 'vmlinuz*' -type f)" ] ||
		fetch_deb "$1" "linux-binary-$3" "$stage/root" || exit 1
	[ -n "$(find "$stage/root" -name 'virtio_blk.ko*')" ] ||
		fetch_deb "$1" "linux-modules-$3" "$stage/root" || exit 1
	if ! mv "$(find "$stage/root" -name 'vmlinuz*' -type f | head -1)" "$stage/kernel/vmlinuz" ||
		! mv "$(find "$stage/root" -type d -path '*/lib/modules/*' -name "$3" | head -1)" "$stage/kernel/modules"; then
		echo "$2: holds no vmlinuz or no modules"
		exit 1
	fi
	plain_image "$stage/kernel/vmlinuz" || exit 1
	rm -rf "$KERNEL_DIR"
	mv "$stage/kernel" "$KERNEL_DIR"
)

# get_kernel KERNEL [ARCH [FLAVOUR]]: sets KERNEL_DIR (with vmlinuz and modules/), KERNEL_VERSION; else REASON.
get_kernel() {
	local suite index image lock pattern=[0-9] flavour=${3:-cloud-${2:-amd64}}
	REASON=
	if ! suite=$(suite_of "$1"); then
		REASON="no such kernel (5.10 6.1 6.12 newest)"
		return 1
	fi
	index=$(index_of "$suite" "${2:-}")
	flavour=${flavour/x86_64/amd64}
	# A suite may carry a backport of its successor's kernel as well.
	[ "$1" = newest ] || pattern=${1//./\\.}\\.
	mkdir -p "$CACHE"
	exec {lock}>"$CACHE/lock"
	flock -w 300 "$lock"
	if REASON=$(update_suite "$suite" "${2:-amd64}"); then
		REASON="$suite: no linux-image-*-$flavour in its index"
		for image in $(newest_packages "$index" "^linux-image-$pattern.*-$flavour\$"); do
			KERNEL_DIR=$CACHE/kernel-$suite-${image#linux-image-}
			[ ! -f "$KERNEL_DIR/vmlinuz" ] || { REASON='' && break; }
			! REASON=$(unpack "$index" "$image" "${image#linux-image-}") || break
		done
	else
		# What was fetched before is good enough when the mirror is away.
		KERNEL_DIR=$(find "$CACHE" -maxdepth 1 -name "kernel-$suite-${1/newest/}*-$flavour" -type d | sort -V | tail -1)
		[ -z "$KERNEL_DIR" ] || REASON=
	fi
	exec {lock}>&-
	KERNEL_VERSION=${KERNEL_DIR##*/kernel-"$suite"-}
	[ -z "$REASON" ]
}

# module_files DIR NAME...: decompressed copies of these modules, and of what they need, go into DIR;
# prints their file names in the order to load.  One that is built in has none.
module_files() {
	local dir=$1 name file
	shift
	for name in "$@"; do
		[ ! -f "$dir/$name.ko" ] || continue
		file=$(find "$KERNEL_DIR/modules" -name "$name.ko*" | head -1)
		[ -n "$file" ] || file=$(find "$KERNEL_DIR/modules" -name "${name//_/-}.ko*" | head -1)
		case $file in
		'') continue ;;
		*.xz) xz -dc "$file" ;;
		*.zst) zstd -qdc "$file" ;;
		*) cat "$file" ;;
		esac >"$dir/$name.ko"
		# shellcheck disable=SC2046 # a comma-separated list of names
		module_files "$dir" $(tr '\0' '\n' <"$dir/$name.ko" | sed -n 's/^depends=//p' | tr ',' ' ')
		echo "$name.ko"
	done
}
