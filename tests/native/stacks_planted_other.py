# SPDX-License-Identifier: GPL-2.0-or-later
"""The other file of stacks_planted.py."""
import time

SAID = set()
say = None


def spin(way, seconds):
    if way not in SAID:
        SAID.add(way)
        say(way)
    end = time.thread_time() + seconds
    total = 0
    while True:
        for i in range(300):
            total += i * i
        if time.thread_time() > end:
            return total
