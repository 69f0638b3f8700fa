#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the tree obeys: formatting, clang-tidy, one way of the arrows, what each binary needs.
. "$(dirname "$0")/lib.sh"
cd "$TOP" || exit 1

mapfile -t files < <(git ls-files '*.c' '*.h' | grep -v 'vmlinux')
if [ ${#files[@]} -lt 50 ]; then
	fail "the tree's files are known" "git ls-files names ${#files[@]}: is this a git checkout, and git installed?"
	exit 1
fi
bad=$(clang-format --dry-run "${files[@]}" 2>&1 | sed -n 's/^\([^:]*\):.*/\1/p' | sort -u)
equal "clang-format leaves every file as it is" "" "$bad"

# capture → bpf, bundle, base · analyze → bundle, base · report → analyze
arrows() { # DIRECTORY FORBIDDEN-PATTERN
	git grep -nE "^#include \"[^\"]*($2)" -- "$1" || true
}
equal "capture includes nothing of analyze or report" "" "$(arrows capture 'analyze/|report/')"
equal "base includes only base" "" "$(git grep -nE '^#include "\.\./' -- capture/base)"
equal "bundle includes only base and bundle" "" "$(git grep -nE '^#include "\.\./' -- capture/bundle | grep -v '"\.\./base/')"
equal "analyze includes of capture only bundle and base" "" \
	"$(git grep -nE '^#include "[./]*capture/' -- analyze | grep -vE 'capture/(bundle|base)/')"
equal "analyze includes nothing of report but in its main" "" \
	"$(arrows analyze 'report/' | grep -v '^analyze/main.c:')"

build_log=$TMP/tidy
mapfile -t sources < <(git ls-files 'capture/*.c' 'analyze/*.c' 'report/*.c')
if printf '%s\n' "${sources[@]}" | xargs -P"$(nproc)" -n1 clang-tidy -quiet -p "$BUILD" >"$build_log" 2>"$build_log.err"; then
	ok "clang-tidy finds nothing"
else
	fail "clang-tidy finds nothing" "$(grep -hE '(warning|error):|not found' "$build_log" "$build_log.err" | head -8)"
fi
