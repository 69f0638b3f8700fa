# SPDX-License-Identifier: GPL-2.0-or-later
# Real stacks into other tools' formats: whatever reads them must count the same samples.
. "$(dirname "$0")/../lib.sh"
need_root "exports"
cd "$TMP" || exit 1

cat >spin.c <<'END'
volatile long x;
__attribute__((noinline)) static void planted_function(void) { for (long i = 0; i < 1000000; i++) x++; }
int main(void) { for (;;) planted_function(); }
END
gcc -O1 -fno-inline -o planted_program spin.c
./planted_program &
at_exit kill $!
"$CAPTURE" -q -d 2 --collect stacks,host,processes -o a.tar.zst >capture.out 2>&1
rc=$?
if [ ! -s a.tar.zst ] || ! tar --zstd -tf a.tar.zst | grep -q stack_samples; then
	skip "exports of stacks" "no stacks could be captured here (exit $rc)"
	exit 0
fi
check "the archive is analysed, and exported in all formats" "$ANALYZE" -q -o a.html --json a.json \
	--export folded=a.folded --export pprof=a.pb.gz --export speedscope=a.speedscope.json \
	--export perf-script=a.perf a.tar.zst
want=$(member a.tar.zst tables/stack_samples.tsv | awk -F'\t' 'NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i }
	NR > 1 && $c["state"] == ""' | wc -l)
check "there are samples" [ "$want" -gt 50 ]
equal "folded has every sample" "$want" "$(awk '{ n += $NF } END { print n }' a.folded)"
equal "no line of it has an empty frame" "" "$(grep -n ';;\|^;\|; [0-9]*$' a.folded | head -3)"
check "the planted function is named in it" grep -q '^planted_program;.*main;planted_function ' a.folded
equal "perf script has every sample" "$want" "$(grep -c ' cpu-clock: $' a.perf)"
equal "speedscope has every sample" "$want" "$(jq '[.profiles[].weights | add] | add' a.speedscope.json)"
equal "its stacks and weights go together" true \
	"$(jq '[.profiles[] | (.samples | length) == (.weights | length) and .endValue == (.weights | add)] | all' a.speedscope.json)"
equal "its frames are all there" true \
	"$(jq '(.shared.frames | length) as $n | [.profiles[].samples[][] | . < $n] | all' a.speedscope.json)"
proto=/usr/share/gocode/src/github.com/google/pprof/proto
if command -v protoc >/dev/null && [ -f $proto/profile.proto ]; then
	zcat a.pb.gz | protoc -I $proto --decode=perftools.profiles.Profile $proto/profile.proto >a.pprof 2>pprof.err
	equal "pprof's own description decodes it" 0 "${PIPESTATUS[1]}"
	equal "and has every sample" "$want" \
		"$(awk '/^sample \{/ { s = 1 } s && /^  value:/ { n += $2; s = 0 } END { print n }' a.pprof)"
	check "and the planted function" grep -q 'string_table: "planted_function"' a.pprof
else
	skip "pprof's own description decodes it" "protobuf-compiler or golang-github-google-pprof-dev is not installed"
fi
hot=$(jq -r '.hotspot.functions[] | select(.name == "planted_function") | .self' a.json)
check "the report ranks the planted function" [ "${hot:-0}" -gt 0 ]
equal "and says in which program it is" planted_program \
	"$(jq -r '.hotspot.functions[] | select(.name == "planted_function") | .module' a.json)"
check "each second names a process and a function" \
	jq -e '.hotspot.seconds | length >= 1 and all(.comm != "" and .function != null)' a.json
"$ANALYZE" -q -o b.html --export folded=a.tar.zst a.tar.zst 2>err
equal "an export does not replace the archive" 2 $?
