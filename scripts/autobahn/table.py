#!/usr/bin/env python3
"""Prints what a run of the suite found, by group, and fails unless every case passed.

    python3 table.py TITLE CASES index.json…

CASES is how many cases there must be, or `any`.
"""

import collections
import json
import sys

BEHAVIOURS = ("OK", "NON-STRICT", "INFORMATIONAL")
CLOSES = ("OK", "INFORMATIONAL")

title, expected, *files = sys.argv[1:]
cases = {}
for file in files:
    with open(file) as index:
        for agent in json.load(index).values():
            cases.update(agent)


def order(name):
    return [int(part) for part in name.split(".")]


groups = collections.defaultdict(collections.Counter)
failed = []
for name in sorted(cases, key=order):
    found = cases[name]
    passed = found["behavior"] in BEHAVIOURS and found["behaviorClose"] in CLOSES
    groups[order(name)[0]][found["behavior"] if passed else "FAILED"] += 1
    if not passed:
        failed.append(f"{name}: {found['behavior']}, close {found['behaviorClose']}")

columns = (*BEHAVIOURS, "FAILED")
print(f"\n{title}\n\n| group | cases | {' | '.join(columns)} |\n|--:{'|--:' * (len(columns) + 1)}|")
total = collections.Counter()
for group, counts in sorted(groups.items()):
    print(f"| {group} | {sum(counts.values())} | {' | '.join(str(counts[column]) for column in columns)} |")
    total += counts
print(f"| all | {sum(total.values())} | {' | '.join(str(total[column]) for column in columns)} |\n")
for line in failed:
    print(f"failed: {line}")
wrong_number = expected != "any" and len(cases) != int(expected)
if wrong_number:
    print(f"failed: {len(cases)} cases instead of {expected}")
sys.exit(bool(failed) or wrong_number)
