"""Texts and pairs to ids: what the library would give, at the length of the model, whatever the texts' lengths."""

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from tests.families import FAMILIES, WORDS, family_tokenizer
from tritext_serve.front.tokens import TextTokenizer

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
texts = st.integers(0, 40).flatmap(lambda n: st.lists(st.sampled_from(WORDS), min_size=n, max_size=n).map(" ".join))


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A ``tokenizer.json`` of three kinds, which join pairs in three ways."""
    folder = tmp_path_factory.mktemp("tokenizers")
    for name in ("bert", "roberta", "deberta-v3"):
        family_tokenizer(FAMILIES[name]).backend_tokenizer.save(str(folder / name))
    return {path.name: path for path in folder.iterdir()}


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["bert", "roberta", "deberta-v3"]),
    st.lists(st.tuples(texts, texts), min_size=1, max_size=4),
    st.integers(5, 40),
)
def test_pairs_are_cut_as_the_library_cuts_them(
    paths: dict[str, Path], name: str, pairs: list[tuple[str, str]], max_length: int
) -> None:
    pad = 7
    library = Tokenizer.from_file(str(paths[name]))
    library.enable_truncation(max_length)
    library.enable_padding(pad_id=pad)
    expected = library.encode_batch(pairs)
    ours = TextTokenizer(paths[name], max_length, pad, pairs=True)
    tokens = ours.encode(pairs)
    ids, mask, types = ours.arrays(tokens, range(len(pairs)), INPUTS)
    np.testing.assert_array_equal(ids, [e.ids for e in expected])
    np.testing.assert_array_equal(mask, [e.attention_mask for e in expected])
    np.testing.assert_array_equal(types, [e.type_ids for e in expected])
    assert tokens.lengths == [sum(e.attention_mask) for e in expected]
    assert tokens.truncated.tolist() == [bool(e.overflowing) for e in expected]


def test_single_texts_have_one_type_and_their_length(paths: dict[str, Path]) -> None:
    tokenizer = TextTokenizer(paths["bert"], 8, 0)
    tokens = tokenizer.encode(["good " * 30, "bad film"])
    _, mask, types = tokenizer.arrays(tokens, [0, 1], INPUTS)
    assert tokens.lengths == [8, 4]
    assert tokens.truncated.tolist() == [True, False]
    assert mask.sum(axis=1).tolist() == [8, 4]
    assert not types.any()


def test_two_very_long_texts_cost_time_in_proportion(paths: dict[str, Path]) -> None:
    tokenizer = TextTokenizer(paths["bert"], 64, 0, pairs=True)
    started = time.process_time()
    tokens = tokenizer.encode([("good " * 40_000, "bad " * 40_000)])
    assert tokens.lengths == [64]
    assert time.process_time() - started < 5  # the library's own cut would take minutes and gigabytes
