#!/usr/bin/env python3
"""Adds up single test cases over all ctest entries of a build folder.

Reads `ctest --show-only=json-v1` from standard input: every entry NAME must have left
test-results/NAME.xml. One that left none, or that failed although all its cases passed (a crash or a
leak found at exit, a time-out), counts as one failed case. Fails when a case failed or none ran.
Cases that autotest/conftest.py left out are told of in a line of their own.
"""

import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def outcome(case):
    """(passed|failed|skipped, reason) of one <testcase> of gtest or pytest."""
    for tag in ("failure", "error"):
        if case.find(tag) is not None:
            return "failed", ""
    skipped = case.find("skipped")
    if skipped is not None:
        return "skipped", (skipped.get("message") or "").strip().split("\n")[-1]
    if case.get("status") == "notrun":
        return "skipped", "disabled"
    return "passed", ""


def cases_of(path):
    """Yields (name, outcome, reason); raises when the file is not there or broken."""
    for case in ElementTree.parse(path).iter("testcase"):
        yield (case.get("name"), *outcome(case))


def left_out_of(path):
    """How many cases the program told that it left out."""
    told = ElementTree.parse(path).iter("property")
    return sum(int(found.get("value")) for found in told if found.get("name") == "left out")


def main(build_dir):
    entries = [test["name"] for test in json.load(sys.stdin)["tests"]]
    failed_log = build_dir / "Testing" / "Temporary" / "LastTestsFailed.log"
    failed_entries = set()
    if failed_log.exists():
        failed_entries = {line.split(":", 1)[1] for line in failed_log.read_text().splitlines()}

    count = {"passed": 0, "failed": 0, "skipped": 0}
    left_out = 0
    for entry in entries:
        try:
            cases = list(cases_of(build_dir / "test-results" / f"{entry}.xml"))
            left_out += left_out_of(build_dir / "test-results" / f"{entry}.xml")
        except (OSError, ElementTree.ParseError):
            cases = [("(the program left no results)", "failed", "")]
        if entry in failed_entries and not any(result == "failed" for _, result, _ in cases):
            cases.append(("(the program failed beside its cases)", "failed", ""))
        for name, result, reason in cases:
            count[result] += 1
            if result != "passed":
                print(f"{result}: {entry} {name}" + (f": {reason}" if reason else ""))

    if left_out > 0:
        print(f"left out: {left_out} combinations of parameters, each value of which is in a case that ran")
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    return 0 if count["passed"] > 0 and count["failed"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
