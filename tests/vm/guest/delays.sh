# SPDX-License-Identifier: GPL-2.0-or-later
# The probes of delays on this kernel, with loads of which the truth is known; then all collectors at once, as one who
# knows no options would run them.
R=/tmp/results
ip link set lo up 2>/dev/null || ifconfig lo up
# Loading takes seconds under emulation; the loads begin when that is over.
(sleep 8; load calls 4000 1000 >$R/calls) &
(sleep 8; load read 4 50 /proc/self/stat >$R/proc) &
(sleep 8; load tcp 4 10 60 >$R/tcp) &
(sleep 8; load udp 4 10 60 >$R/udp) &
# Where every look at the clock is a system call, these make so many that calls would be sampled.
(sleep 13; load spin 2 0 2 >$R/spin) &
(sleep 8; dd if=/dev/vda of=/dev/null bs=64k count=32 iflag=direct 2>/dev/null || dd if=/dev/vda of=/dev/null bs=64k count=32) >/dev/null 2>&1 &
ossnap-capture -d 16s --max-cpu 100 --min-free 1M --collect syscalls,reclaim,sched-delay,block-io,net-receive,memory \
	-o $R/delays.tar.zst >$R/delays.out 2>$R/delays.err
echo $? >$R/delays.exit
wait
ossnap-capture list >$R/list
ossnap-capture -d 12s --max-cpu 400 --min-free 1M -o $R/default.tar.zst >$R/default.out 2>$R/default.err
echo $? >$R/default.exit
ossnap-capture verify $R/default.tar.zst >$R/default.verify 2>&1
echo $? >$R/default.verify.exit
