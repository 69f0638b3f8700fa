# SPDX-License-Identifier: GPL-2.0-or-later
# The scenario of the spine: files whose sizes are known, and the two ways to the kernel's memory.
R=/tmp/results
X=ossnap-capture
# What the scan stands on and beside.  The probes and stacks load programs, for which an emulated CPU takes
# seconds: under one budget they and the scan would cut each other short.
SPINE=host,memory,processes,cgroups,mounts,containers,page-cache

dd_file() { dd if=/dev/zero of="$1" bs="$2" count=1 2>/dev/null || echo "cannot write $1"; }

has() {
	case "+${OSSNAP_CASE:-}+" in *"+$1+"*) return 0 ;; esac
	return 1
}

# What kind of machine this is, for those who check that it is.
grep -m 1 ' _text$' /proc/kallsyms >$R/text
grep -c -m 1 ' la57' /proc/cpuinfo >$R/la57
cat /sys/devices/system/node/has_memory >$R/nodes 2>/dev/null
cat /proc/self/mountinfo >$R/mountinfo
grep 'System RAM' /proc/iomem >$R/ram
awk '{ print $NF }' /proc/filesystems >$R/filesystems
cat /proc/sys/vm/hugetlb_optimize_vmemmap >$R/hvo 2>/dev/null
truth pagesize >$R/pagesize
read -r page <$R/pagesize
read -r pmd </sys/kernel/mm/transparent_hugepage/hpage_pmd_size
# Whole huge pages, of whatever size they are here.
huge=$((pmd > 6291456 ? pmd : 6291456))

mkdir -p /mnt/tmpfs /mnt/huge /mnt/ext4 /mnt/bind /mnt/merged
mount -t tmpfs -o size=64M files /mnt/tmpfs
mount -t ext4 /dev/vdb /mnt/ext4 || exit 1
mkdir -p /mnt/ext4/sub /mnt/ext4/ovl/lower /mnt/ext4/ovl/upper /mnt/ext4/ovl/work /mnt/ext4/deep/er

# Closed, and its name forgotten before anything else has a name.
dd_file /mnt/ext4/evicted 1048576
sync
truth show evicted any /evicted /mnt/ext4/evicted >$R/truth.evicted
echo 2 >/proc/sys/vm/drop_caches

dd_file /mnt/tmpfs/one-byte 1
dd_file /mnt/tmpfs/one-page 4096
dd_file /mnt/tmpfs/page-and-a-byte 4097
dd_file /mnt/tmpfs/three-mib 3145733
mount -t tmpfs -o size=$((huge + 33554432)),huge=always huge /mnt/huge
dd_file /mnt/huge/large-folios $huge
dd_file /mnt/ext4/data 5242880
dd_file /mnt/ext4/deep/er/log 777777
ln /mnt/ext4/data /mnt/ext4/deep/hard-link
dd_file /mnt/ext4/sub/bound 204800
mount --bind /mnt/ext4/sub /mnt/bind
cat /mnt/bind/bound >/dev/null
dd_file "/mnt/ext4/deep/tab	and \"quote" 12288
mount -t overlay -o lowerdir=/mnt/ext4/ovl/lower,upperdir=/mnt/ext4/ovl/upper,workdir=/mnt/ext4/ovl/work overlay /mnt/merged ||
	echo "no overlay"
dd_file /mnt/merged/in-container 409600

# A group is busy until the process that was in it is quite gone.
insist() {
	tries=0
	until eval "$1" 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 400 ] || { echo "$1: never worked" && return; }
		sleep 0.05
	done
}

# Groups: one, one inside it, and one that is deleted while its files stay.
if has v1; then
	G=/sys/fs/cgroup/memory/ossnap-spine
	subtree() { :; }
else
	G=/sys/fs/cgroup/ossnap-spine
	subtree() { insist "echo +memory >$1/cgroup.subtree_control"; }
	subtree /sys/fs/cgroup
fi
in_group() { (echo 0 >"$1/cgroup.procs" && dd_file "$2" "$3"); }
mkdir $G
in_group $G /mnt/ext4/charged 2097152
subtree $G
mkdir $G/nested
subtree $G/nested
mkdir $G/nested/inner $G/leaving
in_group $G/nested/inner /mnt/ext4/charged-inside 655360
in_group $G/leaving /mnt/tmpfs/pinning 1310720
in_group $G/leaving /mnt/ext4/deep/pinning-too 262144
sync
insist "rmdir $G/leaving"
{
	echo "/charged	$((2097152 / page))	online /ossnap-spine"
	echo "/charged-inside	$((655360 / page))	online /ossnap-spine/nested/inner"
	echo "/pinning	$((1310720 / page))	dying /ossnap-spine/leaving|online /ossnap-spine"
	echo "/deep/pinning-too	$((262144 / page))	dying /ossnap-spine/leaving|online /ossnap-spine"
} >$R/groups

