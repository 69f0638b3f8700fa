# SPDX-License-Identifier: GPL-2.0-or-later
# The probes of delays on this kernel, with loads of which the truth is known.
R=/tmp/results
ip link set lo up 2>/dev/null || ifconfig lo up
# Loading takes seconds under emulation; the loads begin when that is over.
(sleep 8; load calls 4000 1000 >$R/calls) &
(sleep 8; load read 4 50 /proc/self/stat >$R/proc) &
(sleep 8; load tcp 4 10 60 >$R/tcp) &
(sleep 8; load udp 4 10 60 >$R/udp) &
(sleep 8; load spin 3 0 2 >$R/spin) &
(sleep 8; dd if=/dev/vda of=/dev/null bs=64k count=32 iflag=direct 2>/dev/null || dd if=/dev/vda of=/dev/null bs=64k count=32) >/dev/null 2>&1 &
ossnap-capture -d 16s --max-cpu 100 --min-free 1M --collect syscalls,reclaim,sched-delay,block-io,net-receive,memory \
	-o $R/delays.tar.zst >$R/delays.out 2>$R/delays.err
echo $? >$R/delays.exit
wait
