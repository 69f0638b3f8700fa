#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A process on which `ps` hangs: everybody else's command line is there, in time, and it is named.
. "$(dirname "$0")/../lib.sh"
need_root collectors_stuck

mkdir "$TMP/mnt"
mkfifo "$TMP/hold"
"$NATIVE/native-stuckcmdline" "$TMP/mnt" <"$TMP/hold" >"$TMP/pid" 2>"$TMP/error" &
stuck=$!
exec 9>"$TMP/hold"
release() { # closing the pipe lets it go; a kill does too
	exec 9>&-
	sleep 0.5
	kill -KILL "$stuck"
	umount -l "$TMP/mnt"
}
at_exit release
if ! wait_for 5 grep -q . "$TMP/pid"; then
	skip "a command line that cannot be read" "no FUSE here: $(cat "$TMP/error")"
	exit 0
fi
# The ground truth: cat does not come back.
hangs() { ! timeout -s KILL 0.5 cat "/proc/$stuck/cmdline" >"$TMP/cmdline"; }
if ! wait_for 5 hangs; then
	skip "a command line that cannot be read" "this kernel reads it all the same"
	exit 0
fi
start=$(date +%s%N)
"$CAPTURE" -q -d 1s --collect processes -o "$TMP" >"$TMP/path" 2>"$TMP/log"
equal "the archive is partial" 3 $?
took=$((($(date +%s%N) - start) / 1000000))
if [ "$took" -lt 5000 ]; then ok "in time"; else fail "in time" "$took ms for a window of 1 s"; fi
archive=$(cat "$TMP/path")
equal "the process is named" "/proc/PID/cmdline: no answer from process $stuck (its memory map is locked)" \
	"$(member "$archive" manifest.json | jq -r '.collectors[] | select(.name == "processes") | .reason')"
member "$archive" raw/processes | "$NATIVE/native-unpack" -l >"$TMP/entries"
check "what can be read of it is there" grep -q "^$stuck/status [1-9][0-9]* 0$" "$TMP/entries"
check "its command line says why it is not" grep -q "^$stuck/cmdline 0 110$" "$TMP/entries" # ETIMEDOUT
check "ours is there" grep -q "^$$/cmdline [1-9][0-9]* 0$" "$TMP/entries"
