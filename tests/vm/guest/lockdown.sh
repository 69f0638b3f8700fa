# SPDX-License-Identifier: GPL-2.0-or-later
# Under lockdown=confidentiality neither /proc/kcore nor BPF may read the kernel's memory.
R=/tmp/results
cat /sys/kernel/security/lockdown >$R/lockdown
for source in auto kcore bpf; do
	ossnap-capture -d 200ms --memory-source $source --min-free 1M -o $R/$source.tar.zst >$R/$source.out 2>$R/$source.err
	echo $? >$R/$source.exit
	ossnap-capture verify $R/$source.tar.zst >$R/$source.verify 2>&1
done
ossnap-capture check >$R/check 2>&1
echo $? >$R/check.exit