# One whose names and inodes stay when it is deleted: is it kept by them?
# Deleted ones included; of v2 the newest kernels say so in cgroup.stat only.
memory_groups() {
	if has v1; then
		awk '$1 == "memory" { print $3 }' /proc/cgroups
	else
		awk '$1 ~ /^nr_(dying_)?descendants$/ { n += $2 } END { print n + 0 }' $G/cgroup.stat
	fi
}
slab_of() { awk '$1 == "slab" { print $2 }' "$1/memory.stat" 2>/dev/null | grep . || cat "$1/memory.kmem.usage_in_bytes"; }
groups=$(memory_groups)
mkdir $G/names /mnt/tmpfs/names
# shellcheck disable=SC2046 # numbers
(echo 0 >$G/names/cgroup.procs && cd /mnt/tmpfs/names && mkdir $(seq 1 400))
# The kernel adds it up every two seconds, or when it has become much.
insist "[ \$(slab_of $G/names) -ge 200000 ]"
echo "slab $(slab_of $G/names)" >$R/slab
insist "rmdir $G/names"
insist "[ \$(memory_groups) -le $groups ]"
echo "groups $groups $(memory_groups) names $(ls /mnt/tmpfs/names | wc -l)" >>$R/slab

if has numa; then
	# Each node's own file.
	echo +cpuset >/sys/fs/cgroup/cgroup.subtree_control
	for n in 0 1 2; do
		mkdir /sys/fs/cgroup/node-$n
		echo $n >/sys/fs/cgroup/node-$n/cpuset.mems
		in_group /sys/fs/cgroup/node-$n /mnt/ext4/node-$n 131072
		echo "$n $(truth frames /mnt/ext4/node-$n)" >>$R/frames.nodes
	done
fi
if has hugetlb; then
	mkdir /mnt/hugetlb
	mount -t hugetlbfs huge /mnt/hugetlb
	truth touch /mnt/hugetlb/four 8388608
	grep -E '^(HugePages_|Hugetlb)' /proc/meminfo >$R/hugetlb
fi
if has folios; then
	mkdir /mnt/xfs
	mount -t xfs /dev/vdc /mnt/xfs || echo "no xfs"
	for f in /mnt/ext4/big /mnt/xfs/big; do
		dd if=/dev/zero of=$f bs=1M count=12 2>/dev/null
	done
	sync
	{
		echo "ext4 $(truth tails /mnt/ext4/big)"
		echo "xfs $(truth tails /mnt/xfs/big)"
	} >$R/folios
fi

truth hold /tmp/ready /mnt/ext4/gone 2097152 ossnap-memfd 1048576 524288 &
holder=$!
n=0
while [ ! -f /tmp/ready ] && [ $n -lt 100 ]; do
	sleep 0.1
	n=$((n + 1))
done
sync

# What is not written back yet, and stays so.
echo 0 >/proc/sys/vm/dirty_writeback_centisecs
echo 360000 >/proc/sys/vm/dirty_expire_centisecs
dd_file /mnt/ext4/dirty 331776

# Where a block is smaller than a page, mincore knows a page that was written in part only once it was read as a whole.
for f in /mnt/ext4/dirty /mnt/ext4/deep/er/log "/mnt/ext4/deep/tab	and \"quote"; do
	truth frames "$f" >/dev/null
done

show_all() {
	truth show one-byte linked /one-byte /mnt/tmpfs/one-byte
	truth show one-page linked /one-page /mnt/tmpfs/one-page
	truth show page-and-a-byte linked /page-and-a-byte /mnt/tmpfs/page-and-a-byte
	truth show three-mib linked /three-mib /mnt/tmpfs/three-mib
	truth show large-folios linked /large-folios /mnt/huge/large-folios
	truth show data-with-hard-link linked '/data|/deep/hard-link' /mnt/ext4/data
	truth show log linked /deep/er/log /mnt/ext4/deep/er/log
	truth show bind-mounted linked /sub/bound /mnt/bind/bound
	truth show odd-name linked '/deep/tab\tand "quote' "/mnt/ext4/deep/tab	and \"quote"
	truth show overlay linked /ovl/upper/in-container /mnt/ext4/ovl/upper/in-container
	truth show dirty linked /dirty /mnt/ext4/dirty
	truth show charged linked /charged /mnt/ext4/charged
	truth show charged-inside linked /charged-inside /mnt/ext4/charged-inside
	truth show pinning linked /pinning /mnt/tmpfs/pinning
	truth show pinning-too linked /deep/pinning-too /mnt/ext4/deep/pinning-too
	! has numa || for n in 0 1 2; do truth show node-$n linked /node-$n /mnt/ext4/node-$n; done
	! has folios || truth show folios-of-ext4 linked /big /mnt/ext4/big
	! has folios || truth show folios-of-xfs linked /big /mnt/xfs/big
	truth show deleted deleted /gone /proc/$holder/fd/20
	truth show memfd unnamed ossnap-memfd /proc/$holder/fd/21
	cat /tmp/ready
}

