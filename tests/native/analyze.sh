#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# ossnap-analyze from the outside: what a new user tries, and commonly breaks.
. "$(dirname "$0")/../lib.sh"

cd "$TMP" || exit 1
if ! "$CAPTURE" -q -d 100ms --skip page-cache -o "$TMP/a.tar.zst" >/dev/null 2>"$TMP/err" && [ ! -f a.tar.zst ]; then
	fail "a capture to analyse" "$(cat "$TMP/err")"
	exit 0
fi

# expect NAME CODE WORD COMMAND...: exit code, and a word that stderr must have.
expect() {
	local name=$1 code=$2 word=$3 r
	shift 3
	timeout 20 "$@" >"$TMP/out" 2>"$TMP/err" </dev/null
	r=$?
	if [ "$r" != "$code" ]; then
		fail "$name" "exit $r, expected $code: $(cat "$TMP/err")"
	elif ! grep -qF -- "$word" "$TMP/err"; then
		fail "$name" "no '$word' in: $(cat "$TMP/err")"
	else
		ok "$name"
	fi
}

"$ANALYZE" -q --json - a.tar.zst >a.json 2>err
whole=$? # 0 as root; 3 where something was denied
equal "stdout is JSON of the contract's schema" ossnap-report/1 "$(jq -r .schema a.json 2>&1)"
equal "the JSON names the file by its SHA-256" "$(sha256sum a.tar.zst | cut -c1-64)" "$(jq -r '.archives[0].sha256' a.json)"
equal "-q says nothing about an archive without trouble" "" "$([ $whole = 0 ] && cat err)"
check "the report lies beside the archive" test -s a.html
expect "the verdict and the path end the run" $whole "report: a.html" "$ANALYZE" a.tar.zst

cp a.html first.html
cp a.json first.json
"$ANALYZE" -q --json a.json a.tar.zst 2>/dev/null
check "the same archive gives the same HTML" cmp first.html a.html
check "the same archive gives the same JSON" cmp first.json a.json
"$ANALYZE" -q -o c.html -- a.tar.zst 2>/dev/null
check "and so it does under another name" cmp first.html c.html
LC_ALL=tr_TR.UTF-8 TZ=Asia/Tokyo "$ANALYZE" -q --json d.json -o d.html a.tar.zst 2>/dev/null
check "and in another locale and zone" cmp first.html d.html

expect "no argument" 2 "no archive given" "$ANALYZE"
expect "--json that took the archive" 2 "--json takes FILE or -" "$ANALYZE" --json a.tar.zst
expect "standard input" 4 "standard input is not read" "$ANALYZE" -
expect "an unknown option" 2 "--frobnicate" "$ANALYZE" --frobnicate a.tar.zst
for o in compare trace debuginfo; do
	expect "--$o belongs to a later version" 2 "--$o: not in this version" "$ANALYZE" --$o x a.tar.zst
done
expect "--json - with --text" 2 "--text" "$ANALYZE" --json - --text a.tar.zst
for o in output json text top fail-on salvage limits compare export trace debuginfo quiet help version; do
	check "--help names --$o" sh -c '"$0" --help | grep -q -- "--$1 "' "$ANALYZE" "$o"
done

expect "a missing file" 4 "No such file" "$ANALYZE" none.tar.zst
: >empty.tar.zst
expect "an empty file" 4 "is empty" "$ANALYZE" empty.tar.zst
mkfifo fifo
expect "a FIFO does not hang" 4 "a FIFO" "$ANALYZE" fifo
expect "a directory" 4 "is a directory" "$ANALYZE" "$TMP"
expect "/dev/zero" 4 "a device" "$ANALYZE" /dev/zero
echo "some text" >text.tar.zst
expect "text" 4 "not an ossnap archive" "$ANALYZE" text.tar.zst
tar --zstd -cf other.tar.zst text.tar.zst
expect "somebody else's tar" 4 "not an ossnap archive" "$ANALYZE" other.tar.zst
zstd -dqc a.tar.zst >plain.tar
expect "a decompressed archive" 4 "plain.tar: not an ossnap archive (a decompressed tar: compress it" "$ANALYZE" plain.tar
echo x | gzip >x.tar.gz
expect "gzip" 4 "x.tar.gz: not an ossnap archive (gzip" "$ANALYZE" x.tar.gz
equal "nothing is written for what is no archive" "" "$(ls none.html empty.html fifo.html text.html other.html 2>/dev/null)"
expect "a limit is named with its option" 4 "--limits input" "$ANALYZE" --limits input=1K a.tar.zst

