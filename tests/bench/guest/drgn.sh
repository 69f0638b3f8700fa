# SPDX-License-Identifier: GPL-2.0-or-later
# drgn loads its debug information and waits; the scan runs; drgn walks the same memory.
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
for source in kcore bpf; do
	ossnap-capture -d 200ms --collect page-cache --memory-source $source --sample all --max-cpu 100 --min-free 1M \
		-o $R/$source.tar.zst >$R/$source.out 2>$R/$source.err
	echo $? >$R/$source.exit
done
: >$D/tmp/go
wait $walker
cp $D/tmp/drgn.json $D/tmp/drgn.files $R/
