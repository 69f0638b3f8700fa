# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by run.sh: what one word of the lane means, and the proof that the guest was really so.
#
# A word is [arm64/]KERNEL[+CASE...]:
#   nokaslr   the kernel is where it was linked to
#   4level    four levels of page tables       la57      five
#   numa      three nodes, one of them around the hole below 4 GiB, and holes inside
#   16g       16 GiB, sections of which are missing
#   hugetlb   huge pages reserved and used, their struct pages given back (hugetlb_free_vmemmap)
#   folios    large folios of ext4 and xfs
#   hotplug   memory is added while one capture follows the other
#   v1        the memory controller of cgroup v1
#   16k, 64k  pages of 16 or 64 KiB (arm64), of the kernel of that name

CASE_WORDS=' nokaslr 4level la57 numa 16g hugetlb folios hotplug v1 16k 64k '

has() { [[ "+$CASES+" == *"+$1+"* ]]; }

# set_case WORD: ARCH, KERNEL, CASES and how to boot them; else REASON.
set_case() {
	local word=$1 c
	ARCH=x86_64
	[[ $word != */* ]] || { ARCH=${word%%/*} word=${word#*/}; }
	KERNEL=${word%%+*} CASES=
	[[ $word != *+* ]] || CASES=${word#*+}
	REASON=
	case $ARCH in x86_64 | arm64) ;; *) REASON="$ARCH: no such architecture (x86_64 arm64)" ;; esac
	for c in ${CASES//+/ }; do
		[[ $CASE_WORDS == *" $c "* ]] || REASON="$c: no such case ($CASE_WORDS)"
		case $ARCH/$c in
		arm64/4level | arm64/la57 | arm64/numa | arm64/16g | arm64/hotplug) REASON="$c: the lane has this case for x86_64" ;;
		x86_64/16k | x86_64/64k) REASON="$c: the lane has this case for arm64" ;;
		esac
	done
	[ -z "$REASON" ] || return 1

	machine_"$ARCH"
	GUEST_MEMORY=1024 GUEST_ARGUMENTS= QEMU_MORE=() PLUG= FLAVOUR=
	MODULES=(virtio_pci virtio_blk crc32c_generic ext4 overlay fuse)
	# Both ways to lay out the kernel's addresses, over the kernels.
	case $KERNEL in
	6.1 | newest) ;;
	*) [ "$ARCH" = arm64 ] || CPU=max,la57=off ;;
	esac
	for c in ${CASES//+/ }; do
		case_"${c//[!a-z0-9]/}"
	done
	[ -z "$CASES" ] || GUEST_ARGUMENTS+=" OSSNAP_CASE=$CASES" # the kernel gives it to init's environment
}

case_nokaslr() { GUEST_ARGUMENTS+=" nokaslr"; }
case_4level() { CPU=max,la57=off; }
case_la57() { CPU=max; }
case_folios() { MODULES+=(xfs); }
case_v1() { :; }
case_16k() { FLAVOUR=arm64-16k; }
# A huge page has 512 MiB there.
case_64k() { FLAVOUR=arm64-64k GUEST_MEMORY=3072; }
case_numa() {
	GUEST_MEMORY=5120
	QEMU_MORE+=(-object memory-backend-ram,id=m0,size=1G -object memory-backend-ram,id=m1,size=3G
		-object memory-backend-ram,id=m2,size=1G -numa node,nodeid=0,memdev=m0,cpus=0
		-numa node,nodeid=1,memdev=m1,cpus=1 -numa node,nodeid=2,memdev=m2)
	GUEST_ARGUMENTS+=' memmap=96M$0x10000000 memmap=300M$0x50000000'
}
case_16g() {
	GUEST_MEMORY=16384
	GUEST_ARGUMENTS+=' memmap=1G$5G memmap=2176M$9G memmap=64M$13G'
}
# The parameter's first name is still understood where it has a second one.
case_hugetlb() { GUEST_ARGUMENTS+=" hugetlb_free_vmemmap=on hugepages=24"; }
case_hotplug() {
	GUEST_MEMORY=1G,slots=8,maxmem=4G
	GUEST_ARGUMENTS+=" memhp_default_state=online_movable"
	PLUG=8
}

# case_proof WORD DIR: the guest was what the case says.
case_proof() {
	local word=$1 dir=$2 c
	[ "$ARCH" != x86_64 ] || equal "$word: five levels of page tables where the CPU has them" \
		"$([[ $CPU == *la57=off* ]] && echo 0 || echo 1)" "$(cat "$dir/la57")"
	for c in ${CASES//+/ }; do
		case $c in
		nokaslr) check "$word: the kernel is where it was linked to ($(cat "$dir/text"))" \
			grep -qiE '^(ffffffff81|ffff8000(08|80|10))' "$dir/text" ;;
		numa)
			equal "$word: three nodes have memory" 0-2 "$(cat "$dir/nodes")"
			check "$word: each node has its file ($(tr '\n' ';' <"$dir/frames.nodes"))" awk '
				$1 == 0 && $3 < 262144 || $1 == 1 && $2 >= 262144 && $3 < 1310720 || $1 == 2 && $2 >= 1310720 { n++ }
				END { exit n != 3 }' "$dir/frames.nodes"
			;;
		16g)
			check "$word: a file lies beyond 4 GiB ($(cat "$dir/frames"))" awk '{ exit $1 < 1048576 }' "$dir/frames"
			check "$word: RAM ends beyond 16 GiB and has holes" awk '
				{ split($1, a, "-"); if (length(a[2]) > 9 || (length(a[2]) == 9 && a[2] > "400000000")) far = 1; n++ }
				END { exit !(far && n >= 5) }' "$dir/ram"
			;;
		hugetlb) check "$word: 24 huge pages, 4 of them used" awk '
			/^HugePages_Total:/ { t = $2 } /^HugePages_Free:/ { f = $2 } END { exit !(t == 24 && f == 20) }' "$dir/hugetlb" ;;
		folios) check "$word: large folios in ext4 and xfs ($(tr '\n' ' ' <"$dir/folios"))" awk '
			$2 > 0 { n++ } END { exit n != 2 }' "$dir/folios" ;;
		16k | 64k) equal "$word: pages of that size" "$((${c%k} * 1024))" "$(cat "$dir/pagesize")" ;;
		v1) check "$word: the memory controller is in v1" grep -q ' - cgroup .*memory' "$dir/mountinfo" ;;
		esac
	done
	! has hugetlb || [ "$(cat "$dir/hvo" 2>/dev/null)" = 1 ] ||
		skip "$word: struct pages of huge pages given back" "this kernel cannot (hugetlb_optimize_vmemmap: $(cat "$dir/hvo" 2>/dev/null || echo absent))"
}