size=$(stat -c %s a.tar.zst)
head -c $((size / 2)) a.tar.zst >cut.tar.zst
expect "a cut archive is salvaged and said to be damaged" 3 "cut" "$ANALYZE" --json cut.json cut.tar.zst
equal "its report says so" "false capture.partial" \
	"$(jq -r '"\(.archives[0].complete) \([.findings[].id] | map(select(. == "capture.partial")) | join(" "))"' cut.json)"
expect "--fail-on warning" 10 "cut" "$ANALYZE" -q --fail-on warning cut.tar.zst
equal "what was read is not verified, and not unseen either" "1 0" \
	"$(jq -r '"\([.not_seen[] | select(.why | startswith("read but not verified"))] | length) \([.not_seen[] | select(.what == "what the machine is")] | length)"' cut.json)"
"$CAPTURE" -q -d 60s --skip page-cache -o killed.tar.zst >/dev/null 2>&1 &
pid=$!
for _ in $(seq 50); do
	[ "$(stat -c %s killed.tar.zst.partial 2>/dev/null || echo 0)" -gt 10000 ] && break
	sleep 0.1
done
sleep 0.5
kill -9 $pid
wait $pid 2>/dev/null
expect "a capture that was killed is said to be no cut transfer" 3 "not finished" \
	"$ANALYZE" --json killed.json killed.tar.zst.partial
equal "and the advice is to capture again" 1 \
	"$(jq '[.findings[] | select(.id == "capture.partial") | .advice[] | select(startswith("Capture again"))] | length' killed.json)"

