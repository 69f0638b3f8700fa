# SPDX-License-Identifier: GPL-2.0-or-later
# Heaps that grow by bytes that are known, under an older or newer kernel.
R=/tmp/results
uname -r
mkfifo /tmp/leak.in /tmp/map.in
ld-linux-x86-64.so.2 --library-path /bin /bin/native-leaks leak 24 8 </tmp/leak.in >$R/leak.out &
leak=$!
exec 5>/tmp/leak.in
ld-linux-x86-64.so.2 --library-path /bin /bin/native-leaks map 48 8 </tmp/map.in >$R/map.out &
map=$!
exec 6>/tmp/map.in
while ! grep -q ready $R/leak.out || ! grep -q ready $R/map.out; do sleep 0.2; done
echo "$leak $map" >$R/pids
ossnap-capture -d 45 --max-cpu 100 --collect stacks,processes --heap $leak -o $R/capture.tar.zst >/dev/null &
capture=$!
i=0
while [ $i -lt 200 ] && ! awk '$2 ~ /x/ && $1 ~ /-/ { code = $2 == "r-xp" } $1 == "Anonymous:" && code { n += $2 } END { exit !n }' /proc/$leak/smaps; do
	sleep 0.1
	i=$((i + 1))
done
sleep 2
echo go >&5
echo go >&6
wait $capture
echo $? >$R/status
exec 5>&- 6>&-
kill $leak $map
exit 0
