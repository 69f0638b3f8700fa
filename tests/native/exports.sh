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
"$CAPTURE" -q -d 2 --collect stacks,host,memory,processes,cgroups -o a.tar.zst >capture.out 2>&1
rc=$?
if [ ! -s a.tar.zst ] || ! tar --zstd -tf a.tar.zst | grep -q stack_samples; then
	skip "exports of stacks" "no stacks could be captured here (exit $rc)"
	exit 0
fi
check "the archive is analysed, and exported in all formats" "$ANALYZE" -q -o a.html --json a.json \
	--export folded=a.folded --export pprof=a.pb.gz --export speedscope=a.speedscope.json \
	--export perf-script=a.perf --export chrome=a.trace --export openmetrics=a.om --export tsv=a.tsv a.tar.zst
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

# Trace events: slices of one track nest, and the samples in their innermost ones are all.
cat >trace.py <<'END'
import json, sys
trace = json.load(open(sys.argv[1]))
tracks, samples, planted = {}, 0, 0
for e in trace["traceEvents"]:
    assert e["ph"] in ("X", "M") and isinstance(e["pid"], int) and isinstance(e["tid"], int) and e["name"], e
    if e["ph"] == "M":
        assert e["name"] in ("process_name", "thread_name") and isinstance(e["args"]["name"], str), e
        continue
    start, length = round(e["ts"] * 1000), round(e["dur"] * 1000)
    assert start >= 0 and length >= 0 and abs(e["ts"] * 1000 - start) < 1e-3, e
    samples += e["args"].get("samples", 0)
    if e["name"] == "planted_function":
        planted += length
    tracks.setdefault((e["pid"], e["tid"]), []).append((start, -length))
for track in tracks.values():
    open_until = []
    for start, length in sorted(track):
        while open_until and open_until[-1] <= start:
            open_until.pop()
        assert not open_until or start - length <= open_until[-1], (start, length)
        open_until.append(start - length)
print(samples, planted // 1000000, trace["otherData"]["base_unix_s"] > 1.7e9)
END
read -r got planted base < <(python3 trace.py a.trace 2>&1 | tail -1)
equal "trace events nest, and have every sample" "$want" "$got"
check "the planted function has its time on its track ($planted ms)" [ "${planted:-0}" -gt 100 ]
equal "with a base of absolute time" True "$base"

# What Prometheus' own client for Python takes for OpenMetrics is that.
cat >metrics.py <<'END'
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
families = {f.name: f for f in text_string_to_metric_families(open(sys.argv[1]).read())}
assert families["ossnap_process_heap_bytes"].unit == "bytes"
parts = sum(s.value for s in families["ossnap_memory_part_bytes"].samples)
total = families["ossnap_memory_total_bytes"].samples[0].value
print(int(total - parts - families["ossnap_memory_unaccounted_bytes"].samples[0].value),
      int(sum(s.value for s in families["ossnap_function_self_samples"].samples)),
      int(float(families["ossnap_capture"].samples[0].timestamp)))
END
if /usr/bin/python3 -c 'import prometheus_client.openmetrics.parser' 2>/dev/null; then
	read -r rest named at < <(/usr/bin/python3 metrics.py a.om 2>&1 | tail -1)
	equal "OpenMetrics: parts and what is unaccounted are the total" 0 "$rest"
	equal "and its functions have each sample once" "$(jq '[.hotspot.functions[].self] | add' a.json)" "$named"
	check "with the time of the capture ($at)" awk "BEGIN { exit !($(date +%s) - ${at:-0} < 600) }"
else
	skip "OpenMetrics is read by Prometheus' client" "python3-prometheus-client is not installed"
fi

# TSV: the same rows as the JSON report.
cat >tables.py <<'END'
import json, re, sys
def fields(line):
    return [re.sub(r"\\(t|n|\\|x(..))", lambda m: {"t": "\t", "n": "\n", "\\": "\\"}.get(m[1]) or chr(int(m[2], 16)), f)
            for f in line.split("\t")]
def table(name):
    lines = open("a.tsv/" + name + ".tsv", newline="\n").read().split("\n")
    assert lines.pop() == "" and len(set(fields(lines[0]))) == len(fields(lines[0]))
    return [dict(zip(fields(lines[0]), fields(l), strict=True)) for l in lines[1:]]
report = json.load(open("a.json"))
mine = [(int(r["pid"]), r["process"], int(r["heap_bytes"]) if r["heap_bytes"] else None) for r in table("processes")]
theirs = [(p["pid"], p["comm"], p["heap_bytes"]) for p in report["memory"]["processes"]]
assert mine == theirs, (mine[:3], theirs[:3])
assert [r["function"] for r in table("functions")] == [f["name"] for f in report["hotspot"]["functions"]]
assert [r["id"] for r in table("findings")] == [f["id"] for f in report["findings"]]
print("same")
END
equal "TSV has the rows of the JSON" same "$(python3 tables.py 2>&1 | tail -1)"
equal "and no file of what was not captured" "" "$(ls a.tsv | grep -E '^(files|syscalls)')"
hot=$(jq -r '.hotspot.functions[] | select(.name == "planted_function") | .self' a.json)
check "the report ranks the planted function" [ "${hot:-0}" -gt 0 ]
equal "and says in which program it is" planted_program \
	"$(jq -r '.hotspot.functions[] | select(.name == "planted_function") | .module' a.json)"
check "each second names a process and a function" \
	jq -e '.hotspot.seconds | length >= 1 and all(.comm != "" and .function != null)' a.json
"$ANALYZE" -q -o b.html --export folded=a.tar.zst a.tar.zst 2>err
equal "an export does not replace the archive" 2 $?
