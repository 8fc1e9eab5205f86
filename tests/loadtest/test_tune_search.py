"""The search's pure parts: which settings are tried, who goes on, who wins, and how that is told."""

import json
import math
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.export.repositories import publish_version
from tritext_loadtest.tune.control import read_batch_limit, read_control
from tritext_loadtest.tune.errors import TuneError
from tritext_loadtest.tune.halving import SURE_TURNS, Rung, Tried, Turn, conclude, ladder, order, relative
from tritext_loadtest.tune.offer import Request
from tritext_loadtest.tune.picture import by_knob, by_latency, to_html
from tritext_loadtest.tune.png import draw
from tritext_loadtest.tune.record import FIGURES, comment, mark, rows, sentence, to_json
from tritext_loadtest.tune.servers import Fleet, Served, Subject
from tritext_loadtest.tune.settings import Setting, candidates, choices
from tritext_loadtest.tune.sweep import Findings, Run, Search
from tritext_serve.tuned import read_tuned

CONTROL = Setting(384, 64, 0, 990.0, 1, 2)
ABOUT = {"model": "sentiment", "batch": 1, "cores": 2, "processor": "<CPU>", "date": "2026-11-22"}
LIMITS = {"label_mismatch": 0.0, "p99_ms": 50.0}


def turns(*costs: float, p99: float = 20.0, wrong: int = 0, first: int = 1) -> list[Turn]:
    """Turns of these costs, one a round."""
    figures = dict.fromkeys(FIGURES, 0.0) | {"p99_ms": p99, "label_mismatch": float(wrong)}
    return [Turn(first + i, cost, figures, 1.0, 100) for i, cost in enumerate(costs)]


def tried(number: int, *costs: float, **more: float) -> Tried:
    """A setting of its own with these turns."""
    return Tried(Setting(100 + number, 64, 0, 990.0, 1, 2), turns(*costs, **more))  # type: ignore[arg-type]  # whole ones


@given(st.integers(1, 64), st.integers(1, 60), st.integers(0, 5))
def test_settings_are_all_different_and_the_control_is_the_first(cores: int, wanted: int, seed: int) -> None:
    found = candidates(CONTROL, cores, wanted, seed)
    assert found[0] == CONTROL
    assert len(set(found)) == len(found) <= wanted
    assert all(one.instances * one.threads <= max(2, 2 * cores) for one in found)
    assert found == candidates(CONTROL, cores, wanted, seed)


def test_each_knob_is_turned_alone_before_knobs_are_mixed() -> None:
    knobs = choices(CONTROL, 8)
    single = sum(map(len, knobs.values()))
    found = candidates(CONTROL, 8, single + 6)
    changed = [sum(getattr(one, n) != getattr(CONTROL, n) for n in Setting.__slots__) for one in found]
    assert max(changed[: single + 1]) == 2, "processes and lanes are turned together"
    assert len(found) == single + 6
    first = found[1 : 1 + len(knobs)]
    assert len({one.max_batch_tokens for one in first} | {one.cost_call for one in first}) > 2


@given(st.integers(0, 200), st.booleans())
def test_a_ladder_halves_until_one_is_left(count: int, quick: bool) -> None:
    rungs = ladder(count, quick)
    sizes = [rung.settings for rung in rungs]
    assert sizes == [count >> i for i in range(int(math.log2(max(1, count))) + 1)]
    assert all(rung.rounds > 0 for rung in rungs)
    assert [rung.rounds for rung in rungs] == sorted(rung.rounds for rung in rungs)


def test_whoever_breaks_an_objective_comes_after_all_who_hold_it() -> None:
    dear, cheap = tried(1, 9.0), tried(2, 1.0, p99=80.0)
    wrong = tried(3, 0.5, p99=90.0, wrong=1)
    failed = Tried(CONTROL, turns(0.1), failure="it ended")
    assert order([wrong, cheap, failed, dear], LIMITS) == [dear, cheap, wrong]


