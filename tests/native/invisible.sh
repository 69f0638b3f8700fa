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
if [ "$free" -lt $((2000 * MIB)) ]; then
	skip "invisible memory" "less than 2 GiB are available"
	exit 0
fi

# over FILE PID: it is ready, or has ended.
over() { grep -q ready "$1" || ! kill -0 "$2" 2>/dev/null; }

# hold NAME MODE BYTES: a program of its own name, so that findings tell them apart; PID (and PIDS[NAME]), HELD.
# 1: no such thing here.
declare -A PIDS
hold() {
	local name=$1
	shift
	cp "$HOG" "$TMP/$name"
	"$TMP/$name" "$@" >"$TMP/$name.out" 2>"$TMP/$name.err" &
	PID=$! PIDS[$name]=$!
	at_exit kill $PID
	wait_for 20 over "$TMP/$name.out" $PID
	if ! grep -q ready "$TMP/$name.out"; then
		kill "$PID" 2>/dev/null
		wait "$PID" 2>/dev/null
		if [ $? = 77 ]; then
			skip "$name" "$(tr '\n' ' ' <"$TMP/$name.err")"
		else
			fail "$name" "$(tr '\n' ' ' <"$TMP/$name.err")"
		fi
		return 1
	fi
	HELD=$(awk '/^ready/ { print $2 }' "$TMP/$name.out")
}

# capture NAME
capture() { # NAME
	rm -f "$TMP/$1.tar.zst"
	"$CAPTURE" -d 200ms -q --collect memory,processes,cgroups,kernel-objects,page-cache -o "$TMP/$1.tar.zst" >/dev/null 2>"$TMP/$1.log" ||
		fail "$1: a capture" "$(tail -3 "$TMP/$1.log")"
	"$ANALYZE" -q -o "$TMP/$1.html" --json "$TMP/$1.json" "$TMP/$1.tar.zst" || fail "$1: a report" "exit $?"
}
value() { jq -r "$2" "$TMP/$1.json"; }
part() { value "$1" "[.memory.parts[] | select(.id == \"$2\") | .bytes] | add // 0"; }

capture quiet
quiet=$(value quiet .memory.unaccounted_bytes)
# Sanitizers keep memory of their own, and other tests run beside us: a tenth of this is usual.
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

# named NAME BASE PART HELD MORE: with that hog alive its part grew by what it holds, and what has no name did not.
named() {
	local got
	got=$(($(part "$1" "$3") - $(part "$2" "$3")))
	check "$1: $3 grew by what is held ($got of $4)" test "$got" -ge $(($4 - $4 / 12)) -a "$got" -le $(($4 + $4 / $5 + 16 * MIB))
	got=$(($(value "$1" .memory.unaccounted_bytes) - $(value "$2" .memory.unaccounted_bytes)))
	check "$1: unaccounted grew by less than a twentieth of it ($((got / 1024)) KiB of $(($4 / 1024)))" \
		test $((got < 0 ? -got : got)) -lt $(($4 / 20))
}

