#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Heaps of JVMs: passively, and by attaching where that was asked for, against what the program made.
. "$(dirname "$0")/../lib.sh"
need_root "Java heaps"
if ! command -v javac >/dev/null; then
	skip "Java heaps" "no JDK is installed"
	exit 0
fi
HERE=$(cd "$(dirname "$0")" && pwd)
WORK=$(mktemp -d /var/tmp/ossnap-java.XXXXXX) # outside /tmp, which the container below has its own of
at_exit rm -rf "$WORK"
chmod 755 "$WORK"
check "the program compiles" javac -d "$WORK" "$HERE/HeapUser.java"
JAVA=(java -Xmx64m -XX:TieredStopAtLevel=1 -cp "$WORK")

# start NAME COMMAND...: sets JVM to the pid of the java process; its input is fd 4.
start() {
	local name=$1 end=$((SECONDS + 60))
	shift
	rm -f "$TMP/ask"
	mkfifo "$TMP/ask"
	: >"$TMP/$name"
	"$@" <"$TMP/ask" >"$TMP/$name" 2>&1 &
	LAUNCHED=$!
	at_exit kill "$LAUNCHED"
	exec 4>"$TMP/ask"
	until grep -q '^ready' "$TMP/$name"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
	JVM=$LAUNCHED
	while child=$(cat "/proc/$JVM/task/$JVM/children" 2>/dev/null) && [ -n "$child" ]; do JVM=${child%% *}; done
	at_exit kill "$JVM"
}
stop() {
	exec 4>&-
	kill "$JVM" 2>/dev/null
	rm -f "/tmp/.java_pid$JVM"
	wait "$LAUNCHED" 2>/dev/null
	return 0 # not how the JVM ended
}
# capture OPTIONS...: into $TMP/j.json
capture() {
	rm -f "$TMP/j.tar.zst"
	"$CAPTURE" -q --collect host,memory,processes,heaps "$@" -o "$TMP/j.tar.zst" >/dev/null
	equal "$CASE: the capture is complete" 0 $?
	"$ANALYZE" -q -o "$TMP/j.html" --json "$TMP/j.json" "$TMP/j.tar.zst"
}
heap() { jq -r --argjson p "$JVM" "[.memory.heaps[] | select(.pid == \$p)][0] | $1" "$TMP/j.json"; }
of_type() { heap "[.entries[] | select(.type == \"$1\")][0] | \"\(.count) \(.bytes)\""; }
collections() {
	local before
	before=$(grep -c collections "$TMP/$1")
	echo >&4
	wait_for 20 sh -c "[ \$(grep -c collections '$TMP/$1') -gt $before ]"
	grep collections "$TMP/$1" | tail -1
}

CASE="a JVM"
start plain "${JAVA[@]}" HeapUser || fail "$CASE starts" "$(tail -3 "$TMP/plain")"
before=$(collections plain)
capture --pid "$JVM" -d 300ms
equal "$CASE: is recognised" java "$(heap .runtime)"
equal "$CASE: with its version" "$(java -XshowSettings:properties -version 2>&1 | sed -n 's/ *java.vm.version = //p')" "$(heap .version)"
equal "$CASE: without --heap nothing asks it for its classes" 0 "$(heap '[.entries[] | select(.kind == "object")] | length')"
equal "$CASE: nor makes it listen" no "$([ -e "/tmp/.java_pid$JVM" ] && echo yes || echo no)"
used=$(heap '[.entries[] | select(.type | test("^Java heap.*in use"))] | map(.bytes) | add')
[ "$used" -gt 2000000 ] && [ "$used" -lt 64000000 ] && ok "$CASE: its spaces are there" || fail "$CASE: its spaces are there" "$used in use"
capture --heap "$JVM" -d 300ms
# Each has 12 bytes of head, two longs and one compressed reference.
equal "$CASE: objects that are kept" "20000 640000" "$(of_type 'HeapUser$Kept')"
equal "$CASE: and those that nobody keeps any more" "5000 120000" "$(of_type 'HeapUser$Dropped')"
equal "$CASE: no collection was forced" "$before" "$(collections plain)"
stop

CASE="a JVM in a container"
start inside unshare --mount --pid --fork --mount-proc bash -c \
	'mount -t tmpfs -o mode=1777 none /tmp && exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"' \
	bash "${JAVA[@]}" HeapUser
got=$?
if [ $got != 0 ]; then
	skip "$CASE" "it does not start: $(tail -1 "$TMP/inside")"
else
	equal "$CASE: its pid is another one inside" 1 "$(awk '/^NSpid/ { print $NF }' "/proc/$JVM/status")"
	capture --heap "$JVM" -d 300ms
	equal "$CASE: objects that are kept" 20000 "$(of_type 'HeapUser$Kept' | cut -d' ' -f1)"
	equal "$CASE: nothing is left behind in it" "" "$(find "/proc/$JVM/root/tmp" -name '.attach_pid*')"
	[ "$(heap '[.entries[] | select(.type | test("^Java heap"))] | length')" -gt 2 ] && ok "$CASE: its counters" || fail "$CASE: its counters" "$(heap .reason)"
fi
stop

# It listens from the start, unless it must not: then a SIGQUIT would be its end.
CASE="a JVM that leaves signals alone"
start xrs "${JAVA[@]}" -Xrs HeapUser
capture --heap "$JVM" -d 300ms
equal "$CASE: objects that are kept" 20000 "$(of_type 'HeapUser$Kept' | cut -d' ' -f1)"
stop
CASE="a JVM that leaves signals alone and is not to be attached to"
start xrs "${JAVA[@]}" -Xrs -XX:+DisableAttachMechanism HeapUser
capture --heap "$JVM" -d 300ms
check "$CASE: lives on" kill -0 "$JVM"
case $(heap .reason) in *-Xrs*) ok "$CASE: is said to be one" ;; *) fail "$CASE: is said to be one" "$(heap .reason)" ;; esac
equal "$CASE: its counters are there" java "$(heap .runtime)"
stop

CASE="a JVM that leaks"
start leak "${JAVA[@]}" HeapUser leak
capture --heap "$JVM" -d 3s
grown=$(heap '[.entries[] | select(.type == "HeapUser$Kept")][0] | .count - .count_first')
[ "$grown" -gt 50000 ] && ok "$CASE: the class that grows" || fail "$CASE: the class that grows" "$grown"
title=$(jq -r --arg p "($JVM)" '.findings[] | select(.id == "heap.growth" and (.scope.name | endswith($p))) | .title' "$TMP/j.json")
case $title in
*"with ever more objects of HeapUser\$Kept") ok "$CASE: is found, with the class" ;;
*) fail "$CASE: is found, with the class" "$title $(jq -c '.memory.heaps[0] | del(.entries)' "$TMP/j.json")" ;;
esac
stop
