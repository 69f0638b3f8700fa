# SPDX-License-Identifier: GPL-2.0-or-later
"""Keeps every order for ever, some 10 MiB of them a second."""
import time


class Order:
    def __init__(self, number):
        self.number = number
        self.note = "order number %d, to be kept for ever" % number


orders = {}
n = 0
print("ready", flush=True)
while True:
    for _ in range(3000):
        orders[n] = Order(n)
        n += 1
    time.sleep(0.05)
