# SPDX-License-Identifier: GPL-2.0-or-later
"""A program of 3.8 or later that knows its own stacks: stacks_python.sh compares them with a capture's.

It burns CPU in spin() of another file, reached by many ways, and says after each way once, from the
interpreter's own frames, what the stack was: a line of JSON with [function, file, line] from the root
on.  Two threads of it are never on the CPU.
"""
import asyncio
import functools
import json
import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import stacks_planted_other as other

END = time.time() + float(sys.argv[1])
TURN = 0.005  # long against the moments between two ways


def name_of(code):
    return getattr(code, "co_qualname", code.co_name)


def say(way):
    """Of the caller, its callers, innermost last."""
    frames, frame = [], sys._getframe(1)
    while frame:
        frames.append([name_of(frame.f_code), frame.f_code.co_filename, frame.f_lineno])
        frame = frame.f_back
    print(json.dumps({"way": way, "frames": frames[::-1]}), flush=True)


other.say = say


def descend(depth):
    if depth:
        return descend(depth - 1)
    return other.spin("recursion", TURN)


def by_recursion():
    return descend(30)


def key(value):
    return other.spin("sorted", TURN / 2)


def by_sorted():
    return sorted([2, 1], key=key)


def by_reduce():
    return functools.reduce(
        lambda a, b:
        other.spin("reduce", TURN),
        [1, 2])


def generator():
    while True:
        yield other.spin("generator", TURN)


GENERATOR = generator()


def by_generator():
    for _ in GENERATOR:
        return


class Deep:
    def __getattr__(self, name):
        return other.spin("attribute", TURN)


def by_attribute():
    return getattr(Deep(), "anything")


async def inner():
    return other.spin("coroutine", TURN)


async def outer():
    return await inner()


LOOP = asyncio.new_event_loop()


def by_coroutine():
    return LOOP.run_until_complete(outer())


MADE_UP = compile("\n\nspin('eval', TURN)", "made_up", "eval")


def by_eval():
    return eval(MADE_UP, {"spin": other.spin, "TURN": TURN})


def by_dead_code():
    """Code that lives for this call only: whoever looks later finds others in its place."""
    for i in range(10):
        text = "\n" * i + "\nspin('dead%d', TURN / 40)\n" % i
        exec(compile(text, "dead_%d" % i, "exec"), {"spin": other.spin, "TURN": TURN})


LOCK = threading.Lock()


def waiter():
    with open("/proc/thread-self/comm", "w") as f:
        f.write("waiter")
    while time.time() < END:
        if LOCK.acquire(timeout=0.2):
            LOCK.release()


def sleeper():
    with open("/proc/thread-self/comm", "w") as f:
        f.write("sleeper")
    while time.time() < END:
        time.sleep(0.2)


def main():
    with open("/proc/self/comm", "w") as f:
        f.write("planted")
    LOCK.acquire()
    for target in (waiter, sleeper):
        threading.Thread(target=target, daemon=True).start()
    while time.time() < END:
        by_recursion()
        by_sorted()
        by_reduce()
        by_generator()
        by_attribute()
        by_coroutine()
        by_eval()
        by_dead_code()


main()
