# SPDX-License-Identifier: GPL-2.0-or-later
# The guard at node scope and in a v2 group of a machine that may die of it.  One line of results a
# cell: NAME guard|none SECONDS hog=gone|alive innocents-left kernel-kills.
R=/tmp/results
mkdir -p $R/journals
echo "+memory" >/sys/fs/cgroup/cgroup.subtree_control
mkdir -p /sys/fs/cgroup/g /fill
echo 256M >/sys/fs/cgroup/g/memory.max
kernel_kills() { dmesg | grep -c "Killed process"; }
alive() { [ -d /proc/$1 ] && ! grep -q '^State:.*Z' /proc/$1/status; }

# cell NAME GUARD LIMIT SCOPE COMMAND...: until the command's process is gone, or LIMIT seconds.
cell() {
	name=$1 guard=$2 limit=$3 scope=$4
	shift 4
	before=$(kernel_kills)
	innocents=""
	for i in 1 2 3; do
		native-fastoom_hog -n innocent 24 0 &
		innocents="$innocents $!"
	done
	sleep 1
	if [ $guard = guard ]; then
		fastoom --scope $scope --journal $R/journals/$name.jsonl 2>>$R/fastoom.err &
		pid_guard=$!
		sleep 1
	fi
	if [ $scope = node ]; then
		"$@" &
	else
		sh -c 'echo $$ >/sys/fs/cgroup/g/cgroup.procs; exec "$@"' x "$@" &
	fi
	hog=$!
	start=$(cut -d' ' -f1 /proc/uptime)
	while alive $hog && [ $(($(cut -d. -f1 /proc/uptime) - ${start%.*})) -lt $limit ]; do sleep 0.2; done
	end=$(cut -d' ' -f1 /proc/uptime)
	state=gone
	alive $hog && state=alive
	sleep 1
	left=0
	for i in $innocents; do alive $i && left=$((left + 1)); done
	kernel=$(($(kernel_kills) - before))
	kill -9 $hog $innocents 2>/dev/null
	rm -f /fill/*
	[ $guard = guard ] && kill $pid_guard && wait $pid_guard
	wait 2>/dev/null
	echo "$name $guard $(echo "$end $start" | awk '{ printf "%.1f", $1 - $2 }') hog=$state innocents=$left kernel=$kernel" |
		tee -a $R/cells
}
mount -t tmpfs -o size=1500m fill /fill
cell leak-20 guard 90 node native-fastoom_hog -n hog 3000 20
cell leak-100 guard 60 node native-fastoom_hog -n hog 3000 100
cell leak-full guard 60 node native-fastoom_hog -n hog 3000 0
cell group-100 guard 60 cgroup:/g native-fastoom_hog -n hog 400 100
cell group-full guard 60 cgroup:/g native-fastoom_hog -n hog 400 0
cell stream guard 8 node native-fastoom_hog -n stream -f /mnt/stream 64 0
cell tmpfs guard 25 node native-fastoom_hog -n filler -d /fill 780 80
mkswap /dev/vdb >/dev/null && swapon /dev/vdb
cell swap-100 guard 90 node native-fastoom_hog -n hog 3000 100
cell swap-full guard 90 node native-fastoom_hog -n hog 3000 0