# owned NAME KIND PID HELD MORE: the table and the finding name it with its size, and nobody else.
owned() {
	local got
	got=$(value "$1" "[.memory.kernel_objects[] | select(.kind == \"$2\" and .pid == $3) | .bytes] | add // 0")
	check "$1: its bytes are what it holds, and hardly more ($got of $4)" test "$got" -ge "$4" -a "$got" -le $(($4 + $4 / $5))
	equal "$1: the finding names the process and the kind" "driver.memory hog-$1 ($3)" \
		"$(value "$1" ".findings[] | select(.id == \"driver.memory\" and .scope.kind == \"process\" and (.scope.name | endswith(\"($3)\"))) | .id + \" \" + .scope.name")"
	equal "$1: none about its twin" "" "$(value "$1" ".findings[] | select(.scope.name | startswith(\"twin-$1\")) | .id")"
}

# One after the other, each alone.  NAME MODE MIB KIND PART, how much more (one in so many) there may be of it: a ring of
# io_uring is a block of 2^n pages, messages have heads.
while read -r name mode mib kind part more; do
	hold "twin-$name" "$mode" $((8 * MIB)) || continue
	twin=$PID
	hold "hog-$name" "$mode" "$(scaled "$mib")" || continue
	capture "$name"
	owned "$name" "$kind" "$PID" "$HELD" "$more"
	named "$name" quiet "$part" "$HELD" 3
	kill "$PID" "$twin"
	wait "$PID" "$twin" 2>/dev/null
done <<-END
	packet packet 512 packet-ring network 20
	pipes pipes 300 pipe pipes 20
	bpf bpf 256 bpf-map bpf 20
	ring bpf-ring 512 bpf-map bpf 20
	tcp tcp 256 socket network 10
	unix unix 256 socket network 10
	uring uring 256 io-uring io-uring 3
	messages messages 300 socket slab-unreclaimable 20
	pool pool 300 socket network 5
	udmabuf udmabuf 256 dma-buf dma-buf 20
END

# Slab that no descriptor leads to: as a leak of the kernel's own it has no holder, but a size and a cache.
if hold hog-ipc ipc "$(scaled 512)"; then
	capture ipc
	named ipc quiet slab-unreclaimable "$HELD" 3
	if [ "$HELD" -ge $((total / 50)) ]; then
		check "ipc: the finding names the cache" jq -e '.findings[] | select(.id == "slab.unreclaimable" and (.title | test("kmalloc|msg_msg")))' "$TMP/ipc.json"
	fi
	kill "$PID"
	wait "$PID" 2>/dev/null
fi

# The disk that the hog made, whether it got ready or not: it cannot go while the hog has it open.
drop_zram() {
	local disk pid=${PIDS[hog-zram]:-}
	[ -z "$pid" ] || { kill "$pid" && wait "$pid"; } 2>/dev/null
	disk=$(awk '/^zram/ { print substr($1, 5) }' "$TMP/hog-zram.out" 2>/dev/null)
	[ -n "$disk" ] || return 0
	# Its number may be another's next time.
	wait_for 5 remove_zram "$disk" && : >"$TMP/hog-zram.out"
}
# Somebody may look at a new disk, and it is busy meanwhile.
remove_zram() { [ ! -e "/sys/block/zram$1" ] || { echo 1 >"/sys/block/zram$1/reset" && echo "$1" >/sys/class/zram-control/hot_remove; }; }

# Compressed memory, on a disk of its own.
at_exit drop_zram
if hold hog-zram zram $((256 * MIB)); then
	capture zram
	named zram quiet zram "$HELD" 20
	drop_zram
fi

if [ "$(awk '/^Hugepagesize:/ { print $2 }' /proc/meminfo)" = 2048 ] && pool $(($(scaled 512) / MIB / 2 + 4)); then
	# The pool's memory is there before anybody reserves it.
	capture reserve
	named reserve quiet huge-pages $(($(scaled 512))) 3
	hold twin-huge huge $((8 * MIB))
	hold hog-huge huge "$(scaled 512)"
	capture huge
	owned huge huge-pages "$PID" "$HELD" 20
else
	skip "huge pages" "no pool of 2 MiB pages to be had"
fi

# Without the kernel's memory: what sock_diag and the descriptors tell, and no word about the rest.
if hold low-packet packet $((64 * MIB)); then
	packet=$PID packet_held=$HELD
	hold low-tcp tcp $((64 * MIB))
	hold low-bpf bpf $((64 * MIB))
	"$CAPTURE" -d 100ms -q --memory-source procfs --collect memory,processes,kernel-objects -o "$TMP/low.tar.zst" >/dev/null 2>"$TMP/low.log"
	equal "lower rung, asked for by name: complete" 0 $?
	"$ANALYZE" -q -o "$TMP/low.html" --json "$TMP/low.json" "$TMP/low.tar.zst"
	held_by() { value low "[.memory.kernel_objects[] | select(.kind == \"$1\" and .pid == $2) | .bytes] | add // 0"; }
	equal "lower rung: the ring, its bytes and its holder" "$packet_held" "$(held_by packet-ring "$packet")"
	check "lower rung: the ring is in the part" test "$(part low network)" -ge "$packet_held"
	tcp=$(pgrep -f "$TMP/low-tcp" | head -1)
	check "lower rung: the queue of a connection ($(held_by socket "$tcp"))" test "$(held_by socket "$tcp")" -ge $((60 * MIB))
	check "lower rung: a map and its holder ($(held_by bpf-map "$PID"))" test "$(held_by bpf-map "$PID")" -ge $((64 * MIB))
	equal "lower rung: pipes were not looked at, and are no part" "" "$(value low '.memory.parts[] | select(.id == "pipes") | .id')"
	chmod 755 "$TMP"
	mkdir -m 777 "$TMP/user"
	setpriv --reuid 65534 --regid 65534 --clear-groups "$CAPTURE" -d 100ms -q --collect kernel-objects -o "$TMP/user/user.tar.zst" >/dev/null 2>&1
	equal "not root: partial" 3 $?
	equal "not root: and says what it stands on" "partial true" \
		"$(member "$TMP/user/user.tar.zst" manifest.json | jq -r '.collectors[] | select(.name == "kernel-objects") | "\(.status) \(.reason | test("using /proc/PID/fd and sock_diag"))"')"
	equal "not root: the ring is seen, if not whose it is" "$packet_held" \
		"$(member "$TMP/user/user.tar.zst" tables/kernel_objects.tsv | awk -F'\t' '$1 == "packet-ring" { n += $5 } END { print n + 0 }')"
fi
