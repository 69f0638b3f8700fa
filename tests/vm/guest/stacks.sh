# SPDX-License-Identifier: GPL-2.0-or-later
# Stacks of a load whose depth is known, under an older or newer kernel.
R=/tmp/results
uname -r
native-stacks_load deep 40 60 >/dev/null &
deep=$!
native-stacks_load sleep 90 >/dev/null &
asleep=$!
native-stacks_load threads 2 60 >/dev/null &
threads=$!
echo "$deep $asleep $threads" >$R/pids
python=
if [ -s /bin/python.tar ]; then
	mkdir -p /tmp/python
	tar xf /bin/python.tar -C /tmp/python
	chroot /tmp/python /usr/bin/python3.9 /planted.py >/dev/null 2>&1 &
	python=$!
fi
sleep 1
ossnap-capture -d 20 --max-cpu 100 --collect stacks -o $R/capture.tar.zst >/dev/null
echo $? >$R/status
kill $deep $asleep $threads $python
exit 0
