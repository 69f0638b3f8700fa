#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The browser lane: the page in Debian's Chromium.  Screenshots stay in $OSSNAP_SCREENSHOTS.
. "$(dirname "$0")/../lib.sh"
cd "$TOP/tests/browser" || exit 1

for program in node npm; do
	if ! command -v "$program" >/dev/null; then
		skip "browser lane" "$program is not installed"
		exit 0
	fi
done
CHROMIUM=${CHROMIUM:-$(command -v chromium || command -v chromium-browser)}
if [ -z "$CHROMIUM" ]; then
	skip "browser lane" "chromium is not installed"
	exit 0
fi
if [ ! -d node_modules/playwright-core ] && ! npm ci --no-audit --no-fund >"$TMP/npm" 2>&1; then
	skip "browser lane" "npm ci: $(tail -1 "$TMP/npm")"
	exit 0
fi

pages=$TMP/pages
mkdir "$pages"
if ! "$NATIVE/make_report" "$pages" 2>"$TMP/err"; then
	fail "make_report writes the pages" "$(cat "$TMP/err")"
	exit 1
fi
ok "make_report writes the pages"

# and a page of this machine, the whole way from its kernel
if archive=$("$CAPTURE" -q -d 1s -o "$TMP" 2>"$TMP/err"); then
	"$ANALYZE" -q -o "$pages/machine.html" "$archive" 2>"$TMP/err"
	case $? in
	0 | 3) ok "a page of this machine" ;;
	*) fail "a page of this machine" "$(cat "$TMP/err")" ;;
	esac
elif [ -n "$archive" ]; then
	"$ANALYZE" -q -o "$pages/machine.html" "$archive" 2>"$TMP/err"
	skip "a page of this machine, complete" "$(head -1 "$TMP/err")"
else
	skip "a page of this machine" "$(head -1 "$TMP/err")"
fi

shots=${OSSNAP_SCREENSHOTS:-$BUILD/screenshots}
mkdir -p "$shots"
node lane.mjs "$CHROMIUM" "$pages" "$shots"
