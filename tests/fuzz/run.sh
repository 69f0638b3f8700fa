#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tests/fuzz/run.sh [SECONDS [TARGET...]]: builds the targets with clang's libFuzzer and runs each,
# starting from its corpus.  What crashes is kept beside this script, to be put into the corpus,
# which test_fuzz_corpus replays.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
seconds=${1:-60}
[ $# -gt 0 ] && shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(parsers wire bundle symbols)
out=$(mktemp -d "${TMPDIR:-/tmp}/ossnap-fuzz.XXXXXX")
trap 'rm -rf "$out"' EXIT

for target in "${targets[@]}"; do
	clang -g -O1 -std=gnu17 -D_GNU_SOURCE -DOSSNAP_VERSION='"fuzz"' -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=undefined -I"$top" -o "$out/$target" "$top/tests/fuzz/fuzz_$target.c" \
		"$top"/analyze/facts/*.c "$top"/analyze/arena.c "$top"/capture/base/*.c "$top"/capture/bundle/*.c \
		"$top"/capture/symbols/{elf_file,module_names,nearest,perf_map,xz}.c \
		-larchive -lzstd -lnettle -lyajl -liberty -llzma -lm
	mkdir -p "$out/corpus.$target"
	"$out/$target" -max_total_time="$seconds" -dict="$top/tests/fuzz/dictionary" -rss_limit_mb=1024 \
		-timeout=10 -print_final_stats=1 -artifact_prefix="$top/tests/fuzz/crash-$target-" \
		"$out/corpus.$target" "$top/tests/fuzz/corpus/$target" 2>&1 | tail -${FUZZ_LINES:-12}
done
