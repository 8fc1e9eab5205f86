"""Texts through the whole front without Triton: order, neighbours, failures."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from tritext_serve.front.options import Options
from tritext_serve.front.pipeline import ClassifierError, Pipeline
from tritext_serve.front.tokens import TextTokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"w{i}" for i in range(50))]
PAD, MAX_LENGTH = 0, 10
OPTIONS = Options("c", 1, "label", ("a", "b"), "softmax", MAX_LENGTH, ("input_ids", "attention_mask"), PAD, 24, 4)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> TextTokenizer:
    """A word-level tokenizer whose ids a test can predict."""
    raw = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    raw.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    raw.save(str(path))
    return TextTokenizer(path, MAX_LENGTH, PAD)


def sum_of_ids(arrays: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.float32]:
    """A classifier whose logits say which tokens it saw, padding excluded."""
    ids, mask = arrays
    total = (ids * mask).sum(axis=1).astype(np.float32)
    return np.stack([total, -total], axis=1)


texts = st.lists(st.lists(st.integers(0, 49), max_size=15).map(lambda ids: " ".join(f"w{i}" for i in ids)), max_size=30)


@settings(max_examples=60, deadline=None)
@given(texts=texts)
def test_a_texts_answer_does_not_depend_on_its_neighbours(tokenizer: TextTokenizer, texts: list[str]) -> None:
    pipeline = Pipeline(OPTIONS, tokenizer, sum_of_ids)
    together = pipeline.classify(texts).answers
    for row, text in enumerate(texts):
        alone = pipeline.classify([text]).answers
        np.testing.assert_array_equal(alone.scores[0], together.scores[row])
        assert (alone.tokens[0], alone.truncated[0]) == (together.tokens[row], together.truncated[row])


def test_truncation_keeps_the_special_tokens_and_is_told(tokenizer: TextTokenizer) -> None:
    answers = Pipeline(OPTIONS, tokenizer, sum_of_ids).classify(["w1 " * 8, "w1 " * 9]).answers
    assert answers.tokens.tolist() == [10, 10]
    assert answers.truncated.tolist() == [False, True]


def test_a_failing_sub_batch_fails_its_own_texts_alone(tokenizer: TextTokenizer) -> None:
    def run(arrays: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.float32]:
        if arrays[0].shape[1] > 5:
            raise ClassifierError("out of memory")
        return sum_of_ids(arrays)

    small = replace(OPTIONS, max_batch_tokens=12)
    outcome = Pipeline(small, tokenizer, run).classify(["w1 " * 7, "w1", "w2 w3", "w1 " * 6])
    assert outcome.failures == {0: "out of memory", 3: "out of memory"}


def test_logits_of_another_shape_are_an_error_not_an_answer(tokenizer: TextTokenizer) -> None:
    outcome = Pipeline(OPTIONS, tokenizer, lambda arrays: np.zeros((len(arrays[0]), 3), np.float32)).classify(["w1"])
    assert "(1, 3), not (1, 2)" in outcome.failures[0]
