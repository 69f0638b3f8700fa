# SPDX-License-Identifier: GPL-2.0-or-later
"""Fills its heap with known objects, says "ready", and for each line on stdin reports the counts
and sys.getsizeof() of all objects it can reach, by type.  Runs on Python 3.8 and later."""
import array
import collections
import gc
import sys


class Leak:
    def __init__(self, n):
        self.n = n
        self.name = "leak-%d" % n
        self.more = [n]


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a):
        self.a = a
        self.b = None


def fill():
    return {
        "leaks": [Leak(i) for i in range(30000)],
        "slots": [Slotted(i) for i in range(20000)],
        "strings": ["s" * (i % 700) + str(i) for i in range(20000)],
        "big": {("k%d" % i): float(i) for i in range(200000)},
        "bytes": [b"x" * 100000 + bytes([i]) for i in range(50)] + [b"y" * 2000001],
        "sets": [set(range(i, i + 20)) for i in range(1000)],
        "deque": collections.deque(range(300, 100300)),
        "array": array.array("d", range(100000)),
        "bytearrays": [bytearray(1000 + i) for i in range(300)],
    }


def name_of(kind):
    return kind.__name__ if kind.__module__ == "builtins" else kind.__module__ + "." + kind.__name__


def report():
    gc.collect()
    seen = {}
    todo = list(gc.get_objects())
    while todo:
        o = todo.pop()
        if id(o) in seen or o is seen or o is todo:
            continue
        seen[id(o)] = o
        todo.extend(gc.get_referents(o))
        if isinstance(o, dict):  # 3.11 and later visit the values only, where all keys are str
            todo.extend(o.keys())
    counts, sizes = collections.Counter(), collections.Counter()
    for o in seen.values():
        counts[name_of(type(o))] += 1
        sizes[name_of(type(o))] += sys.getsizeof(o)
    for name in counts:
        print("%s\t%d\t%d" % (name, counts[name], sizes[name]))
    print("end", flush=True)


keep = fill()
print("ready", flush=True)
for line in sys.stdin:
    report()
