"""Sums the pytest sessions of tools/test.sh: python summarize_tests.py DIRECTORY.

The directory holds, for each session, NAME.status (pytest's exit code) and NAME.rank0.xml (its JUnit report; missing if
the session was killed). The last line printed is 'N passed, N failed, N skipped'; the exit code is 1 if anything
failed.
"""

import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

ALL_PASSED, NOTHING_SELECTED = 0, 5  # pytest's exit codes of a session in which nothing failed


def outcomes(report):
    """Map each test of a JUnit report to 'passed', 'failed' (errors included) or 'skipped'."""
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            found[name] = "failed"
        elif found.get(name) != "failed":  # a test that fails once more in its teardown appears twice
            found[name] = "skipped" if "skipped" in kinds else "passed"
    return found


def main(directory):
    """Print the summary of all sessions in `directory`; return the exit code."""
    total, failures = Counter(passed=0, failed=0, skipped=0), []
    skipped_on, ran_on = {}, set()
    for status_file in sorted(Path(directory).glob("*.status")):
        session, status = status_file.stem, int(status_file.read_text())
        report = status_file.with_name(f"{session}.rank0.xml")
        results = {}
        if report.exists():
            try:
                results = outcomes(report)
            except ElementTree.ParseError as error:
                failures.append(f"{session}: the report is damaged ({error})")
        counts = Counter(results.values())
        failures += [f"{session}: {name}" for name, outcome in results.items() if outcome == "failed"]
        if status not in (ALL_PASSED, NOTHING_SELECTED) and not counts["failed"]:
            failures.append(f"{session}: ended with status {status}")
            counts["failed"] += 1
        total += counts
        print(f"{session}: " + ", ".join(f"{counts[kind]} {kind}" for kind in ("passed", "failed", "skipped")))
        if session.startswith("ranks"):
            for name, outcome in results.items():
                (skipped_on.setdefault(name, []).append(session) if outcome == "skipped" else ran_on.add(name))

    for name in sorted(set(skipped_on) - ran_on):
        failures.append(f"{name} was skipped on every number of ranks")
        total["failed"] += 1
    if not total["passed"] and not failures:
        failures.append("no test ran")
        total["failed"] += 1
    for failure in failures:
        print(f"FAILED {failure}")
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 1 if total["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
