#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The page-cache scan beside what others do, per frame examined, in one run on the same memory; and
# where its own time goes.  Beside drgn, which needs /proc/kcore: drgn.sh, in a guest.
. "$(dirname "$0")/../lib.sh"
need_root "reading kernel memory"
[ -r /proc/kpageflags ] && [ -r /proc/kpagecgroup ] || { skip "peers" "no /proc/kpageflags or no /proc/kpagecgroup"; exit 0; }
nice -n -5 "$NATIVE/native-bench_peers" "${ROUNDS:-7}" >"$TMP/peers" 2>"$TMP/err" || { fail "bench_peers" "$(cat "$TMP/err")"; exit 1; }

# per WHAT: nanoseconds a frame
per() { awk -F'\t' -v w="$1" '$1 == w { printf "%.3f", $2 / $3 }' "$TMP/peers"; }
goal() { # NAME RATIO GOAL
	if awk -v r="$2" -v g="$3" 'BEGIN { exit !(r >= g) }'; then ok "$1: $2 times (goal $3)"; else fail "$1" "$2 times, goal $3"; fi
}
awk -F'\t' '
	$1 == "source" { print "# source: " $4; next }
	{ printf "# %-24s %9.2f ms CPU %10d frames %9.2f ns each\n", $1, $2 / 1e6, $3, $2 / $3 }
	{ ns[$1] = $2 }
	END {
		split("full sampled", kinds, " ")
		for (i = 1; i <= 2; i++) {
			k = kinds[i]
			printf "# of a %s scan with naming: read %.0f%%, look and count %.0f%%, naming %.0f%%\n", k, 100 * ns[k ":read"] / ns[k],
				100 * ns[k ":look"] / ns[k], 100 * (ns[k ":naming-read"] + ns[k ":naming"]) / ns[k]
		}
	}' "$TMP/peers"
goal "every frame, named, against one pread a page of kpageflags and kpagecgroup, and of struct page" \
	"$(awk -v a="$(per page-by-page)" -v b="$(per full)" 'BEGIN { printf "%.1f", a / b }')" 10
# 268,435,456 frames of 4 KiB are 1 TiB; one of 64 is sampled.
tib=$(awk -F'\t' '$1 == "sampled" { printf "%.2f", $2 / $3 * 268435456 / 1e9 }' "$TMP/peers")
check "1 TiB at 1/64, by cost a frame: $tib CPU s (goal: below 1)" awk -v s="$tib" 'BEGIN { exit !(s < 1) }'
