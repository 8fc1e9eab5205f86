import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritext_store.errors import Damaged, StoreError, Unexpected
from tritext_store.index import FORMER, Entry, Index, decode, encode

HASHES = st.integers(0, 2**256 - 1).map(lambda number: f"{number:064x}")
MARKS = st.just("") | st.integers(0, 2**64 - 1).map(lambda number: f"{number:016x}")
FILES = st.lists(
    st.builds(Entry, st.integers(1, 99).map("films/{}/model.onnx".format), st.integers(0, 2**40), HASHES, MARKS),
    min_size=1,
    unique_by=lambda entry: entry.path,
)
ONE = Index((Entry("films/1/model.onnx", 3, "a" * 64), Entry("films/config.pbtxt", 3, "b" * 64)), (), "2026-11-22")


@given(FILES, st.lists(HASHES))
def test_an_index_is_read_as_it_was_written(files: list[Entry], before: list[str]) -> None:
    index = Index(tuple(files), (tuple(before),), "now", (*before, f"{'c' * 64}.ab"))
    assert decode(encode(index), "here") == index


@given(
    st.binary() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_what_is_no_index_is_refused(content: bytes) -> None:
    with pytest.raises(Damaged):
        decode(content, "here")


@given(st.data())
def test_an_index_that_was_cut_off_or_changed_is_refused_or_the_same(data: st.DataObject) -> None:
    content = bytearray(encode(ONE))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] = data.draw(st.integers(0, 255))
    try:
        found = decode(bytes(content), "here")
    except StoreError:
        return
    assert sorted(found.files) == sorted(ONE.files)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"path": "films/1/model.py"}, Unexpected),
        ({"path": "../../etc/cron.d/job"}, Unexpected),
        ({"path": "films/config.pbtxt"}, Damaged),  # twice
        ({"bytes": 4}, Damaged),  # not what the generation says
        ({"bytes": -1}, Damaged),
        ({"bytes": True}, Damaged),
        ({"sha256": "../" * 21 + "a"}, Damaged),
        ({"sha256": "A" * 64}, Damaged),
        ({"mark": "../../x"}, Damaged),
        ({"mark": "a" * 17}, Damaged),
        ({"mark": 1}, Damaged),
    ],
)
def test_a_forged_entry_is_refused(change: dict[str, Any], error: type[StoreError]) -> None:
    document = json.loads(encode(ONE))
    document["files"][0] |= change
    with pytest.raises(error):
        decode(json.dumps(document).encode(), "here")


def test_another_format_asks_for_an_upgrade() -> None:
    document = json.loads(encode(ONE)) | {"format": 3}
    with pytest.raises(Damaged, match="upgrade tritext"):
        decode(json.dumps(document).encode(), "here")


def test_an_empty_index_is_refused() -> None:
    with pytest.raises(Damaged, match="names 0 files"):
        decode(encode(Index(())), "here")


def test_contents_of_the_states_before_are_still_needed_and_those_before_them_are_not() -> None:
    index = Index(())
    for number in range(5):
        index = index.succeed([Entry("films/1/model.onnx", 1, f"{number:064x}")], "now")
    assert index.needed() == {f"{number:064x}" for number in range(4 - FORMER, 5)}


def test_the_same_files_are_the_same_generation_in_any_order_and_at_any_time() -> None:
    assert Index(tuple(reversed(ONE.files)), (("c" * 64,),), "later").generation == ONE.generation
    assert Index(ONE.files[:1]).generation != ONE.generation
