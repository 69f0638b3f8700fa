# SPDX-License-Identifier: GPL-2.0-or-later
# Stacks of a load whose depth is known, under an older or newer kernel.
R=/tmp/results
uname -r
native-stacks_load deep 40 60 >/dev/null &
deep=$!
native-stacks_load sleep 90 >/dev/null &
asleep=$!
native-stacks_load threads 2 60 >/dev/null &
echo "$deep $asleep $!" >$R/pids
sleep 1
ossnap-capture -d 20 --max-cpu 100 --collect stacks -o $R/capture.tar.zst >/dev/null
echo $? >$R/status
kill $deep $asleep $!
exit 0
