"""What a version must answer: as the export wrote it, and refused where it is another's."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.client.fake_transport import FakeTransport, label
from tritext import Client
from tritext_export.expectations import hash_example
from tritext_export.labelled import Example
from tritext_loadtest.errors import ExpectationsError
from tritext_loadtest.expectations import Expectations, Expected, hash_item, read_expectations
from tritext_loadtest.preparation import LONG_TEXTS, prepare
from tritext_loadtest.scenarios import LONG_CHARACTERS, SCENARIOS
from tritext_loadtest.texts import Item

HELLO = Item("hello")


def publish(repository: Path, number: str = "1", **changes: Any) -> Path:
    """Write a version's expectations and manifest as the export does."""
    texts = {hash_item(HELLO): [2, 0.5], hash_item(Item("tie")): [0, 0.001]}
    content = {"schema": 1, "model": "m", "version": int(number), "labels": ["a", "b", "positive"], "noise": 0.01}
    folder = repository / "m" / number
    folder.mkdir(parents=True)
    (folder / "expectations.json").write_text(json.dumps(content | {"texts": texts} | changes))
    digest = hashlib.sha256((folder / "expectations.json").read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps({"files": {f"m/{number}/expectations.json": digest}}))
    return folder


@given(st.text(max_size=20), st.none() | st.text(max_size=20))
def test_a_text_has_the_hash_that_the_export_gave_it(text: str, pair: str | None) -> None:
    assert hash_item(Item(text, pair)) == hash_example(Example(text, "", pair))


def test_labels_and_ties_are_read(tmp_path: Path) -> None:
    publish(tmp_path)
    found = read_expectations(tmp_path, "m", "1").of([Item("tie"), Item("unknown"), HELLO])
    assert found == {Item("tie"): Expected("a", tie=True), HELLO: Expected("positive")}


def test_texts_of_another_model_are_refused(tmp_path: Path) -> None:
    publish(tmp_path, "3")
    with pytest.raises(ExpectationsError, match="none of its texts is in the certificate of m version 3"):
        read_expectations(tmp_path, "m", "3").of([Item("other")])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "other"}, "is that of other version 1"),
        ({"version": 2}, "is that of m version 2"),
        ({"schema": 9}, "export m anew"),
        ({"labels": []}, "is damaged"),
        ({"texts": {"x": 1}}, "is damaged"),
        ({"noise": None}, "is damaged"),
    ],
)
def test_another_models_or_damaged_expectations_are_refused(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    publish(tmp_path, **changes)
    with pytest.raises(ExpectationsError, match=words):
        read_expectations(tmp_path, "m", "1")


def test_a_file_that_is_not_the_published_one_is_refused(tmp_path: Path) -> None:
    (publish(tmp_path) / "expectations.json").write_text("{}")
    with pytest.raises(ExpectationsError, match="is not the file that was published"):
        read_expectations(tmp_path, "m", "1")


def test_a_version_of_an_older_tritext_is_to_be_exported_anew(tmp_path: Path) -> None:
    (publish(tmp_path) / "expectations.json").unlink()
    with pytest.raises(ExpectationsError, match="older tritext exported this version; export the model anew"):
        read_expectations(tmp_path, "m", "1")


def test_another_servers_repository_is_told(tmp_path: Path) -> None:
    publish(tmp_path)
    with pytest.raises(ExpectationsError, match="the server answers with m version 7: give the server's own"):
        read_expectations(tmp_path, "m", "7")


def test_damaged_json_is_told(tmp_path: Path) -> None:
    (publish(tmp_path) / "manifest.json").write_text("[")
    with pytest.raises(ExpectationsError, match=r"manifest\.json: not valid JSON"):
        read_expectations(tmp_path, "m", "1")
    (tmp_path / "m" / "1" / "manifest.json").write_text("[]")
    with pytest.raises(ExpectationsError, match="holds no JSON object"):
        read_expectations(tmp_path, "m", "1")


def test_long_texts_keep_the_label_that_they_got_at_rest(tmp_path: Path) -> None:
    publish(tmp_path)
    with Client("grpc://h:1", "m", transport=FakeTransport()) as client:
        prepared = prepare([client], "m", tmp_path, [HELLO, Item("no")], SCENARIOS["mixed-lengths"], lambda _: None)
    long = prepared.items[1:]
    assert prepared.items[0] == HELLO
    assert (prepared.certified, prepared.unknown, len(long)) == (1, 1, 1)
    assert LONG_TEXTS > 1  # all sixty-four are the same here, and sent as one
    assert len(long[0].text) >= LONG_CHARACTERS
    assert prepared.expected == (Expected("positive"), Expected(label(long[0].text)))


def test_expectations_say_whose_they_are() -> None:
    with pytest.raises(ExpectationsError, match="give the file that the model was exported with"):
        Expectations("m", "1", 0.0, {}).of([HELLO])
