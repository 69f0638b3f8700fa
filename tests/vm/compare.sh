# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by run.sh: what an archive from a guest says, against what the guest itself says.

# files_of ARCHIVE: of every file found: device, inode, nrpages, state, path, size, number, type of file system
files_of() {
	member "$1" tables/page_cache_files.tsv | awk -F'\t' -v OFS='\t' '
		NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next }
		{ print $c["dev"], $c["ino"], $c["nrpages"], $c["state"], $c["path"], $c["size"], $c["file"], $c["fstype"] }'
}

# scan_value ARCHIVE KEY
scan_value() { member "$1" tables/page_cache_scan.tsv | awk -F'\t' -v k="$2" '$1 == k { print $2 }'; }

# compare_truth KERNEL SOURCE DIR: every file of the truth, found once, with its exact size.
compare_truth() {
	local kernel=$1 source=$2 dir=$3 name state path dev ino bytes pages found want
	while IFS=$'\t' read -r name state path dev ino bytes pages; do
		want=$(((bytes + PAGE - 1) / PAGE))
		if [ "$pages" -lt "$want" ]; then
			if [ "$name" = evicted ] && [ "$pages" = 0 ]; then
				skip "$kernel $source: evicted" "this kernel drops the pages with the name"
			else
				fail "$kernel $source: $name" "the guest itself has $pages of $want pages cached"
			fi
			continue
		fi
		found=$(awk -F'\t' -v d="$dev" -v i="$ino" '$1 == d && $2 == i { print $3 "\t" $4 "\t" $5 }' "$dir/$source.files")
		if [ -z "$found" ]; then
			fail "$kernel $source: $name" "not found (device $dev, inode $ino, $pages pages)"
		elif [ "$(printf '%s\n' "$found" | wc -l)" != 1 ]; then
			fail "$kernel $source: $name" "found more than once: $found"
		elif [ "${found%%$'\t'*}" != "$pages" ]; then
			fail "$kernel $source: $name" "$pages pages expected, found ${found//$'\t'/ }"
		elif ! path_fits "$state" "$path" "$(cut -f2 <<<"$found")" "$(cut -f3 <<<"$found")"; then
			fail "$kernel $source: $name" "$state '$path' expected, found ${found//$'\t'/ }"
		else
			ok "$kernel $source: $name is there with its $pages pages, $(cut -f2 <<<"$found")"
		fi
	done < <(cat "$dir/truth.after" "$dir/truth.evicted.after")
}

# path_fits EXPECTED-STATE EXPECTED-PATH STATE PATH
path_fits() {
	case $1 in
	any) [ "$3" = unresolved ] || [ "$4" = "$2" ] ;;
	unnamed) [ "$3" = unnamed ] && [[ $4 == *"$2"* ]] ;;
	deleted) [ "$3" = deleted ] && [[ $4 == *"$2"* ]] ;;
	*) [ "$3" = "$1" ] && [[ "|$2|" == *"|$4|"* ]] ;;
	esac
}

