"""JUnit XML: a result in, a test suite out whose cases are the objectives. Pure."""

import re
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from tritext_loadtest.result import Result
from tritext_loadtest.slo import OBJECTIVES

# What XML 1.0 cannot hold, however it is written.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_junit(result: Result) -> str:
    """Write a suite: a case an objective, and one that says whether the run counts."""
    subject = result.subject
    failures = sum(not check.holds for check in result.checks)
    void = result.void or ("interrupted before its end" if result.interrupted else "")
    suite = Element(
        "testsuite",
        name=f"tritext loadtest {subject.scenario}",
        tests=str(len(result.checks) + 1),
        failures=str(failures),
        errors=str(int(bool(void))),
        skipped="0",
        time=f"{result.totals.seconds:.3f}",
        timestamp=subject.started,
    )
    kind = f"{subject.model}.{subject.scenario}"
    measured = SubElement(suite, "testcase", classname=kind, name="measured", time=f"{result.totals.seconds:.3f}")
    if void:
        SubElement(measured, "error", message=_clean(void))
    for check in result.checks:
        case = SubElement(suite, "testcase", classname=kind, name=check.name, time="0")
        if not check.holds:
            SubElement(case, "failure", message=str(check)).text = OBJECTIVES[check.name].what
    SubElement(suite, "system-out").text = _clean(result.line)
    SubElement(suite, "system-err").text = _clean("\n".join(result.errors))
    indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(suite, encoding="unicode") + "\n"


def _clean(words: str) -> str:
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", words)
