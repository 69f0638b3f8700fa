#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Memory that no process list shows: each kind is held by a program of ours, beside a twin that holds
# little, and is found with its size and its owner.  The truth is what the program says it holds.
. "$(dirname "$0")/../lib.sh"
need_root "invisible memory"
HOG=$NATIVE/native-hog
MIB=1048576

total=$(awk '/^MemTotal:/ { printf "%.0f", $2 * 1024 }' /proc/meminfo)
free=$(awk '/^MemAvailable:/ { printf "%.0f", $2 * 1024 }' /proc/meminfo)
# The finding wants 1% of memory and 64 MiB; the issue's sizes where there is room.
scaled() {
	local bytes=$(($1 * MIB)) least=$((total / 100 + total / 400))
	[ "$bytes" -gt "$least" ] || bytes=$least
	echo $((bytes / MIB * MIB))
}
if [ "$free" -lt $((2600 * MIB)) ]; then
	skip "invisible memory" "less than 2.6 GiB are available"
	exit 0
fi

# over FILE PID: it is ready, or has ended.
over() { grep -q ready "$1" || ! kill -0 "$2" 2>/dev/null; }

# hold NAME MODE BYTES: a program of its own name, so that findings tell them apart; PID, HELD.  1: no such thing here.
hold() {
	local name=$1
	shift
	cp "$HOG" "$TMP/$name"
	"$TMP/$name" "$@" >"$TMP/$name.out" 2>"$TMP/$name.err" &
	PID=$!
	at_exit kill $PID
	wait_for 20 over "$TMP/$name.out" $PID
	if ! grep -q ready "$TMP/$name.out"; then
		wait "$PID" 2>/dev/null
		if [ $? = 77 ]; then
			skip "$name" "$(tr '\n' ' ' <"$TMP/$name.err")"
		else
			fail "$name" "$(tr '\n' ' ' <"$TMP/$name.err")"
		fi
		return 1
	fi
	HELD=$(awk '{ print $2 }' "$TMP/$name.out")
}

# capture NAME
capture() { # NAME
	rm -f "$TMP/$1.tar.zst"
	"$CAPTURE" -d 200ms -q --collect memory,processes,cgroups,kernel-objects,page-cache -o "$TMP/$1.tar.zst" >/dev/null 2>"$TMP/$1.log" ||
		fail "$1: a capture" "$(tail -3 "$TMP/$1.log")"
	"$ANALYZE" -q -o "$TMP/$1.html" --json "$TMP/$1.json" "$TMP/$1.tar.zst" || fail "$1: a report" "exit $?"
}
value() { jq -r "$2" "$TMP/$1.json"; }

capture quiet
quiet=$(value quiet .memory.unaccounted_bytes)
# Sanitizers keep memory of their own, and other tests run beside us: the exact goal is the benchmark's.
check "quiet: unaccounted is below 0.3% of memory ($((quiet / 1024)) KiB of $((total / 1024)))" \
	test $((quiet < 0 ? -quiet : quiet)) -lt $((total * 3 / 1000))
equal "quiet: no finding of such memory" "" "$(value quiet '[.findings[] | select(.id == "driver.memory") | select(.title | test("twin|hog")) | .title] | join("; ")')"

# pool PAGES: so many huge pages more, and as many less at the end.
pool() {
	local file=/proc/sys/vm/nr_hugepages before
	before=$(cat $file)
	echo $((before + $1)) 2>/dev/null >$file || return 1
	at_exit shrink "$1"
	[ "$(cat $file)" -ge $((before + $1)) ]
}
shrink() { echo $(($(cat /proc/sys/vm/nr_hugepages) - $1)) >/proc/sys/vm/nr_hugepages; }

expected=()
if [ "$(awk '/^Hugepagesize:/ { print $2 }' /proc/meminfo)" = 2048 ] && pool $(($(scaled 512) / MIB / 2 + 4)); then
	# The pool's memory is there before anybody reserves it.
	capture quiet
	quiet=$(value quiet .memory.unaccounted_bytes)
	hold twin-huge huge $((8 * MIB)) && hold hog-huge huge "$(scaled 512)" && expected+=("huge huge-pages pool $PID $HELD")
else
	skip "huge pages" "no pool of 2 MiB pages to be had"
fi

# Each: NAME MODE MIB KIND PART
while read -r name mode mib kind part; do
	hold "twin-$name" "$mode" $((8 * MIB)) || continue
	hold "hog-$name" "$mode" "$(scaled "$mib")" || continue
	expected+=("$name $kind $part $PID $HELD")
done <<-END
	packet packet 512 packet-ring network
	pipes pipes 300 pipe pipes
	bpf bpf 256 bpf-map bpf
	ring bpf-ring 512 bpf-map bpf
	tcp tcp 256 socket network
	unix unix 256 socket network
	uring uring 256 io-uring io-uring
	messages messages 300 socket slab-unreclaimable
END
capture full
sum=0
for e in "${expected[@]}"; do
	read -r name kind part pid held <<<"$e"
	got=$(value full "[.memory.kernel_objects[] | select(.kind == \"$kind\" and .pid == $pid) | .bytes] | add // 0")
	# A ring of io_uring is a block of 2^n pages.
	more=$((held / 20)) && [ "$kind" != io-uring ] || more=$((held / 3))
	check "$name: its bytes are what it holds, and hardly more ($got of $held)" test "$got" -ge "$held" -a "$got" -le $((held + more))
	equal "$name: the finding names the process and the kind" "driver.memory hog-$name ($pid)" \
		"$(value full ".findings[] | select(.id == \"driver.memory\" and .scope.kind == \"process\" and (.scope.name | endswith(\"($pid)\"))) | .id + \" \" + .scope.name")"
	equal "$name: none about its twin" "" "$(value full ".findings[] | select(.scope.name | startswith(\"twin-$name\")) | .id")"
	sum=$((sum + held))
done
for part in network pipes bpf io-uring slab-unreclaimable; do
	held=$(printf '%s\n' "${expected[@]}" | awk -v p=$part '$3 == p { n += $5 } END { printf "%d", n }')
	got=$(($(value full ".memory.parts[] | select(.id == \"$part\") | .bytes") - $(value quiet ".memory.parts[] | select(.id == \"$part\") | .bytes")))
	check "$part: the part grew by what is held ($got of $held)" test "$got" -ge $((held - held / 12)) -a "$got" -le $((held + held / 3 + 24 * MIB))
done
grown=$(($(value full .memory.unaccounted_bytes) - quiet))
check "all of it has a name: unaccounted grew by less than a twentieth ($((grown / 1024)) KiB of $((sum / 1024)))" \
	test $((grown < 0 ? -grown : grown)) -lt $((sum / 20))