# compare_garbage KERNEL SOURCE DIR: nothing was found that the guest cannot hold.  hugetlbfs is not page cache.
compare_garbage() {
	local wrong
	wrong=$(awk -F'\t' -v page="$PAGE" '
		BEGIN { fs["rootfs"]; fs["bdev"] } # which the kernel does not list
		FILENAME == ARGV[1] { fs[$NF]; next }
		FILENAME == ARGV[2] { if (sub(/^MemTotal: */, "")) ram = $0 * 1024 / page; next }
		!($8 in fs) { printf "%s: file system %s; ", $5, $8 }
		$3 > ram { printf "%s: %d pages; ", $5, $3 }
		$4 !~ /^(linked|deleted|unnamed|unresolved)$/ { printf "%s: state %s; ", $5, $4 }
		$4 == "linked" && $5 !~ /^\// { printf "%s: no path; ", $5 }
		' "$3/filesystems" "$3/meminfo.$2" "$3/$2.files")
	equal "$1 $2: no garbage among $(wc -l <"$3/$2.files") files" "" "$wrong"
}

# compare_sum KERNEL SOURCE DIR: all that was found, against the kernel's sum right before and right
# after the scan.  Those two readings stand in the archive, since the tool's own shared memory counts
# too and is gone after it; they are held against what the guest read before and after the tool ran.
compare_sum() {
	local found mean difference before after guest
	before=$(scan_value "$3/$2.tar.zst" meminfo_cached_kb_before)
	after=$(scan_value "$3/$2.tar.zst" meminfo_cached_kb_after)
	found=$(awk -F'\t' -v page="$PAGE" '{ s += $3 } END { printf "%d", s * page / 1024 }' "$3/$2.files")
	mean=$(((${before:-0} + ${after:-0}) / 2))
	difference=$((found > mean ? found - mean : mean - found))
	if [ "$mean" -gt 0 ] && [ $((difference * 200)) -le "$mean" ]; then
		ok "$1 $2: the sum found is within 0.5% of Cached + Buffers ($found and $mean KiB)"
	else
		fail "$1 $2: the sum found is within 0.5% of Cached + Buffers" "$found KiB found, $mean KiB in meminfo"
	fi
	guest=$(awk '/^(Cached|Buffers):/ { s += $2 } END { printf "%d", s / 2 }' "$3/meminfo.$2")
	difference=$((guest > mean ? guest - mean : mean - guest))
	check "$1 $2: the tool read the same meminfo as the guest, give or take its own 4 MiB ($mean and $guest KiB)" \
		test "$difference" -le 4096
}

# compare_samples KERNEL SOURCE DIR: with every page read, each file's samples are all its pages.
compare_samples() {
	local wrong
	wrong=$(member "$3/$2.tar.zst" tables/page_cache_samples.tsv | awk -F'\t' '
		FILENAME == ARGV[1] { if (FNR == 1) for (i = 1; i <= NF; i++) c[$i] = i; else n[$c["file"]] += $c["pages"]; next }
		FILENAME == ARGV[2] { truth[$4 FS $5] = $1; next }
		($1 FS $2) in truth && n[$7] != $3 { printf "%s: %d samples of %d pages; ", truth[$1 FS $2], n[$7], $3 }' \
		- "$3/truth.after" "$3/$2.files")
	equal "$1 $2: each file's samples are all its pages" "" "$wrong"
}

# compare_dirty KERNEL SOURCE DIR: bit 1 of a sample's state, for what was never written back and for nothing that was.
compare_dirty() {
	equal "$1 $2: the pages that wait to be written back, and no others" "/dirty $((331776 / PAGE + (331776 % PAGE > 0)))" \
		"$(member "$3/$2.tar.zst" tables/page_cache_samples.tsv | awk -F'\t' '
			FILENAME == ARGV[1] { if ($8 == "ext4" && ($5 == "/dirty" || $5 == "/charged" || $5 == "/deep/er/log")) path[$7] = $5; next }
			FNR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next }
			$c["file"] in path && int($c["state"] / 2) % 2 { n[path[$c["file"]]] += $c["pages"] }
			END { for (p in n) print p, n[p] }' "$3/$2.files" -)"
}

same_and_many() { diff "$1" "$2" && [ "$(wc -l <"$1")" -ge 13 ]; }

# compare_cgroups KERNEL SOURCE DIR: who pays for a file.  A row of the guest's list: the file's path, its pages,
# and what the group may be (a kernel that hands a deleted group's pages to its parent has no dying group).
compare_cgroups() {
	local kernel=$1 source=$2 dir=$3 path pages may got
	member "$dir/$source.tar.zst" tables/page_cache_cgroups.tsv >"$dir/$source.cgroups"
	member "$dir/$source.tar.zst" tables/page_cache_samples.tsv >"$dir/$source.samples"
	while IFS=$'\t' read -r path pages may; do
		got=$(awk -F'\t' -v p="$path" '
			FILENAME == ARGV[1] { if ($5 == p) file = $7; next }
			FNR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next }
			FILENAME == ARGV[2] { group[$c["cgroup"]] = $c["state"] " " $c["path"]; next }
			$c["file"] == file { n[$c["cgroup"]] += $c["pages"] }
			END { for (g in n) print n[g], group[g] }' \
			"$dir/$source.files" "$dir/$source.cgroups" "$dir/$source.samples")
		if [ -n "$got" ] && [[ "|$may|" == *"|${got#* }|"* ]] && [ "${got%% *}" = "$pages" ]; then
			ok "$kernel $source: all $pages pages of $path are charged to ${got#* }"
		else
			fail "$kernel $source: the group of $path" "expected $pages $may, got '$got'"
		fi
	done <"$dir/groups"
}

# compare_low KERNEL DIR: the rung below, by name.  It knows pages and groups, no files; what it took for page cache
# sums up to what the kernel says.
compare_low() {
	local archive=$2/kpageflags.tar.zst kb mean
	equal "$1 kpageflags: the capture is complete" "0 kpageflags" "$(cat "$2/kpageflags.exit") $(scan_value "$archive" source)"
	kb=$(member "$archive" tables/page_cache_samples.tsv | awk -F'\t' -v page="$PAGE" '
		FNR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next } { n += $c["pages"] } END { printf "%d", n * page / 1024 }')
	mean=$((($(scan_value "$archive" meminfo_cached_kb_before) + $(scan_value "$archive" meminfo_cached_kb_after)) / 2))
	check "$1 kpageflags: the sum is within 1% of Cached + Buffers ($kb and $mean KiB)" \
		awk -v a="$kb" -v b="$mean" 'BEGIN { d = a > b ? a - b : b - a; exit !(b > 0 && d * 100 <= b) }'
}

# compare_recording KERNEL SOURCE DIR: what the guest's scan read, replayed here, gives the guest's own tables.
compare_recording() {
	local recorded=$3/recorded-$2 again=$TMP/replayed.tar.zst table differ=
	equal "$1 $2: one page of 16 is recorded" 0 "$(cat "$recorded.exit")$([ "$(cat "$recorded.exit")" = 0 ] || tail -3 "$recorded.err")"
	rm -f "$again"
	"$CAPTURE" -q -d 100ms --collect page-cache --memory-source "core:$recorded" --root "$recorded.root" --btf "$recorded.btf" -o "$again" >/dev/null 2>"$TMP/replayed.err"
	equal "$1 $2: and replayed on this machine" "0 core-file" "$? $(scan_value "$again" source)"
	for table in page_types page_cache_samples page_cache_pairs page_cache_cgroups page_cache_files; do
		# A file that was written meanwhile has two sizes; the recording itself is one.
		cmp -s <(recorded_rows "$recorded.tar.zst" $table) <(recorded_rows "$again" $table) || differ+=" $table"
	done
	equal "$1 $2: with the same tables ($(recorded_rows "$again" page_cache_files | wc -l) files, $(($(stat -c %s "$recorded") / 1024)) KiB)" "" "$differ"
}
recorded_rows() { member "$1" "tables/$2.tsv" | awk -F'\t' -v OFS='\t' -v t="$2" 't == "page_cache_files" { $9 = $10 = $16 = "" } 1' | sort; }

# compare_named KERNEL DIR: every byte of a quiet machine has a name, but for 0.3% of MemTotal.
compare_named() {
	local report=$TMP/named-hog-none.json total rest archive
	for archive in hog-none auto; do
		"$ANALYZE" -q -o "$TMP/named.html" --json "$TMP/named-$archive.json" "$2/$archive.tar.zst" || [ $? = 3 ] || {
			fail "$1: $archive is analysed" "exit $?"
			return
		}
	done
	read -r total rest <<<"$(jq -r '"\(.memory.total_bytes) \(.memory.unaccounted_bytes)"' "$report")"
	check "$1: unaccounted is below 0.3% of memory ($((rest / 1024)) of $((total / 1024)) KiB)" \
		test "$total" -gt 0 -a $((rest < 0 ? -rest : rest)) -lt $((total * 3 / 1000))
	equal "$1: the parts and what is unaccounted for add up to MemTotal" "$total" \
		"$(jq -r '([.memory.parts[].bytes] | add) + .memory.unaccounted_bytes' "$report")"
	equal "$1: nor do the frames themselves say otherwise" "" \
		"$(jq -r '.memory.accounts[] | select(.agrees == false) | "\(.what): \(.difference_bytes) of \(.within_bytes)"' "$TMP/named-auto.json")"
}

# compare_hogs KERNEL DIR: what no process list shows, held by a program, has its size, its part and its holder.
compare_hogs() {
	local mode kind part pid held name grown rest base
	for mode in none udmabuf packet pipes; do
		"$ANALYZE" -q -o "$TMP/hog.html" --json "$TMP/hog-$mode.json" "$2/hog-$mode.tar.zst" || fail "$1: hog-$mode is analysed" "exit $?"
	done
	while read -r mode kind part; do
		# The guest writes it in any case.
		if [ ! -e "$2/hog-$mode" ]; then
			fail "$1: $mode" "the guest did not get to it"
			continue
		fi
		read -r pid name held <"$2/hog-$mode"
		if [ "$name" != ready ]; then
			skip "$1: $mode" "$(cat "$2/hog-$mode.why")"
			continue
		fi
		equal "$1: $mode: who holds how much" "$held" \
			"$(jq -r "[.memory.kernel_objects[] | select(.kind == \"$kind\" and .pid == $pid) | .bytes] | add // 0" "$TMP/hog-$mode.json")"
		equal "$1: $mode: the finding names it" "native-hog ($pid)" \
			"$(jq -r '.findings[] | select(.id == "driver.memory") | .scope.name' "$TMP/hog-$mode.json")"
		for base in none $mode; do
			jq -r "([.memory.parts[] | select(.id == \"$part\") | .bytes] | add // 0), .memory.unaccounted_bytes" "$TMP/hog-$base.json"
		done >"$TMP/hog.figures"
		read -r -d '' base rest grown name <"$TMP/hog.figures"
		check "$1: $mode: $part grew by it ($((grown - base)) of $held)" test $((grown - base)) -ge $((held - held / 20)) -a $((grown - base)) -le $((held + held / 20))
		check "$1: $mode: unaccounted grew by less than a twentieth ($(((name - rest) / 1024)) of $((held / 1024)) KiB)" \
			test $(((name - rest) < 0 ? rest - name : name - rest)) -lt $((held / 20))
	done <<-END
		udmabuf dma-buf dma-buf
		packet packet-ring network
		pipes pipe pipes
	END
}

# compare_hugetlb KERNEL SOURCE DIR: huge pages are known as such to the last one, and are not page cache.
compare_hugetlb() {
	equal "$1 $2: 24 huge pages of 512 frames" 12288 \
		"$(member "$3/$2.tar.zst" tables/page_types.tsv | awk -F'\t' '$1 == "hugetlb" { print $2 }')"
	equal "$1 $2: no file of hugetlbfs in the page cache" "" "$(awk -F'\t' '$8 == "hugetlbfs"' "$3/$2.files")"
}

# compare_both KERNEL DIR: the same answer by both ways, for every file of the scenario's file systems.
compare_both() {
	local source
	for source in kcore bpf; do
		awk -F'\t' 'NR == FNR { d[$4]; next } $1 in d { print $1, $2, $3, $4, $5, $6 }' \
			"$2/truth.after" "$2/$source.files" 2>/dev/null | grep -v ' /results/' |
			grep -v ' unnamed dev/zero 4096$' | sort >"$2/$source.same" # a page between two processes of the capture's own
	done
	check "$1: kcore and bpf give the same files with the same sizes ($(wc -l <"$2/bpf.same"))" \
		same_and_many "$2/kcore.same" "$2/bpf.same"
}

# plug_wrong ARCHIVE TRUTH...: the files whose size is another there.
plug_wrong() {
	local archive=$1
	shift
	files_of "$archive" | awk -F'\t' '
		FILENAME != "-" { want[$4 FS $5] = $7; name[$4 FS $5] = $1; next }
		{ got[$1 FS $2] = $3 }
		END { for (f in want) if (got[f] != want[f]) printf "%s: %d of %d pages; ", name[f], got[f], want[f] }' "$@" -
}

# compare_plugs WORD DIR: captures made while memory came and went: each one right, or, asked for kcore alone, one that
# says that it is not.
compare_plugs() {
	local word=$1 dir=$2 n source status before now low rest meanwhile=0 most=0 new=0 right=0 honest=0 told=0 wrong='' w reason
	check "$word: the truth did not move while memory was added" cmp "$dir/truth.before" "$dir/truth.plugged"
	while read -r n source status before now low rest; do
		[ "$before" = "$now" ] || meanwhile=$((meanwhile + 1))
		[ "$now" -le "$most" ] || most=$now
		[ "$low" -lt 262144 ] || new=$((new + 1))
		reason=$(member "$dir/plug-$n.tar.zst" manifest.json | jq -r '.collectors[] | select(.name == "page-cache") | .status + " " + .reason')
		! member "$dir/plug-$n.tar.zst" log/capture.log | grep -q 'added or removed' || told=$((told + 1))
		case $source:$status:$reason in
		*:0:ok*)
			w=$(plug_wrong "$dir/plug-$n.tar.zst" "$dir/truth.plugged" "$dir/truth.plug-$n")
			if [ -z "$w" ]; then right=$((right + 1)); else wrong+="capture $n ($source, $before to $now KiB): $w"; fi
			;;
		kcore:3:*'memory was added or removed'*) honest=$((honest + 1)) ;;
		*) wrong+="capture $n ($source): exit $status, $reason; " ;;
		esac
	done <"$dir/plugs"
	check "$word: memory was added during $meanwhile captures, up to $most KiB" test "$meanwhile" -ge 1 -a "$most" -ge 1900000
	check "$word: a piece of it went and came back $(wc -l <"$dir/toggled") times" test "$(wc -l <"$dir/toggled")" -ge 3
	check "$word: $new new files lay in new memory" test "$new" -ge 3
	equal "$word: each capture meanwhile is right ($right, $told of them say that memory came or went) or says why not ($honest)" "" "$wrong"
}
