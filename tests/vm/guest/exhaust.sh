# SPDX-License-Identifier: GPL-2.0-or-later
# Exhaustion, one scenario after another, under one guard.  From the kernel's command line:
# OSSNAP_GUARD=none|earlyoom|low|medium|high OSSNAP_SWAP=none|disk OSSNAP_SEED=N OSSNAP_SCENARIOS=a,b
# A line of results a cell:
#   SCENARIO danger|none SECONDS gone|alive INNOCENTS-LEFT KERNEL-KILLS WORST-MS TOTAL-MS FIRST-STALL RELIEF
# times since the workload's start, "-" for none.  Without a guard fastoom traces, dry.
R=/tmp/results
mkdir -p $R/traces $R/journals $R/stalls /fill
HOG=native-fastoom_hog
M=$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)
# the seed moves rates by -10, 0, +10 %
rate() { echo $(($1 * (9 + OSSNAP_SEED % 3) / 10)); }
share() { echo $((M * $1 / 100)); }
mount -o remount,size=1500m /tmp
mount -t ext4 /dev/vdb /mnt
dd if=/dev/zero of=/mnt/probe bs=4096 count=64 2>/dev/null
dd if=/dev/zero of=/mnt/big bs=1M count=80 2>/dev/null
mount -t tmpfs -o size=4000m fill /fill
[ "$OSSNAP_SWAP" = none ] || mkswap /dev/vdc >/dev/null
kernel_kills() { dmesg | grep -c "Killed process"; }
alive() { [ -d /proc/$1 ] && ! grep -q '^State:.*Z' /proc/$1/status; }
uptime_s() { cut -d' ' -f1 /proc/uptime; }
scope=node

# start_guard NAME
start_guard() {
	guard=
	case $OSSNAP_GUARD in
	none) fastoom --dry-run --scope $scope --journal $R/journals/$1.jsonl --trace $R/traces/$1.tsv 2>>$R/errors & ;;
	earlyoom) earlyoom -r 0 >>$R/earlyoom.log 2>&1 & ;;
	*) fastoom --sensitivity $OSSNAP_GUARD --scope $scope --journal $R/journals/$1.jsonl --trace $R/traces/$1.tsv 2>>$R/errors & ;;
	esac
	guard=$!
}

# cell NAME danger|none LIMIT COMMAND...
cell() {
	name=$1 class=$2 limit=$3
	shift 3
	case ,$OSSNAP_SCENARIOS, in *,$name,*) ;; *) return ;; esac
	[ "$OSSNAP_SWAP" = none ] || swapon /dev/vdc
	before=$(kernel_kills)
	innocents=
	for i in 1 2 3; do
		$HOG -n innocent 16 0 &
		innocents="$innocents $!"
	done
	exhaust_probe /mnt/probe $R/stalls/$name &
	probe=$!
	echo -1000 >/proc/$probe/oom_score_adj
	start_guard $name
	sleep 1.5
	start=$(uptime_s)
	if [ $scope = node ]; then
		"$@" &
	else
		sh -c 'echo $$ >/sys/fs/cgroup/g/cgroup.procs; exec "$@"' x "$@" &
	fi
	hog=$!
	end=-
	while [ $(($(cut -d. -f1 /proc/uptime) - ${start%.*})) -lt $limit ]; do
		sleep 0.25
		alive $hog || { end=$(uptime_s); break; }
	done
	state=gone
	[ $end != - ] || state=alive
	sleep 1.5
	left=0
	for i in $innocents; do alive $i && left=$((left + 1)); done
	kernel=$(($(kernel_kills) - before))
	killall -9 hog 2>/dev/null
	kill -9 $hog $innocents 2>/dev/null
	kill $probe $guard
	wait $probe $guard 2>/dev/null
	rm -f /fill/* /mnt/stream
	[ "$OSSNAP_SWAP" = none ] || swapoff /dev/vdc
	echo 3 >/proc/sys/vm/drop_caches
	touch $R/stalls/$name
	awk -v name=$name -v class=$class -v start=$start -v end=$end -v state=$state -v left=$left -v kernel=$kernel \
		'$1 >= start { if (first == "") first = $1 - start; if ($2 > worst) worst = $2; total += $2 }
		END { printf "%s %s %s %s %d %d %d %d %s %s\n", name, class, start, state, left, kernel, worst, total,
			first == "" ? "-" : sprintf("%.1f", first), end == "-" ? "-" : sprintf("%.1f", end - start) }' \
		$R/stalls/$name | tee -a $R/cells
}

# a ballast that stands still leaves less for the leak to eat, and the guest's minutes are few
cell leak-1 danger 60 $HOG -n hog -i $(share 80) 4000 $(rate 2)
cell leak-20 danger 60 $HOG -n hog -i $(share 45) 4000 $(rate 20)
cell leak-100 danger 45 $HOG -n hog 4000 $(rate 100)
cell leak-full danger 45 $HOG -n hog 4000 0
cell crowd danger 45 $HOG -n hog -p 50 -i 18 30 $(rate 4)
cell tmpfs none 20 $HOG -n filler -d /fill $(share 84) $(rate 100)
[ "$OSSNAP_SWAP" = none ] || cell parked none 30 $HOG -n parked $(share 95) $(rate 150)
cell stream none 15 $HOG -n stream -f /mnt/stream 40 0
cell thrash none 20 $HOG -n thrash -i $(share 78) -F /mnt/big $(share 78) 0
cell steady none 15 $HOG -n steady $(share 70) $(rate 300)
cell backup none 15 sh -c 'while :; do cat /mnt/big /bin/busybox >/dev/null; done'
# the same in a group of 256 MiB (v2)
scope=cgroup:/g
echo +memory >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null
mkdir -p /sys/fs/cgroup/g && echo 256M >/sys/fs/cgroup/g/memory.max
cell group-20 danger 30 $HOG -n hog 400 $(rate 20)
cell group-100 danger 20 $HOG -n hog 400 $(rate 100)
cell group-full danger 15 $HOG -n hog 400 0
cell group-steady none 10 $HOG -n hog 215 $(rate 150)
true