echo "$(truth tails /mnt/huge/large-folios) $((huge / page - huge / pmd))" >$R/tails
$X --version >$R/version
$X list >$R/list
$X check >$R/check 2>&1
echo $? >$R/check.exit
show_all >$R/truth.before
truth frames /mnt/ext4/data >$R/frames
for source in kcore bpf auto kpageflags; do
	grep -E '^(Cached|Buffers|MemTotal|SwapCached):' /proc/meminfo >$R/meminfo.$source
	start=$(cut -d' ' -f1 /proc/uptime)
	$X -d 200ms --collect $SPINE --memory-source $source --sample all --min-free 1M -o $R/$source.tar.zst >$R/$source.out 2>$R/$source.err
	echo $? >$R/$source.exit
	grep -E '^(Cached|Buffers|MemTotal|SwapCached):' /proc/meminfo >>$R/meminfo.$source
	echo "$start $(cut -d' ' -f1 /proc/uptime)" >$R/$source.time
	$X verify $R/$source.tar.zst >$R/$source.verify 2>&1
	echo $? >$R/$source.verify.exit
done
# What a scan read, kept for a machine that has another kernel.
for source in kcore bpf; do
	$X -d 200ms --collect page-cache --memory-source $source --sample 1/16 --min-free 1M --record-kernel $R/recorded-$source \
		-o $R/recorded-$source.tar.zst >/dev/null 2>$R/recorded-$source.err
	echo $? >$R/recorded-$source.exit
done
show_all >$R/truth.after
truth show evicted any /evicted /mnt/ext4/evicted >$R/truth.evicted.after

# All that has a name, and memory that no process list shows, of kinds that our own machine does not have.
hidden() { $X -d 2s --collect memory,processes,kernel-objects --min-free 1M -o $R/hog-$1.tar.zst >/dev/null 2>$R/hog-$1.err; }
hog_alive() { grep -q ready /tmp/hog || ! kill -0 $1 2>/dev/null; }
has hotplug || hidden none
if [ -e /bin/native-hog ]; then
	for mode in udmabuf packet pipes; do
		native-hog $mode $((256 << 20)) >/tmp/hog 2>$R/hog-$mode.why &
		hog=$!
		insist "hog_alive $hog"
		hidden $mode
		echo "$hog $(cat /tmp/hog)" >$R/hog-$mode
		kill $hog 2>/dev/null
		wait $hog
	done
fi

# Memory is added by whoever runs this machine, while captures go on, one after the other.  What a file
# gets then lies in the new memory.
if has hotplug; then
	one_capture() {
		dd_file /mnt/ext4/fresh-$n 262144
		sync
		truth show fresh linked /fresh-$n /mnt/ext4/fresh-$n >$R/truth.plug-$n
		before=$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo)
		$X -d 200ms --collect $SPINE --memory-source $1 --sample all --min-free 1M -o $R/plug-$n.tar.zst >$R/plug-$n.out 2>$R/plug-$n.err
		status=$?
		now=$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo)
		echo "$n $1 $status $before $now $(truth frames /mnt/ext4/fresh-$n)" >>$R/plugs
		n=$((n + 1))
	}
	echo OSSNAP-VM-PLUG >/dev/console
	n=0
	now=0
	while [ $n -lt 40 ] && [ $now -lt 1900000 ]; do
		one_capture kcore
		one_capture bpf
	done
	# Then a piece of it goes and comes back all the time, and each time kcore is laid out anew.
	block=$(ls -d /sys/devices/system/memory/memory[0-9]* | sort -V | tail -1)
	while :; do
		echo offline >$block/state && echo off >>$R/toggled
		dd if=/proc/kcore of=/dev/null bs=64 count=1 2>/dev/null
		echo online_movable >$block/state
		dd if=/proc/kcore of=/dev/null bs=64 count=1 2>/dev/null
	done 2>/dev/null &
	toggler=$!
	for source in kcore auto kcore auto bpf kcore auto; do
		one_capture $source
	done
	kill $toggler
	show_all >$R/truth.plugged
fi
kill $holder
