"""Who is compared, in which settings, by which command, through which route."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritext_loadtest.peers.agenda import stages
from tritext_loadtest.peers.catalogue import (
    OURS,
    PEERS,
    PLAIN,
    QUICK,
    TORCH,
    Contender,
    Setting,
    choose,
    contenders,
    grid,
)
from tritext_loadtest.peers.environments import Workshop
from tritext_loadtest.peers.errors import BenchError, PeerError
from tritext_loadtest.peers.files import Form, Served, infinity_folder, program_environment
from tritext_loadtest.peers.launch import Material, command, setting_of
from tritext_loadtest.peers.request import BenchRequest
from tritext_loadtest.peers.routes import generate, infinity, many, one
from tritext_loadtest.peers.tuning import Trial, apply, best, rows

texts = st.lists(st.text(max_size=20), min_size=1, max_size=40)


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_full_run_holds_every_form_tuned_and_the_documented_setting(peer: object) -> None:
    (chosen,) = choose([peer.name])  # type: ignore[attr-defined]
    found = contenders([chosen], quick=False)
    assert [c.form for c in found if c.tuned] == list(chosen.forms)
    assert [(c.form, c.setting) for c in found if not c.tuned] == [(chosen.forms[0], chosen.documented)]
    assert len({c.name for c in found}) == len(found)


def test_a_quick_run_has_one_torch_member_the_replaced_service() -> None:
    found = contenders(choose(QUICK), quick=True)
    assert [c.peer.name for c in found if c.form == TORCH] == ["fastapi"]
    assert {(c.peer.name, c.form) for c in found if c.tuned} == {(n, f) for n in QUICK[1:] for f in (PLAIN, OURS)}


def test_an_unknown_peer_is_refused_with_those_there_are() -> None:
    with pytest.raises(BenchError, match=r"--peers mosek: no such peer; there are fastapi, infinity, mosec"):
        choose(["fastapi", "mosek"])


@given(st.sampled_from(PEERS), st.integers(1, 64))
def test_the_grid_uses_the_cores_and_no_more(peer: object, cores: int) -> None:
    found = grid(peer, cores)  # type: ignore[arg-type]
    assert len(set(found)) == len(found)
    assert all(1 <= s.workers * s.threads <= cores for s in found)
    assert {s.batch for s in found} == set(peer.batches)  # type: ignore[attr-defined]


def test_the_best_setting_is_the_cheapest_that_ran_and_our_file_takes_that_of_the_usual_one() -> None:
    (mosec,) = choose(["mosec"])
    slow, quick, dead = Setting(1, 2, 8), Setting(2, 1, 16), Setting(2, 1, 32)
    trials = [Trial("mosec", PLAIN, slow, 9.0), Trial("mosec", PLAIN, quick, 5.0), Trial("mosec", PLAIN, dead, None)]
    assert best(trials, "mosec", PLAIN) == quick
    assert best(trials, "mosec", TORCH) is None
    assert apply(Contender(mosec, OURS, slow, tuned=True), trials).setting == quick
    assert apply(Contender(mosec, PLAIN, slow, tuned=False), trials).setting == slow
    assert apply(Contender(mosec, TORCH, slow, tuned=True), trials).setting == slow
    assert [row["best"] for row in rows(trials)] == [False, True, False]
    assert "cpu_milliseconds" not in rows(trials)[2]


@given(texts)
def test_every_route_gives_as_many_labels_as_it_took_texts(sent: list[str]) -> None:
    labels = [f"l{i % 3}" for i in range(len(sent))]
    alone = len(sent) == 1
    answers = {
        many("/p"): [{"label": label, "score": 1.0} for label in labels],
        infinity("m"): {"data": [[{"label": "no", "score": 0.1}, {"label": label, "score": 0.9}] for label in labels]},
        generate("m", "sentiment"): {"sentiment": labels[0] if alone else labels},
    }
    for route, answer in answers.items():
        assert route.labels(json.dumps(answer).encode(), len(sent)) == labels
        assert json.loads(route.body(sent))
    assert json.loads(one("/p").body(sent[:1])) == {"text": sent[0]}
    assert json.loads(many("/p").body(sent)) == {"texts": sent}


@pytest.mark.parametrize("answer", [b"", b"<html>", b"{}", b"[]", b'[{"label": "a"}, {"label": "b"}]', b"3", b"null"])
def test_an_answer_without_one_label_is_the_peers_error(answer: bytes) -> None:
    with pytest.raises(PeerError, match="/p answered"):
        many("/p").labels(answer, 1)


def material(tmp_path: Path) -> Material:
    """Files that nobody opens."""
    ours = Form(tmp_path / "ours.onnx", tmp_path / "t.json", "ORT_ENABLE_BASIC")
    served = Served(tmp_path, "sentiment", "sentiment", ours)
    return Material(tmp_path / "checkpoint", served, Form(tmp_path / "plain.onnx", tmp_path / "t.json"), tmp_path)


@pytest.mark.parametrize("contender", contenders(PEERS, quick=False), ids=lambda c: c.name)
def test_every_command_names_its_port_and_stays_on_loopback(contender: Contender, tmp_path: Path) -> None:
    line = command(contender, Path("/e"), Path("/m"), 1234)
    setting = setting_of(contender, material(tmp_path), tmp_path, 1234)
    assert line[0].startswith("/e/bin/")
    assert "1234" in line or setting["port"] == 1234
    assert "0.0.0.0" not in line
    assert ("file" in setting) == (contender.form != TORCH)
    assert setting.get("level", "") == {TORCH: "", PLAIN: "ORT_ENABLE_ALL", OURS: "ORT_ENABLE_BASIC"}[contender.form]


def test_a_peers_environment_holds_nothing_of_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hidden")
    given_to_it = program_environment(Path("/e"), {"threads": 1})
    assert "SECRET_TOKEN" not in given_to_it
    assert given_to_it["OMP_NUM_THREADS"] == "1"
    assert "OMP_NUM_THREADS" not in program_environment(Path("/e"), {"threads": 0})


def test_infinity_gets_copies_so_that_it_changes_no_file_of_others(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    for name in ("config.json", "model.safetensors", "x.onnx"):
        (checkpoint / name).write_text(name)
    for number, form in enumerate((None, Form(checkpoint / "x.onnx", checkpoint / "t.json"))):
        folder = infinity_folder(checkpoint, form, tmp_path / str(number))
        for file in (f for f in folder.rglob("*") if f.is_file()):
            file.write_text("rewritten")
        assert (folder / "model.safetensors").exists() == (form is None)
        assert (folder / "onnx" / "model_quantized.onnx").exists() == (form is not None)
    assert [(checkpoint / name).read_text() for name in ("config.json", "x.onnx")] == ["config.json", "x.onnx"]


@pytest.mark.parametrize(("thorough", "steps"), [(False, [5, 5, 10, 20]), (True, [5, 20, 10, 18, 36, 30])])
def test_the_stages_of_a_comparison(thorough: bool, steps: list[int], tmp_path: Path) -> None:
    peers, workshop = choose(["fastapi", "mosec"]), Workshop(tmp_path)
    request = BenchRequest(tmp_path, "m", tmp_path, ["a"], peers, workshop, not thorough, rounds=2)
    found = stages(replace(request, tune=thorough, latency_seconds=5.0 * thorough), cores=2)
    assert [stage.steps for stage in found if stage.steps] == steps
