#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The analyzer on every archive that fixtures/gen_hostile makes: an exit code and a message, in
# bounded time and memory, and a report wherever there is something to report.
. "$(dirname "$0")/../lib.sh"

cd "$TMP" || exit 1
if [ ! -x "$BUILD/fixtures/gen_hostile" ]; then
	skip "hostile archives" "$BUILD/fixtures/gen_hostile is not built"
	exit 0
fi
check "the archives are made" "$BUILD/fixtures/gen_hostile" hostile
limit=131072 # KiB, for what may hold a member of 64 MiB
grep -q __asan_init "$ANALYZE" && limit=1048576

# what verify says is what the analyzer says
while IFS=$'\t' read -r name _ want what; do
	file=hostile/$name.tar.zst
	[ -e "$file" ] || continue
	rm -f h.html h.json
	timeout 30 "$NATIVE/native-maxrss" rss "$ANALYZE" -o h.html --json h.json "$file" >out 2>err </dev/null
	r=$?
	if [ $r != "$want" ]; then
		fail "$name: $what" "exit $r, expected $want: $(cat err)"
	elif [ $r = 4 ] && ! grep -qF "$name.tar.zst: " err; then
		fail "$name: $what" "no reason given: $(cat err)"
	elif [ $r = 4 ] && [ -e h.html ]; then
		fail "$name: $what" "a report of a refused archive"
	elif [ $r != 4 ] && ! jq -e '.schema == "ossnap-report/1"' h.json >/dev/null 2>&1; then
		fail "$name: $what" "no JSON: $(cat err)"
	elif [ $r = 3 ] && [ "$(jq '.archives[0].complete' h.json)" != false ]; then
		fail "$name: $what" "the report does not say that it is damaged"
	elif [ "$(cat rss)" -gt $limit ]; then
		fail "$name: $what" "$(cat rss) KiB of memory"
	else
		ok "$name: $what"
	fi
	timeout 30 "$CAPTURE" verify "$file" >out 2>err </dev/null
	equal "$name: verify" "$want" $?
done < <(tail -n +2 hostile/cases.tsv)

equal "nothing was extracted" "" \
	"$(find . -mindepth 1 -maxdepth 1 ! -name hostile ! -name 'h.*' ! -name err ! -name out ! -name rss)"

"$ANALYZE" --salvage -o h.html --json h.json hostile/manifest-size.tar.zst 2>err
equal "--salvage goes on past a wrong hash, and says so" "3 1" "$? $(grep -c 'used all the same' err)"

many=()
# Copies are counted once: a skippable frame at the end makes each a file of its own.
mkdir many
for ((i = 0; i < 500; i++)); do
	{ cat hostile/good.tar.zst; printf '\x50\x2a\x4d\x18\x04\x00\x00\x00%04d' "$i"; } >many/$i.tar.zst
	many+=("many/$i.tar.zst")
done
timeout 120 "$NATIVE/native-maxrss" rss "$ANALYZE" -q -o fleet.html --json fleet.json "${many[@]}" 2>err
equal "500 archives at once" "0 500" "$? $(jq '.fleet.hosts | length' fleet.json)"
