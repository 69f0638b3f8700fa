# SPDX-License-Identifier: GPL-2.0-or-later
"""compare.py SAID FOLDED REPORT.json VERSION: what is wrong with a capture of stacks_planted.py; nothing
is well.  Exit 3: it saw too little to say."""
import json
import os
import re
import sys

PYTHON = re.compile(r"^(.*) \(([^()]*):(\d+)\)$")
SPIN = range(9, 20)  # lines of spin()

expected = {}
for line in open(sys.argv[1]):
    said = json.loads(line)
    chain = [(name, os.path.basename(path), line) for name, path, line in said["frames"]]
    expected[said["way"]] = chain
# Of code that is gone when somebody looks nothing may be said, but nothing wrong either.
dead = {way: expected.pop(way) for way in list(expected) if way.startswith("dead")}
dead = {chain[-2]: chain[:-2] for chain in dead.values()}
if len(expected) != 7 or len(dead) != 10:
    print("the program went %d ways of 7: %s" % (len(expected), sorted(expected)))

# A way's stack but for the line of spin(), and of sorted()'s key, which is entered twice.
ways = {tuple(c[:-1]) + (c[-1][:2],): way for way, c in expected.items()}
counts, samples, wrong, left, between = {}, 0, {}, 0, {}
for line in open(sys.argv[2]):
    text, count = line.rsplit(" ", 1)
    frames = text.split(";")
    if frames[0] != "planted":
        continue
    count = int(count)
    samples += count
    python = [(i, PYTHON.match(f)) for i, f in enumerate(frames)]
    python = [(i, (m[1], m[2], int(m[3]))) for i, m in python if m]
    chain = [p for _, p in python]
    if any(p[0] == "by_dead_code" for p in chain):
        samples -= count
        for p in chain:
            if p[1].startswith("dead_") and dead.get(p) != chain[:chain.index(p)]:
                print("%s is no place in code: %s" % (p, chain))
        continue
    # spin() calls nothing of Python.
    way = ways.get(tuple(chain[:-1]) + ((chain[-1][0], chain[-1][1]),)) if chain else None
    if way is None or chain[-1][2] not in SPIN:
        wrong[str(chain[-3:])] = wrong.get(str(chain[-3:]), 0) + count
        continue
    counts[way] = counts.get(way, 0) + count
    left += count * any(f.startswith("_PyEval_EvalFrameDefault") for f in frames)
    if frames[1] == "[truncated]":
        continue
    for (a, x), (b, y) in zip(python, python[1:]):
        between.setdefault((x[0], y[0]), []).append(b - a - 1)

good = sum(counts.values())
few = samples < 40
if few:
    print("only %d samples" % samples)
elif good < 0.95 * samples:
    print("%d of %d samples have the stack that the program had; others: %s" %
          (good, samples, sorted(wrong.items(), key=lambda w: -w[1])[:6]))
for way in expected:
    if samples >= 20 * len(expected) and not counts.get(way):
        print("no sample of %s: %s" % (way, wrong))
if left > 0.02 * samples:
    print("%d stacks still have _PyEval_EvalFrameDefault" % left)
# C stands between what C called, and from 3.11 on nothing between what the interpreter called itself.
for pair in (("by_sorted", "key"), ("by_attribute", "Deep.__getattr__"), ("by_attribute", "__getattr__")):
    if any(n == 0 for n in between.get(pair, [])):
        print("%s → %s: nothing between" % pair)
if sys.argv[4] >= "3.11" and len(sys.argv[4]) > 3 and any(between.get(("descend", "descend"), [])):
    print("descend → descend: something between: %s" % between[("descend", "descend")])

# Threads that sleep show where.
report = json.load(open(sys.argv[3]))
for thread in ("waiter", "sleeper"):
    stacks = [o["stack"] for o in report["hotspot"]["off_cpu"] if o["comm"] == thread and o["stack"]]
    if not any(f.startswith(thread + " (stacks_planted.py:") for s in stacks for f in s):
        print("%s: where it sleeps is not there: %s" % (thread, stacks))
        few = True  # its stack is drawn
sys.exit(3 if few else 0)
