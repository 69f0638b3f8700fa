# SPDX-License-Identifier: GPL-2.0-or-later
"""heap_compare.py SAID REPORT.json PID: prints where the report's figures are not what the program
heap_truth.py counted itself.  Bytes in the report are of the allocator's blocks, so a little more
than sys.getsizeof() says; attributes of an instance are counted with it where they are not in a
dict of their own (3.11 and later)."""
import json
import sys

said, report, pid = sys.argv[1], sys.argv[2], int(sys.argv[3])
truth = {}
for line in open(said):
    p = line.rstrip("\n").split("\t")
    if len(p) == 3:
        truth[p[0]] = (int(p[1]), int(p[2]))
heap = next(h for h in json.load(open(report))["memory"]["heaps"] if h["pid"] == pid)
got = {e["type"]: e for e in heap["entries"] if e["kind"] == "object"}
for name, most in (
    ("__main__.Leak", 2.2),
    ("__main__.Slotted", 1.1),
    ("float", 1.4),
    ("set", 1.1),
    ("list", 1.4),
    ("dict", 1.1),
    ("bytearray", 1.1),
    ("collections.deque", 1.1),
    ("array.array", 1.1),
    ("str", 1.3),
):
    count, size = truth[name]
    e = got.get(name, {"count": 0, "bytes": 0})
    if abs(e["count"] - count) > 0.02 * count + 3:
        print(name, "count", e["count"], "truth", count)
    if not 0.97 * size <= e["bytes"] <= most * size + 4096:
        print(name, "bytes", e["bytes"], "truth", size)
for place, kind, length in ((0, "dict", 200000), (1, "bytes", 2000001)):
    c = heap["containers"][place]
    if (c["type"], c["length"]) != (kind, length):
        print("container", place, c)
if not 0.9 * heap["heap_bytes"] <= heap["explained_bytes"] <= heap["heap_bytes"]:
    print("explained", heap["explained_bytes"], "of", heap["heap_bytes"])
named = sum(e["bytes"] for e in heap["entries"] if e["kind"] in ("object", "allocator"))
if named > 1.05 * heap["heap_bytes"]:
    print("named", named, "of", heap["heap_bytes"])
if heap["runtime"] != "python" or heap["reason"]:
    print("runtime", heap["runtime"], "reason", heap["reason"])
