# SPDX-License-Identifier: GPL-2.0-or-later
# The scenario of the spine: files whose sizes are known, and the two ways to the kernel's memory.
R=/tmp/results
X=ossnap-capture

dd_file() { dd if=/dev/zero of="$1" bs="$2" count=1 2>/dev/null || echo "cannot write $1"; }

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
mount -t tmpfs -o size=32M,huge=always huge /mnt/huge
dd_file /mnt/huge/large-folios 6291456
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

echo +memory >/sys/fs/cgroup/cgroup.subtree_control
mkdir /sys/fs/cgroup/ossnap-spine
(echo 0 >/sys/fs/cgroup/ossnap-spine/cgroup.procs && dd_file /mnt/ext4/charged 2097152)

truth hold /tmp/ready /mnt/ext4/gone 2097152 ossnap-memfd 1048576 524288 &
holder=$!
n=0
while [ ! -f /tmp/ready ] && [ $n -lt 100 ]; do
	sleep 0.1
	n=$((n + 1))
done
sync

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
	truth show charged linked /charged /mnt/ext4/charged
	truth show deleted deleted /gone /proc/$holder/fd/20
	truth show memfd unnamed ossnap-memfd /proc/$holder/fd/21
	cat /tmp/ready
}

grep -E '^(ShmemHugePages|FileHugePages):' /proc/meminfo >$R/meminfo.huge
$X --version >$R/version
$X list >$R/list
$X check >$R/check 2>&1
echo $? >$R/check.exit
show_all >$R/truth.before
for source in kcore bpf auto; do
	grep -E '^(Cached|Buffers|MemTotal|SwapCached):' /proc/meminfo >$R/meminfo.$source
	start=$(cut -d' ' -f1 /proc/uptime)
	$X -d 200ms --memory-source $source --sample all --min-free 1M -o $R/$source.tar.zst >$R/$source.out 2>$R/$source.err
	echo $? >$R/$source.exit
	grep -E '^(Cached|Buffers|MemTotal|SwapCached):' /proc/meminfo >>$R/meminfo.$source
	echo "$start $(cut -d' ' -f1 /proc/uptime)" >$R/$source.time
	$X verify $R/$source.tar.zst >$R/$source.verify 2>&1
	echo $? >$R/$source.verify.exit
done
show_all >$R/truth.after
truth show evicted any /evicted /mnt/ext4/evicted >$R/truth.evicted.after
kill $holder