def test_one_wrong_label_in_one_of_many_turns_is_not_outvoted() -> None:
    one = Tried(CONTROL, [*turns(1.0, 1.0, 1.0), *turns(1.0, wrong=1, first=4)])
    assert [check.name for check in one.checks(LIMITS) if not check.holds] == ["label_mismatch"]


def test_a_surely_cheaper_setting_wins() -> None:
    control, best = Tried(CONTROL, turns(4.0, 4.2, 8.0, 4.1, 4.0, 4.2)), tried(1, 3.0, 3.1, 6.0, 3.0, 3.0, 3.1)
    verdict = conclude(control, [best, tried(2, 1.0)], LIMITS)
    assert verdict.winner is best
    assert verdict.surely
    assert verdict.gain is not None
    assert 1.3 < verdict.gain.value < 1.4
    assert relative(best, control) == pytest.approx(0.744, abs=1e-3)


@pytest.mark.parametrize("costs", [(3.9, 4.3, 4.0, 4.2), (5.0, 5.0, 5.0, 5.0)])
def test_what_may_be_chance_changes_nothing(costs: tuple[float, ...]) -> None:
    control = Tried(CONTROL, turns(4.0, 4.2, 4.1, 4.1))
    verdict = conclude(control, [tried(1, *costs)], LIMITS)
    assert verdict.winner is control
    assert not verdict.surely
    assert verdict.holds


@pytest.mark.parametrize("count", range(1, 10))
def test_fewer_than_six_turns_are_no_proof(count: int) -> None:
    control, best = Tried(CONTROL, turns(*[4.0] * count)), tried(1, *[1.0] * count)
    verdict = conclude(control, [best], LIMITS)
    assert verdict.surely == (verdict.winner is best) == (count >= SURE_TURNS)


@given(st.integers(1, 200), st.booleans())
def test_whoever_goes_all_the_way_has_turns_enough_to_win(count: int, quick: bool) -> None:
    assert sum(rung.rounds for rung in ladder(count, quick)) >= SURE_TURNS


def test_a_dearer_setting_wins_where_only_it_holds_the_objectives() -> None:
    control, other = Tried(CONTROL, turns(4.0, 4.0, p99=90.0)), tried(1, 5.0, 5.0)
    verdict = conclude(control, [other], LIMITS)
    assert (verdict.winner, verdict.holds) == (other, True)
    said = sentence(Findings(control, [other], verdict=verdict), LIMITS)
    assert "holds the objectives, which the usual setting does not: it breaks them in 2 of 2 turns" in said
    assert said.endswith("this one in 0 of 2.")


def test_objectives_that_are_held_and_broken_by_turns_are_not_called_sure() -> None:
    control = Tried(CONTROL, [*turns(4.0, 4.0, p99=90.0), *turns(4.0, first=3)])
    other = Tried(Setting(101, 64, 0, 990.0, 1, 2), [*turns(4.0, 4.0), *turns(4.0, p99=90.0, first=3)])
    said = sentence(Findings(control, [other], verdict=conclude(control, [other], LIMITS)), LIMITS)
    assert "it breaks them in 2 of 3 turns, this one in 1 of 3. Some of that may be chance" in said


def test_nobody_wins_where_nobody_holds_them() -> None:
    control, other = Tried(CONTROL, turns(4.0, 4.0, p99=90.0)), tried(1, 3.0, 3.0, p99=70.0)
    verdict = conclude(control, [other], LIMITS)
    assert (verdict.winner, verdict.holds) == (control, False)
    said = sentence(Findings(control, [other], verdict=verdict), LIMITS)
    assert said == "No setting holds the objectives; of the usual one: p99_ms 90 > 50."
    assert mark(control, Findings(control, [other], verdict=verdict)) == "the usual setting"


@given(st.lists(st.floats(0.1, 10), min_size=2, max_size=6))
def test_equal_costs_never_win(costs: list[float]) -> None:
    control = Tried(CONTROL, turns(*costs))
    assert conclude(control, [tried(1, *costs)], LIMITS).winner is control


