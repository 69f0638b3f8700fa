#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The page-cache scan of this machine, at the level of its tables: every file of a scenario with
# the size, state and path that the kernel's own system calls say it has.
. "$(dirname "$0")/../lib.sh"
need_root "reading kernel memory"

# The same program tells the truth here and in the guests of the vm lane.
if ! ${CC:-cc} -std=gnu17 -D_GNU_SOURCE -O2 -o "$TMP/truth" "$TOP/tests/vm/guest/truth.c"; then
	fail "truth.c builds" "see above"
	exit 1
fi
truth() { "$TMP/truth" show "$@"; }

# scan NAME [OPTIONS]: $TMP/NAME.tar.zst with the page-cache collector alone
scan() {
	local name=$1
	shift
	rm -f "$TMP/$name.tar.zst"
	"$CAPTURE" -q -d 100ms --collect page-cache --max-cpu 400 --max-memory 256M \
		-o "$TMP/$name.tar.zst" "$@" >/dev/null 2>"$TMP/$name.err"
}
value() { member "$TMP/$1.tar.zst" tables/page_cache_scan.tsv | awk -F'\t' -v k="$2" '$1 == k { print $2 }'; }
# columns NAME COLUMN...: of the files table, tab-separated
columns() {
	local name=$1
	shift
	member "$TMP/$name.tar.zst" tables/page_cache_files.tsv | awk -F'\t' -v OFS='\t' -v want="$*" '
		NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; n = split(want, w, " "); next }
		{ for (i = 1; i <= n; i++) printf "%s%s", $c[w[i]], i < n ? OFS : "\n" }'
}
status_of() { member "$TMP/$1.tar.zst" manifest.json | jq -r '.collectors[] | select(.name == "page-cache") | "\(.status) \(.reason)"'; }

scan probe || { fail "a scan runs" "$(cat "$TMP/probe.err")"; exit 1; }
case $(status_of probe) in
unsupported*) skip "the scan" "$(status_of probe)"; exit 0 ;;
esac

# ------------------------------------------------------------------ the scenario
disk=$TMP/disk
mkdir "$disk" "$TMP/one" "$TMP/two" "$TMP/huge"
for t in one two; do
	mount -t tmpfs -o size=64M "$t" "$TMP/$t" || exit 1
	at_exit umount -l "$TMP/$t"
	head -c $((3145728 + 777)) /dev/zero >"$TMP/$t/file"
done
mount -t tmpfs -o size=64M,huge=always huge "$TMP/huge" && at_exit umount -l "$TMP/huge" &&
	head -c 8388608 /dev/zero >"$TMP/huge/large-folios"
