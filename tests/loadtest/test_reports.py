"""A result as others read it: the verdict, JUnit, Markdown, JSON, and a page that needs nothing else."""

import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.loadtest.test_sender import RIGHT, make_plan
from tritext_loadtest.errors import DestinationError
from tritext_loadtest.ledger import Ledger
from tritext_loadtest.metrics import Counters
from tritext_loadtest.records import Outcome, Record
from tritext_loadtest.report import write_reports
from tritext_loadtest.report.charts import Series, draw_lines, draw_points, nice, written
from tritext_loadtest.report.junit import to_junit
from tritext_loadtest.report.markdown import to_markdown
from tritext_loadtest.report.page import to_html
from tritext_loadtest.report.table import print_summary, request_rows
from tritext_loadtest.result import Exit, Result, Served, Subject, conclude
from tritext_loadtest.session import Run
from tritext_loadtest.watch import Process, Sample

SUBJECT = Subject("steady", "m", "1", ("grpc://h:1",), 10, 2, 1, 1, 3, 3, "2026-01-01T00:00:00+00:00")
NASTY = "<script>|*x*`\x00\ud800 & ]]>"


def make_result(
    limits: dict[str, float] | None = None,
    wrong: int = 0,
    lateness: float = 0.001,
    interrupted: bool = False,
    seconds: int = 2,
    restarts: bool = False,
) -> Result:
    """Forty requests in two seconds, with the server watched for some seconds; one of its processes may come late."""
    ledger = Ledger()
    ledger.add(
        Record(i / 20, lateness, 0.02 + i / 1000, 1, Outcome.ANSWERED, wrong if i == 0 else 0) for i in range(40)
    )
    ledger.add([Record(1.99, 0.0, 0.01, 1, Outcome.REJECTED)])
    notes: list[dict[str, Any]] = [
        {"kind": "start", "words": "start", "origin": 100.0},
        {"kind": "end", "words": "end", "cpu_seconds": 0.5},
        {"kind": "wrong", "words": NASTY, "label": "a", "expected": "b", "score": 0.9},
        {"kind": "failed", "words": NASTY},
    ]
    samples = tuple(
        Sample(
            100.0 + i,
            20 * i,
            {"m": Counters(requests=10.0 * i, texts=20.0 * i, batches=5.0 * i, queue=1e4 * i)},
            (Process(7, "stub", 50.0, 3, 1), *([Process(8, "stub", 1.0, 3, 1)] if restarts and i else [])),
        )
        for i in range(seconds + 1)
    )
    run = Run(ledger, tuple(notes if wrong else notes[:2]), samples, 100.0, interrupted)
    return conclude(SUBJECT, make_plan(RIGHT), run, limits or {"label_mismatch": 0}, max_lateness=25)


@pytest.mark.parametrize(
    ("result", "code", "words"),
    [
        (make_result(), Exit.HELD, "SLO held: label_mismatch 0 ≤ 0"),
        (make_result({"p99_ms": 10}), Exit.BROKEN, "SLO broken: p99_ms 59 > 10"),
        (make_result(wrong=2), Exit.BROKEN, "SLO broken: label_mismatch 2 > 0"),
        (make_result({"rss_slope_mib_per_100k": 1}), Exit.BROKEN, "not measured"),
        (make_result(lateness=0.03), Exit.VOID, "void: one request in a hundred was sent more than 30.0 ms late"),
        (make_result(interrupted=True), Exit.INTERRUPTED, "interrupted; so far SLO held"),
    ],
)
def test_the_verdict_is_the_exit_code(result: Result, code: Exit, words: str) -> None:
    assert result.verdict is code
    assert words in result.line


def test_memory_is_not_judged_where_a_process_came_or_went() -> None:
    limits = {"rss_slope_mib_per_100k": 1.0}
    steady, restarted = (make_result(limits, seconds=20, restarts=restarts) for restarts in (False, True))
    assert (steady.verdict, restarted.verdict) == (Exit.HELD, Exit.BROKEN)
    assert "not measured" in restarted.line
    assert ("restarts", "1 of the server's processes came or went during the run") in request_rows(restarted)
    assert "restarts" not in [row[0] for row in request_rows(steady)]