class Late(Served):
    """A server before which this side is late as often as said."""

    def __init__(self, *lateness: float) -> None:
        self.left = list(lateness)

    def turn(self, requests: Sequence[Request], due: Sequence[float], number: int) -> Turn:
        """Take no time, and cost what the turn was late."""
        late = self.left.pop(0)
        return Turn(number, late, dict.fromkeys(FIGURES, 0.0), late, 1)

    def stop(self) -> None:
        """Nothing runs."""


@pytest.mark.parametrize(
    ("lateness", "taken", "left"), [((1.0, 2.0), 1.0, 1), ((300.0, 2.0), 2.0, 0), ((300.0, 400.0), 300.0, 0)]
)
def test_a_turn_in_which_this_side_was_late_is_taken_once_more(
    tmp_path: Path, lateness: tuple[float, ...], taken: float, left: int
) -> None:
    control, fleet = Tried(CONTROL), Fleet(Subject(tmp_path, "m"), tmp_path)
    served = fleet._running[CONTROL] = Late(*lateness)
    search = Search(Subject(tmp_path, "m"), [], [CONTROL], [Rung(0, 1)], LIMITS, 1.0, 1.0)
    Run(search, Findings(control, []), fleet, lambda _what, _share: None).climb(0, Rung(0, 1))
    assert [turn.lateness_milliseconds for turn in control.turns] == [taken]
    assert len(served.left) == left


@pytest.fixture
def findings() -> Findings:
    """A search with a winner, a loser, one that was left out and one that failed."""
    control, best = Tried(CONTROL, turns(4.0, 4.2, 8.0, 4.0, 4.2, 8.0)), tried(1, 3.0, 3.1, 6.0, 3.0, 3.1, 6.0)
    failed = Tried(Setting(99, 64, 0, 10.0, 1, 2), failure="ended with status 1: <no memory>")
    others = [best, tried(2, 4.5), failed]
    return Findings(control, others, rate=80.0, verdict=conclude(control, others, LIMITS))


def test_the_winners_file_is_one_that_a_server_reads(findings: Findings, tmp_path: Path) -> None:
    verdict = findings.verdict
    assert verdict is not None
    path = tmp_path / "tuned.toml"
    path.write_text(verdict.winner.setting.to_toml("sentiment", comment(findings, ABOUT, LIMITS)))
    tuned = read_tuned(path)
    assert (tuned.model, tuned.instances, tuned.threads, tuned.max_queue_delay_microseconds) == ("sentiment", 1, 2, 0)
    assert tuned.parameters == {"max_batch_tokens": "101", "max_batch_texts": "64", "cost_call": "990.0"}
    assert set(tomllib.loads(path.read_text())) == {"model", *Setting.__slots__}
    assert "p99_ms ≤ 50" in path.read_text()


def test_everything_is_recorded(findings: Findings) -> None:
    written = json.loads(json.dumps(to_json(findings, ABOUT, LIMITS), allow_nan=False))
    assert [one["mark"] for one in written["settings"]] == ["the usual setting", "chosen", "", "failed"]
    assert [len(one["turns"]) for one in written["settings"]] == [6, 6, 1, 0]
    assert written["winner"]["max_batch_tokens"] == 101
    assert written["better_than_the_control"]
    assert written["gain"]["low"] > 1


def test_rows_begin_with_those_who_went_furthest(findings: Findings) -> None:
    assert [row[1] for row in rows(findings)] == ["6", "6", "1", "0"]
    assert rows(findings)[0][-1] == "chosen"
    assert rows(findings)[-1][-1] == "ended with status 1: <no memory>"


def test_the_page_shows_every_setting_and_loads_nothing(findings: Findings) -> None:
    page = to_html(findings, ABOUT, LIMITS)
    assert page.count("<svg") == 2, "cost and latency, and the one knob that was turned"
    assert "&lt;no memory&gt;" in page
    assert "&lt;CPU&gt;" in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert "<script" not in page
    assert page.count("<tr>") == 5
    assert page.count('class="limit"') == 1
    assert 'class="limit"' not in to_html(findings, ABOUT, {"p99_ms": 900.0, "label_mismatch": 0})


