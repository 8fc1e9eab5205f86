"""Long texts: windows are the library's own, bounds and refusals say what they are about."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from tests.families import FAMILIES, WORDS, family_tokenizer
from tritext_serve.front.long_texts import (
    TRUNCATE,
    Limits,
    LongTexts,
    LongTextsError,
    Rows,
    pool,
    read_long_texts,
    take,
)
from tritext_serve.front.tokens import TextTokenizer

words = st.lists(st.sampled_from([*WORDS, "[SEP]", "</s>"]), max_size=90).map(" ".join)
KINDS = ("bert", "roberta", "deberta-v3")


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A ``tokenizer.json`` of three kinds, with special tokens of their own."""
    folder = tmp_path_factory.mktemp("tokenizers")
    for name in KINDS:
        family_tokenizer(FAMILIES[name]).backend_tokenizer.save(str(folder / name))
    return {path.name: path for path in folder.iterdir()}


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(KINDS), words, st.integers(8, 40), st.data())
def test_windows_are_those_of_the_library(
    paths: dict[str, Path], kind: str, text: str, max_length: int, data: st.DataObject
) -> None:
    stride = data.draw(st.integers(0, max_length // 2))
    library = Tokenizer.from_file(str(paths[kind]))
    library.enable_truncation(max_length, stride=stride)
    first = library.encode(text)
    limits = Limits(max_length, max_windows=100)
    tokens = TextTokenizer(paths[kind], max_length, 0).encode(["good", text])
    rows = take(tokens, [LongTexts("window", stride)] * 2, limits)
    assert [list(rows.tokens.ids[row]) for row in rows.windows.get(1, [1])] == [
        part.ids for part in [first, *first.overflowing]
    ]
    assert rows.count == 2
    assert not rows.truncated.any()
    library.no_truncation()
    assert rows.token_counts[1] == len(library.encode(text))


def test_a_text_that_fits_is_one_row_however_it_is_to_be_taken(paths: dict[str, Path]) -> None:
    tokens = TextTokenizer(paths["bert"], 8, 0).encode(["good " * 6])
    for mode in ("truncate", "refuse", "window"):
        assert take(tokens, [LongTexts(mode, 2)], Limits(8)) == Rows(tokens)


def test_more_windows_than_allowed_are_refused_with_their_number(paths: dict[str, Path]) -> None:
    tokens = TextTokenizer(paths["bert"], 8, 0).encode(["good " * 24, "good " * 25])
    rows = take(tokens, [LongTexts("window", 0)] * 2, Limits(8, max_windows=4))
    assert list(rows.windows) == [0]
    assert rows.refused[1].startswith("has 27 tokens, which make 5 windows, more than the 4 allowed: shorten it")


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 5), max_size=4), min_size=1, max_size=4),
    st.lists(st.integers(1, 30), min_size=6, max_size=6),
)
def test_no_request_gets_more_windows_than_allowed_and_none_pays_for_another(
    paths: dict[str, Path], requests: list[list[int]], lengths: list[int]
) -> None:
    tokens = TextTokenizer(paths["bert"], 8, 0).encode(["good " * length for length in lengths])
    limits, ways = Limits(8, max_request_windows=7), [LongTexts("window", 0)] * 6
    free = take(tokens, ways, limits)
    rows = take(tokens, ways, limits, [set(request) for request in requests])
    wants = [sum(len(free.windows[text]) for text in set(request) & free.windows.keys()) for request in requests]
    modest = {text for request, windows in zip(requests, wants, strict=True) if windows <= 7 for text in request}
    greedy = {text for request, windows in zip(requests, wants, strict=True) if windows > 7 for text in request}
    assert set(rows.refused) == (greedy - modest) & free.windows.keys()
    assert set(rows.windows) == free.windows.keys() - rows.refused.keys()
    assert sum(len(rows.windows[text]) for text in modest & rows.windows.keys()) <= 7 * len(requests)


def test_pairs_may_be_refused(paths: dict[str, Path]) -> None:
    tokens = TextTokenizer(paths["bert"], 10, 0, pairs=True).encode([("good " * 9, "bad"), ("good", "bad")])
    rows = take(tokens, [LongTexts("refuse")] * 2, Limits(10, pairs=True))
    assert rows.refused == {
        0: "has 13 tokens, more than the 10 that the model takes: shorten it, or let long_texts be truncate"
    }


def test_windows_become_one_answer_by_mean_or_by_maximum(paths: dict[str, Path]) -> None:
    tokens = TextTokenizer(paths["bert"], 8, 0).encode(["good " * 12, "good", "good " * 12])
    ways = [LongTexts("window", 0, "mean"), TRUNCATE, LongTexts("window", 0, "max")]
    rows = take(tokens, ways, Limits(8))
    assert rows.windows == {0: [0, 3], 2: [2, 4]}
    logits = np.array([[0, 4], [5, 5], [0, 4], [2, 0], [2, 0]], np.float32)
    pool(logits, rows, ways)
    assert logits[:3].tolist() == [[1, 2], [5, 5], [2, 4]]
    assert rows.texts(np.array([1, 3])).tolist() == [0, 1]


def test_a_request_changes_what_it_names_and_no_more() -> None:
    default = LongTexts("window", 16, "max")
    assert read_long_texts({}, default, Limits(512)) == default
    assert read_long_texts({"window_stride": "0", "priority": 1}, default, Limits(512)) == LongTexts("window", 0, "max")
    assert read_long_texts({"long_texts": "refuse"}, default, Limits(512)).mode == "refuse"
    assert read_long_texts({}, TRUNCATE, Limits(40)).stride == 20, "the default suits short models too"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"long_texts": "cut"}, "long_texts is 'cut': take truncate, refuse, window"),
        ({"long_texts": True}, "long_texts is True"),
        ({"window_pooling": "median"}, "window_pooling is 'median': take mean, max"),
        ({"window_stride": 300}, "window_stride is 300: take a whole number of tokens from 0 to 256"),
        ({"window_stride": -1}, "window_stride is -1"),
        ({"window_stride": 1.5}, "window_stride is 1.5"),
        ({"window_stride": "9" * 5000}, "window_stride is '9999"),
        ({"window_stride": ""}, "window_stride is ''"),
        ({"window_stride": "²"}, "window_stride is '²'"),
    ],
    ids=lambda value: str(next(iter(value.values()))) if isinstance(value, dict) else "",
)
def test_a_value_that_means_nothing_is_refused_by_name(values: dict[str, Any], said: str) -> None:
    with pytest.raises(LongTextsError, match=f"^{said}"):
        read_long_texts(values, TRUNCATE, Limits(512))


def test_pairs_are_not_read_in_windows() -> None:
    with pytest.raises(LongTextsError, match="pairs are not read in windows: take truncate or refuse"):
        read_long_texts({"long_texts": "window"}, TRUNCATE, Limits(512, pairs=True))