def test_the_terminal_shows_names_as_they_are() -> None:
    told = io.StringIO()
    result = make_result()
    print_summary(Console(file=told, width=200), replace(result, subject=replace(SUBJECT, model="[bold]m")), 0)
    assert "[bold]m version 1" in told.getvalue()


def test_a_run_without_a_request_is_void() -> None:
    run = Run(Ledger(), (), (Sample(0.0, 0, {}, ()),), 0.0, interrupted=False)
    result = conclude(SUBJECT, make_plan(RIGHT), run, {"label_mismatch": 0}, 25)
    assert result.verdict is Exit.VOID
    assert "not one request was due" in result.line
    for write in (to_junit, to_markdown, to_html):
        assert "not one request was due" in write(result)


def test_an_interruption_before_the_first_request_is_told_as_one() -> None:
    run = Run(Ledger(), (), (Sample(0.0, 0, {}, ()),), 0.0, interrupted=True)
    result = conclude(SUBJECT, make_plan(RIGHT), run, {"label_mismatch": 0}, 25)
    assert (result.verdict, result.line) == (Exit.INTERRUPTED, "interrupted; so far void: no request was sent yet")


def test_lateness_that_a_latency_dwarfs_does_not_void() -> None:
    ledger = Ledger()
    ledger.add(Record(i / 20, 0.03, 2.0, 1, Outcome.ANSWERED) for i in range(40))
    run = Run(ledger, (), (Sample(0.0, 0, {}, ()),), 0.0, interrupted=False)
    assert conclude(SUBJECT, make_plan(RIGHT), run, {"label_mismatch": 0}, 25).verdict is Exit.HELD


def test_the_servers_metrics_are_told_by_second_and_in_all() -> None:
    result = make_result()
    assert [(s.seconds, s.models["m"].batch_size) for s in result.served] == [(0.5, 4.0), (1.5, 4.0)]
    assert result.served_totals["m"].milliseconds("queue") == 1
    assert result.generator_cores == pytest.approx(0.25, rel=0.1)


def test_metrics_that_could_not_be_read_are_missed_aloud() -> None:
    deaf = replace(
        make_result(), served=(), served_totals={}, subject=replace(SUBJECT, metrics="http://h:8002/metrics")
    )
    row = ("metrics", "none of m at http://h:8002/metrics: no batches and queues; give --metrics")
    assert row in request_rows(deaf)
    assert row not in request_rows(replace(make_result(), subject=deaf.subject))
    for write in (to_markdown, to_html):
        assert "no batches and queues" in write(deaf)


def test_a_front_has_no_picture_of_what_it_does_not_tell() -> None:
    front = Counters(requests=4, queue=4e3, compute=8e3, front_requests=4, front_queue=4e3)
    drawn = to_html(replace(make_result(), served=(Served(1.0, {"m": front}),), served_totals={"m": front}))
    assert "queue from 2 to 2; compute from 2 to 2<" in drawn


def test_processes_of_one_name_are_told_apart_by_their_numbers() -> None:
    growth = make_result().memory[0]
    same = (growth, replace(growth, pid=8))
    course = {7: ((0.0, 1.0),), 8: ((0.0, 2.0),)}
    for memory, names in ((same, ("stub 7", "stub 8")), ((growth,), ("stub",))):
        drawn = to_html(replace(make_result(), memory=memory, memory_course=course))
        assert all(f">{name}</text>" in drawn for name in names)


