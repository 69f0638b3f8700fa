#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Heaps of the Pythons that are installed here, by type, against what the program itself counts.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../heaps_lib.sh"
need_root "Python heaps"

seen=" "
for python in /usr/bin/python3 /usr/bin/python3.[0-9]* ~/.pyenv/versions/3.*/bin/python3; do
	[ -x "$python" ] || continue
	version=$("$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || continue
	case $version in
	3.8.* | 3.9.* | 3.1[0-4].*) ;;
	*) continue ;;
	esac
	case $seen in *" $version "*) continue ;; esac
	seen="$seen$version "
	try_python "Python $version" "$python"
done
[ "$seen" != " " ] || skip "Python heaps" "no Python from 3.8 to 3.14 is installed"

# ------------------------------------------------------------------ one that never stands still

cat >"$TMP/busy.py" <<'PY'
import random
keep = [[] for _ in range(2000)]
print("ready", flush=True)
while True:
    keep[random.randrange(2000)] = [{"a": [i], "b": "x" * random.randrange(900)} for i in range(random.randrange(60))]
PY
python3 "$TMP/busy.py" >"$TMP/busy.said" &
busy=$!
at_exit kill "$busy"
check "a busy program starts" wait_for 30 grep -q ready "$TMP/busy.said"
bad=
for i in 1 2 3 4 5; do
	rm -f "$TMP/b.tar.zst"
	"$CAPTURE" -q --collect heaps --pid "$busy" -d 100ms -o "$TMP/b.tar.zst" >/dev/null || bad="$bad capture $i: $?"
	lists=$(member "$TMP/b.tar.zst" tables/heap_entries.tsv | awk -F'\t' '$3 == "list" { print $5 }')
	[ "${lists:-0}" -gt 20000 ] || bad="$bad lists in $i: $lists"
done
equal "a heap that changes while it is read is read all the same" "" "$bad"
check "and its program lives on" kill -0 "$busy"
equal "and nobody traces it" 0 "$(awk '/^TracerPid/ { print $2 }' "/proc/$busy/status")"