declare -A odd=(
	[newline]=$'new\nline' [tab]=$'tab\there' [quotes]="\"quo'tes\"" [script]='<script>alert(1)<\script>'
	[equals]='a=b' [utf8]=$'invalid-\xff\xfe' [longest]="$(printf 'n%.0s' {1..255})" [deleted-name]='x (deleted)'
	[space]=' ' [bidi]=$'a\u202eb'
)
for k in "${!odd[@]}"; do head -c $((${#k} * 8192 + 1)) /dev/zero >"$disk/${odd[$k]}"; done
head -c 1048576 /dev/zero >"$disk/linked"
ln "$disk/linked" "$disk/another-name"
head -c 2097152 /dev/zero >"$disk/kept"
ln "$disk/kept" "$disk/removed"
cat "$disk/removed" >/dev/null
rm "$disk/removed"
mkdir -p "$disk/$(printf 'd%.0s' {1..200})/$(printf 'e%.0s' {1..200})"
deep=$(echo "$disk"/d*/e*)/deep
head -c 65536 /dev/zero >"$deep"
"$TMP/truth" hold "$TMP/ready" "$disk/gone" 2097152 ossnap-memfd 1048576 524288 &
holder=$!
at_exit kill "$holder"
wait_for 10 test -s "$TMP/ready" || { fail "the holder starts" "no answer"; exit 1; }
device=$(findmnt -nro SOURCE -T "$disk")

# The path of a file within its file system, as the table escapes it.
inside() {
	local path=$1 root
	root=$(findmnt -nro TARGET -T "$path")
	[ "$root" = / ] || path=${path#"$root"}
	printf '%s' "$path"
}
all_truth() {
	local k
	truth same-number-one linked /file "$TMP/one/file"
	truth same-number-two linked /file "$TMP/two/file"
	[ ! -f "$TMP/huge/large-folios" ] || truth large-folios linked /large-folios "$TMP/huge/large-folios"
	for k in "${!odd[@]}"; do truth "odd-$k" linked "@$k" "$disk/${odd[$k]}"; done
	truth hard-link linked "$(inside "$disk/linked")" "$disk/linked"
	truth other-name-removed linked "$(inside "$disk/kept")" "$disk/kept"
	truth long-path linked "$(inside "$deep")" "$deep"
	truth deleted deleted "$(inside "$disk/gone")" "/proc/$holder/fd/20"
	truth memfd unnamed ossnap-memfd "/proc/$holder/fd/21"
	cat "$TMP/ready"
}
# What the table should show for an odd name: tab, newline, backslash and other bytes escaped.
escaped() { printf '%s' "$1" | sed -e 's/\\/\\\\/g' -e 's/\t/\\t/g' | sed -z -e 's/\n/\\n/g' | LC_ALL=C sed -e 's/\xff/\\xff/g' -e 's/\xfe/\\xfe/g'; }

# cold memory may be paged out here at any moment: what the truth is must hold before and after
for try in 1 2 3 4 5; do
	sync
	[ ! -b "$device" ] || dd if="$device" of=/dev/null bs=1M count=8 2>/dev/null
	buffers_before=$(awk '/^Buffers:/ { print $2 }' /proc/meminfo)
	all_truth >"$TMP/before"
	scan full --sample all || { fail "a full scan" "$(cat "$TMP/full.err")"; exit 1; }
	all_truth >"$TMP/after"
	buffers_after=$(awk '/^Buffers:/ { print $2 }' /proc/meminfo)
	cmp -s "$TMP/before" "$TMP/after" && break
done
equal "the truth held still during a scan (try $try)" "$(cat "$TMP/before")" "$(cat "$TMP/after")"

columns full dev ino nrpages state path file >"$TMP/files"
while IFS=$'\t' read -r name state path dev ino _ pages; do
	case $path in
	@*) key=${path#@}; path=$(inside "$disk")/$(escaped "${odd[$key]}") ;;
	esac
	if [ "$state" = any ] || [ "$state" = unnamed ] || [ "$state" = deleted ]; then
		# A SysV segment's inode number is its shmid, and may be a memfd's on the same device.
		found=$(awk -F'\t' -v d="$dev" -v i="$ino" -v label="$([ "$state" != unnamed ] || echo "$path")" \
			'$1 == d && $2 == i && index($5, label) { print $3, $4 }' "$TMP/files")
		equal "$name: its pages and state" "$pages $state" "$found"
	else
		found=$(awk -F'\t' -v d="$dev" -v i="$ino" '$1 == d && $2 == i { print $3, $4, $5 }' "$TMP/files")
		case $name in
		hard-link) found=${found/another-name/linked} ;;
		esac
		equal "$name: its pages, state and path" "$pages $state $path" "$found"
	fi
done <"$TMP/before"
check "the memfd's label is its name" grep -q $'\tunnamed\t[^\t]*ossnap-memfd' "$TMP/files"
check "SysV shared memory's label is its key" grep -q $'\tunnamed\t[^\t]*SYSV' "$TMP/files"

if [ -b "$device" ]; then
	number=$(printf '%d:%d' $((0x$(stat -Lc %t "$device"))) $((0x$(stat -Lc %T "$device"))))
	row=$(columns full fstype type rdev state nrpages path | awk -F'\t' -v r="$number" '$3 == r')
	check "the cache of the block device $number is a row of its own ($row)" \
		awk -F'\t' '{ exit !($1 == "bdev" && $2 == "blk" && $4 == "unnamed" && $5 > 0 && $6 == "") }' <<<"$row"
	sum=$(columns full fstype nrpages | awk -F'\t' '$1 == "bdev" { s += $2 } END { print s * 4 }')
	check "all block devices together are meminfo's Buffers before or after, or between ($buffers_before, $sum, $buffers_after KiB)" \
		awk -v a="$buffers_before" -v f="$sum" -v b="$buffers_after" 'BEGIN {
			if (a > b) { t = a; a = b; b = t }
			exit !(f >= a * 0.98 - 64 && f <= b * 1.02 + 64) }'
else
	skip "the cache of a block device" "$disk is on $device"
fi

# ------------------------------------------------------------------ sums
mean=$((($(value full meminfo_cached_kb_before) + $(value full meminfo_cached_kb_after)) / 2))
sampled=$(member "$TMP/full.tar.zst" tables/page_cache_samples.tsv | awk -F'\t' 'NR > 1 { s += $4 } END { print s * 4 }')
exact=$(columns full nrpages | awk '{ s += $1 } END { print s * 4 }')
for pair in "pages counted:$sampled" "nrpages of the files:$exact"; do
	check "full scan, ${pair%:*}: ${pair#*:} KiB, within 0.5% of Cached + Buffers ($mean KiB)" \
		awk -v f="${pair#*:}" -v m="$mean" 'BEGIN { d = f - m; exit !(m > 0 && (d < 0 ? -d : d) <= m * 0.005) }'
done
equal "full scan: finished, all pages read, none a hole" "1 $(value full pages_total) 0" \
	"$(value full finished) $(value full pages_read) $(value full holes)"
equal "page types add up to the pages read" "$(value full pages_read)" \
	"$(member "$TMP/full.tar.zst" tables/page_types.tsv | awk 'NR > 1 { s += $2 } END { print s }')"
mem=$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo)
check "frames of RAM ($(($(value full pages_total) * 4)) KiB) are MemTotal ($mem KiB) and what is reserved" \
	test "$(($(value full pages_total) * 4))" -ge "$mem" -a "$(($(value full pages_total) * 4 * 9 / 10))" -le "$mem"

# ------------------------------------------------------------------ sampled
scan sampled --sample 1/16 || fail "a sampled scan" "$(cat "$TMP/sampled.err")"
equal "sampled: one in 16, finished" "16 1" "$(value sampled one_in) $(value sampled finished)"
read -r dev ino pages < <(awk -F'\t' '$1 == "same-number-one" { print $4, $5, $7 }' "$TMP/before")
equal "sampled: a file of 3 MiB is found, with its exact size" "$pages" \
	"$(columns sampled dev ino nrpages | awk -v d="$dev" -v i="$ino" '$1 == d && $2 == i { print $3 }')"
estimate=$(member "$TMP/sampled.tar.zst" tables/page_cache_samples.tsv | awk -F'\t' 'NR > 1 { s += $4 } END { print s * 16 * 4 }')
mean=$((($(value sampled meminfo_cached_kb_before) + $(value sampled meminfo_cached_kb_after)) / 2))
check "sampled: the estimate $estimate KiB is within 10% of $mean KiB" \
	awk -v f="$estimate" -v m="$mean" 'BEGIN { d = f - m; exit !((d < 0 ? -d : d) <= m * 0.1) }'

# ------------------------------------------------------------------ auto
scan auto
chosen=$(member "$TMP/auto.tar.zst" manifest.json | jq -r '.collectors[] | select(.name == "page-cache").notes[] | select(startswith("sample auto"))')
case $(value auto one_in) in
1) want="sample auto: all of $(value auto pages_total) pages" ;;
*) want="sample auto: one in $(value auto one_in) of $(value auto pages_total) pages" ;;
esac
equal "auto says which rate it chose" "$want" "$chosen"