# one bit flipped in the middle of each member: an answer every time, never a success, whatever is missing
size=$(stat -c %s a.tar.zst)
wrong='' frames=0
"$ANALYZE" -q -o whole.html --json whole.json a.tar.zst 2>/dev/null
mapfile -t starts < <(LC_ALL=C grep -obUaP '\x28\xb5\x2f\xfd' a.tar.zst | cut -d: -f1)
for ((i = 0; i < ${#starts[@]}; i++)); do
	at=$(((starts[i] + ${starts[i + 1]:-$size}) / 2))
	frames=$((frames + 1))
	cp a.tar.zst flip.tar.zst
	byte=$(od -An -tu1 -j $at -N1 a.tar.zst)
	# shellcheck disable=SC2059
	printf "\\x$(printf %02x $((byte ^ 16)))" | dd of=flip.tar.zst bs=1 seek=$at conv=notrunc status=none
	timeout 20 "$ANALYZE" -q -o flip.html --json flip.json flip.tar.zst >/dev/null 2>err
	r=$?
	# zstd's frame header has bits that mean nothing: then the content is the same to the byte.
	if [ $r = 0 ] && cmp -s <(jq 'del(.archives[].sha256)' flip.json) <(jq 'del(.archives[].sha256)' whole.json); then
		continue
	fi
	case $r in 3 | 4) ;; *) wrong="$wrong byte $at: exit $r;" ;; esac
done
[ "$frames" -gt 30 ] || wrong="$wrong only $frames members were found"
equal "a flipped bit is never overlooked, and never fatal ($frames members)" "" "$wrong"

expect "one of several cannot be read: the others are reported" 4 "text.tar.zst" \
	"$ANALYZE" -o fleet.html --json fleet.json a.tar.zst text.tar.zst cut.tar.zst
equal "a fleet names what could not be read" "3 1" \
	"$(jq -r '"\(.fleet.hosts | length) \([.fleet.hosts[] | select(.verdict.text | startswith("The archive could not be read: text.tar.zst"))] | length)"' fleet.json)"
equal "counts it as refused" true "$(jq '.verdict.text | contains("3 archives: 2 read, 1 refused (text.tar.zst).")' fleet.json)"
equal "says whose captures they are, and their files" "true a.tar.zst cut.tar.zst" \
	"$(jq -r '"\(.verdict.text | contains("2 captures of 1 machine")) \([.archives[] | select(.state != "refused") | .file] | join(" "))"' fleet.json)"
expect "the same archive twice" $whole "a-fleet.html" "$ANALYZE" a.tar.zst a.tar.zst
expect "is counted once" $whole "the same archive as a.tar.zst" "$ANALYZE" a.tar.zst ./a.tar.zst
equal "the report is as private as the archive" "600 600 600" "$(stat -c %a a.tar.zst a.html a.json | xargs)"

expect "an archive is not overwritten by its report" 2 "would replace it" "$ANALYZE" -o a.tar.zst a.tar.zst
expect "nor by its JSON" 2 "would replace it" "$ANALYZE" --json ./a.tar.zst a.tar.zst
expect "the JSON does not replace the report" 2 "that is the report itself" "$ANALYZE" --json ./a.html a.tar.zst
check "and is still whole" test "$(stat -c %s a.tar.zst)" = "$size"
expect "a directory that is not there" 2 "no/where.html" "$ANALYZE" -o no/where.html a.tar.zst
echo old >old.html
ln -s old.html link.html
"$ANALYZE" -q -o link.html a.tar.zst 2>/dev/null
check "a link is followed, the older report replaced" cmp first.html old.html
check "and stays a link" test -L link.html
"$ANALYZE" -q -o /dev/null a.tar.zst 2>/dev/null
check "/dev/null stays a device" test -c /dev/null
equal "no temporary file is left" "" "$(find . -name '*.html.??????')"
# the reader is gone before the first byte: a small report would fit into the pipe
(sleep 0.5; exec timeout 20 "$ANALYZE" -q --json - a.tar.zst 2>err) | true
equal "a reader of --json - that goes away is an error, not a death" "2 1" "${PIPESTATUS[0]} $(grep -c 'Broken pipe' err)"
if [ -e /dev/full ]; then
	expect "a full disk is said" 2 "No space left" "$ANALYZE" -o full.html --json /dev/full a.tar.zst
fi

evil=$'a\x1b]0;evil\x07\n.tar.zst'
cp text.tar.zst "$evil"
"$ANALYZE" "$evil" 2>err
equal "a name cannot talk to the terminal" 0 "$(tr -d -c '\033\007' <err | wc -c)"
cp text.tar.zst $'a\xe2\x80\xaegnp.tar.zst'
expect "nor turn what it shows around" 4 "a<U+202E>gnp" "$ANALYZE" $'a\xe2\x80\xaegnp.tar.zst'
cp a.tar.zst 'x (1).tar.zst'
expect "a browser's name" $whole "x (1).html" "$ANALYZE" 'x (1).tar.zst'

equal "the analyzer needs no BPF, no ELF and no network library" "" \
	"$(readelf -d "$ANALYZE" | grep -oE 'lib(bpf|elf|curl|ssl|nss)[^]]*' | tr '\n' ' ')"

if sanitized "$ANALYZE"; then
	skip "below 64 MiB and 1 s" "a sanitizer build"
elif [ -x "$NATIVE/native-maxrss" ]; then
	start=$(date +%s%N)
	"$NATIVE/native-maxrss" rss "$ANALYZE" -q a.tar.zst 2>/dev/null
	ms=$((($(date +%s%N) - start) / 1000000))
	if [ "$(cat rss)" -lt 65536 ]; then ok "below 64 MiB ($(cat rss) KiB)"; else fail "below 64 MiB" "$(cat rss) KiB"; fi
	if [ $ms -lt 1000 ]; then ok "below 1 s ($ms ms)"; else fail "below 1 s" "$ms ms"; fi
else
	skip "below 64 MiB and 1 s" "native-maxrss is not built"
fi