def test_junit_has_a_case_for_each_objective_and_one_for_the_run() -> None:
    suite = ElementTree.fromstring(to_junit(make_result({"p50_ms": 900, "p99_ms": 10, "label_mismatch": 0}, wrong=1)))
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "2", "0")
    failed = {case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None}
    assert failed == {"p99_ms", "label_mismatch"}
    void = ElementTree.fromstring(to_junit(make_result(lateness=0.03)))
    assert void.get("errors") == "1"
    assert void.find("testcase/error") is not None


def test_json_says_everything_and_the_verdict_first() -> None:
    content = json.loads(json.dumps(make_result({"p99_ms": 10}).to_json(), allow_nan=False))
    assert list(content)[:4] == ["schema", "verdict", "exit_code", "line"]
    assert (content["verdict"], content["exit_code"]) == ("broken", 1)
    assert content["checks"] == [{"name": "p99_ms", "limit": 10, "value": pytest.approx(59), "holds": False}]
    assert content["totals"]["rejected_share"] == pytest.approx(1 / 41)


def test_markdown_tables_are_whole_whatever_a_text_holds() -> None:
    said = to_markdown(make_result(wrong=1))
    assert "SLO broken" in said
    for block in re.split(r"\n\n", said):
        if block.startswith("|"):
            assert len({len(re.findall(r"(?<!\\)\|", row)) for row in block.strip().splitlines()}) == 1
    assert "<script>" not in said.replace("\\<script\\>", "")


class Tags(HTMLParser):
    """Every element and what it refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_page_needs_nothing_else_and_runs_nothing() -> None:
    page = to_html(make_result({"p99_ms": 50, "label_mismatch": 0}, wrong=1))
    tags = Tags()
    tags.feed(page)
    assert "script" not in tags.names
    assert tags.references == []
    assert "url(" not in page
    assert "prefers-color-scheme: dark" in page
    assert tags.names.count("svg") == 6
    assert page.encode()


def test_files_are_written_and_what_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    wanted = {"json": tmp_path / "deep" / "r.json", "html": tmp_path / "file" / "r.html", "junit": tmp_path / "r.xml"}
    with pytest.raises(DestinationError, match=r"--html .*r\.html: .*the run is over and told above"):
        write_reports(make_result(wrong=1), wanted)
    assert json.loads((tmp_path / "deep" / "r.json").read_text())["schema"] == 1
    assert (tmp_path / "r.xml").is_file()


@given(st.floats(1e-6, 1e9))
def test_an_axis_ends_at_a_round_number_that_is_not_far(value: float) -> None:
    assert value * (1 - 1e-6) <= nice(value) <= 2 * value


def test_marks_of_an_axis_fit_beside_it() -> None:
    marks = {0: "0", 0.25: "0.25", 1500: "1500", 15_000: "15k", 120_000: "120k", 2.5e6: "2.5M", 4e9: "4G"}
    assert {value: written(value) for value in marks} == marks


@given(st.floats(1e-6, 1e9), st.integers(1, 5))
def test_no_mark_of_an_axis_is_longer_than_its_margin(value: float, fifth: int) -> None:
    mark = written(nice(value) * fifth / 5)
    assert len(mark) <= 7
    assert value < 1e-3 or "e" not in mark


def test_an_axis_of_nothing_ends_at_one() -> None:
    assert nice(0) == nice(-1) == 1


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), max_size=20), st.none() | st.floats(0, 1e6))
def test_pictures_are_xml_within_their_frame(points: list[tuple[float, float]], limit: float | None) -> None:
    series = [Series(f"a & {i} <", tuple(points)) for i in range(7)]
    for drawn in (draw_lines("x", series, "s", "ms", limit), draw_points("x", series, "s", "ms")):
        root = ElementTree.fromstring(drawn)
        for line in root.iter("polyline"):
            for x, y in (map(float, pair.split(",")) for pair in line.get("points", "").split()):
                assert 0 <= x <= 460
                assert 0 <= y <= 250


def test_more_reports_than_one_run_can_have_agree() -> None:
    result = replace(make_result(), void="because")
    assert "void: because" in to_html(result)
    assert "void: because" in to_markdown(result)