# ------------------------------------------------------------------ cgroups
v1=$(findmnt -nro TARGET,OPTIONS -t cgroup | awk '$2 ~ /(^|,)memory(,|$)/ { print $1; exit }')
if [ -n "$v1" ] && mkdir "$v1/ossnap-kmem.$$" 2>/dev/null; then
	group=$v1/ossnap-kmem.$$
	at_exit rmdir "$group"
	(echo "$BASHPID" >"$group/cgroup.procs" && exec head -c 4194304 /dev/zero) >"$disk/charged"
	ino=$(stat -c %i "$group") own=$(stat -c %i "$disk/charged")
	charged_to() { # NAME: "ino state pages" of each group that pays for the file
		local file
		file=$(columns "$1" ino file state path | awk -F'\t' -v i="$own" '$1 == i && $4 ~ /\/charged$/ { print $2 }')
		member "$TMP/$1.tar.zst" tables/page_cache_samples.tsv | awk -F'\t' -v f="$file" '$1 == f { n[$2] += $4 } END { for (g in n) print g "\t" n[g] }' |
			while IFS=$'\t' read -r g n; do
				member "$TMP/$1.tar.zst" tables/page_cache_cgroups.tsv | awk -F'\t' -v g="$g" -v n="$n" '$1 == g { print $2, $3, n, $4 }'
			done
	}
	scan online --sample all
	equal "a file is charged to the group that wrote it" "$ino online 1024" "$(charged_to online | cut -d' ' -f1-3)"
	check "and the group has its path" grep -q "/ossnap-kmem.$$\$" <(charged_to online)
	rmdir "$group"
	scan dying --sample all
	equal "the same group, removed, is dying and still holds it" "$ino dying 1024" "$(charged_to dying | cut -d' ' -f1-3)"
