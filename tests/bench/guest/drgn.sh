# SPDX-License-Identifier: GPL-2.0-or-later
# drgn loads its debug information and waits; the scan runs, five times; drgn walks the same memory, twice.  The host
# may be busy with other things, which a guest takes for time of its own: of each the best is taken.
R=/tmp/results
D=/mnt/drgn
mkdir -p $D /mnt/ext4
mount -t ext4 /dev/vdb /mnt/ext4 || exit 1
mount -t ext4 -o ro,noatime /dev/vdc $D || exit 1
mount --bind /proc $D/proc
mount --bind /sys $D/sys
mount --bind /dev $D/dev
mount -t tmpfs walk $D/tmp
cp /bin/drgn_walk.py $D/tmp/
# Something to find beside Python, drgn and its DWARF.
n=0
while [ $n -lt 1500 ]; do
	d=/mnt/ext4/d$((n / 50))
	mkdir -p $d
	dd if=/dev/zero of=$d/f$n bs=$((1000 + n * 13)) count=1 2>/dev/null
	n=$((n + 1))
done
sync
chroot $D /usr/bin/python3 /tmp/drgn_walk.py >$R/drgn.out 2>$R/drgn.err &
walker=$!
while [ ! -f $D/tmp/loaded ] && kill -0 $walker 2>/dev/null; do sleep 1; done
# Where the scan's own time goes through kcore, and what a page costs that is read alone, three times over.
cp /bin/native-bench_peers /bin/libbpf.so.1 $D/tmp/ &&
	chroot $D /lib64/ld-linux-x86-64.so.2 --library-path /tmp:/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu /tmp/native-bench_peers 3 >$R/peers 2>$R/peers.err
for round in 1 2 3 4 5; do
	for source in kcore bpf; do
		ossnap-capture -d 200ms --collect page-cache --memory-source $source --sample all --max-cpu 100 --min-free 1M \
			-o $R/$source-$round.tar.zst >$R/$source-$round.out 2>$R/$source-$round.err
	done
done
: >$D/tmp/go
wait $walker
cp $D/tmp/drgn.json $D/tmp/drgn.files $R/
