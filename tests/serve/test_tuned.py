"""Files of tuned settings: what they may say, and what a server makes of it."""

import tempfile
from pathlib import Path

import pytest

from tests.export.repositories import publish_version
from tests.serve.front.test_options import config, version
from tritext_serve import staging, wheel
from tritext_serve.errors import RepositoryError, TunedError
from tritext_serve.front.options import OptionsError, read_options
from tritext_serve.model_config import parse
from tritext_serve.repository import scan
from tritext_serve.server import Server, ServerOptions
from tritext_serve.sizing import Sizing
from tritext_serve.tuned import FIELDS, Tuned, read_tuned


def write(tmp_path: Path, *lines: str) -> Path:
    """A file of settings."""
    path = tmp_path / "tuned.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_file_with_everything(tmp_path: Path) -> None:
    lines = [
        "instances = 2",
        "threads = 3",
        "max_queue_delay_microseconds = 0",
        "max_batch_tokens = 96",
        "cost_call = 1.5",
    ]
    tuned = read_tuned(write(tmp_path, 'model = "m"', *lines))
    assert tuned == Tuned("m", 2, 3, 0, {"max_batch_tokens": "96", "cost_call": "1.5"})


def test_what_is_missing_stays_as_it_is(tmp_path: Path) -> None:
    assert read_tuned(write(tmp_path, 'model = "m"')) == Tuned("m")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("max_batch_token = 3", "unknown field `max_batch_token`: known are model, instances"),
        ("instances = 0", "instances = 0: give a whole number from 1 to 1,000,000,000"),
        ("threads = true", "threads = True: give a whole number"),
        ("max_batch_texts = 1.5", "max_batch_texts = 1.5: give a whole number"),
        ("cost_call = -1", "cost_call = -1: give a number from 0 to 1,000,000,000"),
        ("cost_pair = nan", "cost_pair = nan: give a number from 0 to 1,000,000,000"),
        ('max_batch_tokens = "384"', "max_batch_tokens = '384': give a whole number"),
        ("max_queue_delay_microseconds = 99999999999", "give a whole number from 0 to 1,000,000,000"),
    ],
)
def test_fields_that_mean_nothing_are_named(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(TunedError, match=r"tuned\.toml") as refused:
        read_tuned(write(tmp_path, 'model = "m"', line))
    assert said in str(refused.value)


@pytest.mark.parametrize("text", ["", "model = 3", "instances = 1"])
def test_a_file_must_name_its_model(tmp_path: Path, text: str) -> None:
    with pytest.raises(TunedError, match="says of no model"):
        read_tuned(write(tmp_path, text))


@pytest.mark.parametrize(
    "make", [lambda p: None, lambda p: p.write_text("model ="), lambda p: p.write_bytes(b"\xff\xfe")]
)
def test_what_is_no_such_file_is_named_with_the_remedy(tmp_path: Path, make: object) -> None:
    path = tmp_path / "tuned.toml"
    make(path)  # type: ignore[operator]  # a lambda of the list above
    with pytest.raises(TunedError, match=r"give a file that `tritext tune` wrote"):
        read_tuned(path)


def test_every_field_reaches_the_front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    publish_version(tmp_path / "repository")
    tuned = Tuned("m", 2, 3, 700, {"max_batch_tokens": "96", "max_batch_texts": "8", "cost_call": "5"})
    arrangement = staging.Arrangement("in-process", tuned={"m": tuned})
    stage = staging.build(wheel.find(), scan(tmp_path / "repository"), lambda model: Sizing(2, 3), arrangement)
    front = parse((stage.models / "m" / "config.pbtxt").read_text(), "m")
    assert {name: front.parameters[name].string_value for name in tuned.parameters} == tuned.parameters
    assert front.dynamic_batching.max_queue_delay_microseconds == 700
    staging.remove(stage)


def sizes(repository: Path, **more: object) -> Sizing:
    """What a server would give the front."""
    server = Server(repository, ServerOptions(allow_uncertified=True, **more))  # type: ignore[arg-type]  # of the options
    return server._size(server.fronts[0])


def test_flags_win_over_a_file_and_a_file_over_the_machine(tmp_path: Path) -> None:
    publish_version(tmp_path)
    tuned = (Tuned("m", 2, 3),)
    assert sizes(tmp_path, tuned=tuned) == Sizing(2, 3)
    assert sizes(tmp_path, tuned=tuned, threads=1, instances={"": 4}) == Sizing(4, 1)
    assert sizes(tmp_path, tuned=tuned, engine="triton") == sizes(tmp_path, engine="triton"), (
        "counts mean something else"
    )


def test_a_file_for_another_model_is_refused(tmp_path: Path) -> None:
    publish_version(tmp_path)
    with pytest.raises(RepositoryError, match="--tuned: it is for 'sentiment', and there are m"):
        Server(tmp_path, ServerOptions(allow_uncertified=True, tuned=(Tuned("sentiment"),)))


@pytest.mark.parametrize(("said", "taken"), [("8", 8), ("32", 32), ("500", 32)])
def test_fewer_texts_may_be_planned_together_than_a_request_may_hold(tmp_path: Path, said: str, taken: int) -> None:
    assert read_options(config(max_batch_texts=said), version(tmp_path)).max_batch_texts == taken


def test_a_number_of_texts_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match="max_batch_texts is 'some'"):
        read_options(config(max_batch_texts="some"), version(tmp_path))


def test_the_fields_are_those_of_the_documents() -> None:
    said = (Path(__file__).parents[2] / "docs" / "tune.md").read_text()
    assert [name for name in FIELDS if f"`{name}`" not in said] == []