else
	skip "cgroups" "no v1 memory hierarchy here that one may make groups in"
fi

# ------------------------------------------------------------------ torn
mkdir "$disk/race" "$TMP/one/race"
# On two CPUs, as small machines have.
taskset -pc "$(taskset -pc $$ | sed 's/.*: //; s/-/,/' | cut -d, -f1-2)" $$ >/dev/null
"$NATIVE/native-kmem_race" "$disk/race" & racer=$!
at_exit kill "$racer"
"$NATIVE/native-kmem_race" "$TMP/one/race" & racer2=$!
at_exit kill "$racer2"
# All of memory each time while that fits into a minute, then a share of it: the races are in
# resolving what was found.  OSSNAP_RACE_SCANS=N where there is less time.
bad=0 odd_rows='' discarded=0 rows=0 share=all full=0 uncounted=0
scans=${OSSNAP_RACE_SCANS:-100} end=$((SECONDS + 25)) d=$TMP/race.tables
key() { awk -F'\t' -v k="$1" '$1 == k { print $2 }' "$d/tables/page_cache_scan.tsv"; }
for i in $(seq "$scans"); do
	[ "$SECONDS" -lt "$end" ] || share=1/16
	[ "$share" != all ] || full=$i
	scan race --sample $share || { bad=$((bad + 1)); cat "$TMP/race.err"; }
	rm -rf "$d" && mkdir "$d" && tar --zstd -xf "$TMP/race.tar.zst" -C "$d" --strip-components=1
	gone=$(key discarded)
	discarded=$((discarded + gone))
	# Every page that was read is some kind; what was discarded is said there and in the manifest.
	[ "$(key pages_read) $gone" = "$(awk 'NR > 1 { s += $2 } END { print s }' "$d/tables/page_types.tsv") $(jq \
		'[.collectors[] | select(.name == "page-cache").loss[] | select(.cause | test("changed")).count] | add // 0' "$d/manifest.json")" ] ||
		uncounted=$((uncounted + 1))
	# Columns 9, 10, 12, 13: size, nrpages, state, path.
	found=$(cat "$d"/tables/page_cache_files.tsv* | awk -F'\t' -v most="$(key pages_total)" '
		$13 == "path" { next } $13 ~ /\/race\// { n++ }
		$13 ~ /\/race\// && ($13 !~ /\/race\/race-[0-9]+$/ || $10 > 64 || $9 > 65536) ||
		$10 + 0 > most || $12 !~ /^(linked|deleted|unnamed|unresolved)$/ || ($12 == "linked" && $13 !~ /^\//) { print "odd:", $0 }
		END { print n + 0 }')
	rows=$((rows + ${found##*$'\n'}))
	[[ $found != odd* ]] || odd_rows+="$found;"
done
kill "$racer" "$racer2"
equal "$scans scans ($full of all of memory, the rest of 1/16) of files that are created, renamed, truncated and deleted all end well" 0 "$bad"
equal "no garbage path and no impossible size among their $rows files (pages discarded: $discarded)" "" "$odd_rows"
check "there was something to be torn: $rows files, $discarded pages of files that went while they were resolved" test "$rows" -gt "$scans" -a "$discarded" -gt 0
equal "each scan says how many pages it discarded, and the others are all counted" 0 "$uncounted"

# ------------------------------------------------------------------ refusals
if [ ! -e /proc/kcore ]; then
	"$CAPTURE" -q --memory-source kcore -o "$TMP/kcore.tar.zst" 2>"$TMP/kcore.err"
	equal "no /proc/kcore, kcore by name: refused before starting" "5 no" "$? $(test -e "$TMP/kcore.tar.zst" && echo archive || echo no)"
	check "and named, with the reason" grep -q -- '--memory-source: /proc/kcore: No such file' "$TMP/kcore.err"
	check "auto says why not kcore" grep -q '^/proc/kcore: No such file.*using bpf' <(value full reason)
fi
install -m 755 "$CAPTURE" "$TMP/capture" && chmod 755 "$TMP" && mkdir -m 777 "$TMP/nobody"
setpriv --reuid=65534 --regid=65534 --clear-groups "$TMP/capture" -q -d 100ms --collect page-cache --memory-source bpf -o "$TMP/nobody" >"$TMP/nobody.path" 2>"$TMP/nobody.err"
equal "without privilege, bpf by name: refused before starting" "5 " "$? $(ls "$TMP/nobody")"
check "and what is missing is named ($(cat "$TMP/nobody.err"))" grep -q CAP_ "$TMP/nobody.err"
err=$("$CAPTURE" --btf "$TMP/not/there" -o "$TMP/nobtf.tar.zst" 2>&1)
equal "--btf that is not there: refused before starting, and named" "5 ossnap-capture: --btf: $TMP/not/there: No such file or directory" "$? $err"
scan notbtf --btf /etc/passwd
equal "--btf of something else: partial, in words" "error /etc/passwd: holds no type information (BTF), or damaged" "$(status_of notbtf)"

# The least budget that is not refused holds some ten thousand files; the rest is counted, and the archive does not
# call itself whole.
mkdir "$TMP/many"
mount -t tmpfs -o size=500M,nr_inodes=110000 many "$TMP/many" && at_exit umount -l "$TMP/many"
"$NATIVE/native-mkfiles" "$TMP/many" 100000 1 1 >/dev/null
for memory in {16..32}M; do
	scan many --sample all --max-memory "$memory"
	status=$?
	[ $status = 5 ] || break
done
equal "more files than fit into $memory: exit 3" 3 $status
check "more files than fit: partial, with their number ($(status_of many))" grep -q '^partial [0-9]* files are counted but not named' <(status_of many)
check "more files than fit: the same number as in the table" grep -q "^partial $(value many files_dropped) " <(status_of many)