def test_the_page_of_a_search_that_measured_nothing_says_so(tmp_path: Path) -> None:
    empty = Findings(Tried(CONTROL), [], interrupted=True)
    page = to_html(empty, ABOUT, LIMITS)
    assert "Nothing was measured." in page
    assert "interrupted" in page
    draw(empty, tmp_path / "empty.png", limit=50.0)
    assert mark(empty.control, empty) == "the usual setting"


def test_pictures_hold_each_setting_once(findings: Findings, tmp_path: Path) -> None:
    assert sum(map(len, by_latency(findings).values())) == 3
    assert set(by_knob(findings)) == {"max_batch_tokens"}
    ((cost, latency),) = by_latency(findings)["chosen"]
    assert (round(cost, 2), latency) == (0.75, 20.0)
    draw(findings, tmp_path / "tune.png", limit=50.0)
    assert (tmp_path / "tune.png").read_bytes().startswith(b"\x89PNG")


def test_the_control_is_what_the_repository_and_the_server_say(tmp_path: Path) -> None:
    publish_version(tmp_path)
    assert read_control(tmp_path, "m", 2) == Setting(384, 64, 0, 990.0, 1, 2)
    assert read_control(tmp_path, "m", 20) == Setting(384, 64, 0, 990.0, 3, 6)
    path = tmp_path / "m" / "config.pbtxt"
    path.write_text(path.read_text() + 'parameters { key: "max_batch_tokens" value { string_value: "512" } }')
    assert read_control(tmp_path, "m", 1).max_batch_tokens == 512


def test_a_packed_version_takes_more_tokens_at_once_if_it_is_the_one_in_service(tmp_path: Path) -> None:
    publish_version(tmp_path, graph_edits=["first_token", "packed"])
    assert read_control(tmp_path, "m", 2).max_batch_tokens == 1024
    publish_version(tmp_path, graph_edits=["first_token"])
    assert read_control(tmp_path, "m", 2).max_batch_tokens == 384
    path = tmp_path / "m" / "config.pbtxt"
    path.write_text(path.read_text().replace("versions: 2", "versions: 1"))
    assert read_control(tmp_path, "m", 2).max_batch_tokens == 1024


def test_texts_of_a_call_may_be_fewer_than_a_request_may_hold(tmp_path: Path) -> None:
    publish_version(tmp_path)
    path = tmp_path / "m" / "config.pbtxt"
    path.write_text(path.read_text() + 'parameters { key: "max_batch_texts" value { string_value: "8" } }')
    assert read_control(tmp_path, "m", 2).max_batch_texts == 8
    assert read_batch_limit(tmp_path, "m") == 64


def test_a_version_without_a_manifest_is_named(tmp_path: Path) -> None:
    (publish_version(tmp_path) / "manifest.json").unlink()
    with pytest.raises(TuneError, match=r"manifest\.json: .*export the model again"):
        read_control(tmp_path, "m", 2)


def test_a_load_without_end_is_refused_before_it_is_drawn(tmp_path: Path) -> None:
    search = Search(Subject(tmp_path, "m"), [], [CONTROL], [], LIMITS, 1e6, 10.0)
    run = Run(
        search, Findings(Tried(CONTROL), [], rate=1e6), Fleet(search.subject, tmp_path), lambda _what, _share: None
    )
    with pytest.raises(TuneError, match="more than 1,000,000 requests: give a lower --rate"):
        run._draw(1e6)


@pytest.mark.parametrize(("model", "said"), [("n", "No such file"), ("m_classifier", "takes no texts")])
def test_what_is_no_front_is_named(tmp_path: Path, model: str, said: str) -> None:
    publish_version(tmp_path)
    with pytest.raises(TuneError, match=said):
        read_control(tmp_path, model, 2)
