"""Texts through the whole front without Triton: order, neighbours, failures."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from tritext_serve.front.classifiers import ClassifierError, Lanes, Logits, RunClassifier, SubBatch
from tritext_serve.front.long_texts import LongTexts
from tritext_serve.front.options import Options
from tritext_serve.front.pipeline import ROUND_MICROSECONDS, Failure, Pipeline
from tritext_serve.front.planner import Costs
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


def make(tokenizer: TextTokenizer, run: RunClassifier = sum_of_ids, lanes: int = 1, **changes: Any) -> Pipeline:
    """A pipeline with some options changed."""
    return Pipeline(replace(OPTIONS, **changes), tokenizer, Lanes(run, lanes))


texts = st.lists(st.lists(st.integers(0, 49), max_size=15).map(lambda ids: " ".join(f"w{i}" for i in ids)), max_size=30)


@settings(max_examples=60, deadline=None)
@given(texts=texts)
def test_a_texts_answer_does_not_depend_on_its_neighbours(tokenizer: TextTokenizer, texts: list[str]) -> None:
    pipeline = make(tokenizer)
    together = pipeline.classify(texts).answers
    for row, text in enumerate(texts):
        alone = pipeline.classify([text]).answers
        np.testing.assert_array_equal(alone.scores[0], together.scores[row])
        assert (alone.tokens[0], alone.truncated[0]) == (together.tokens[row], together.truncated[row])


def test_truncation_keeps_the_special_tokens_and_is_told(tokenizer: TextTokenizer) -> None:
    answers = make(tokenizer).classify(["w1 " * 8, "w1 " * 9]).answers
    assert answers.tokens.tolist() == [10, 10]
    assert answers.truncated.tolist() == [False, True]


def test_a_failing_sub_batch_fails_its_own_texts_alone(tokenizer: TextTokenizer) -> None:
    def run(arrays: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.float32]:
        if arrays[0].shape[1] > 5:
            raise ClassifierError("out of memory")
        return sum_of_ids(arrays)

    outcome = make(tokenizer, run, max_batch_tokens=12).classify(["w1 " * 7, "w1", "w2 w3", "w1 " * 6])
    assert outcome.failures == dict.fromkeys((0, 3), Failure("failed", "out of memory"))


def test_logits_of_another_shape_are_an_error_not_an_answer(tokenizer: TextTokenizer) -> None:
    outcome = make(tokenizer, lambda arrays: np.zeros((len(arrays[0]), 3), np.float32)).classify(["w1"])
    assert "(1, 3), not (1, 2)" in outcome.failures[0].message


class Counting:
    """A classifier that counts the rows it is given, and the calls."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def __call__(self, arrays: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.float32]:
        self.rows.append(len(arrays[0]))
        return sum_of_ids(arrays)


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.sampled_from(["w1", "w2 w3", "w1 " * 12, ""]), max_size=12), lanes=st.integers(1, 3))
def test_the_same_texts_are_computed_once_and_answered_alike(
    tokenizer: TextTokenizer, texts: list[str], lanes: int
) -> None:
    once, each = Counting(), Counting()
    shared = make(tokenizer, once, lanes).classify(texts)
    apart = make(tokenizer, each, deduplicate=False).classify(texts)
    assert (sum(once.rows), sum(each.rows)) == (len(set(texts)), len(texts))
    np.testing.assert_array_equal(shared.answers.scores, apart.answers.scores)
    np.testing.assert_array_equal(shared.answers.tokens, apart.answers.tokens)
    np.testing.assert_array_equal(shared.answers.truncated, apart.answers.truncated)


def test_a_text_that_waited_while_its_like_was_computed_takes_that_answer(tokenizer: TextTokenizer) -> None:
    classifier = Counting()
    pipeline = make(tokenizer, classifier)
    pipeline.classify(["w1", "w2 w3"])
    later = pipeline.classify(["w2 w3", "w4", "w1", "w1"], overlapping=[True, True, True, False])
    assert sum(classifier.rows) == 4
    apart = make(tokenizer, deduplicate=False).classify(["w2 w3", "w4", "w1", "w1"])
    np.testing.assert_array_equal(later.answers.scores, apart.answers.scores)
    np.testing.assert_array_equal(later.answers.tokens, apart.answers.tokens)


def test_what_failed_is_computed_anew_for_those_who_waited(tokenizer: TextTokenizer) -> None:
    broken = [True]

    def run(arrays: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.float32]:
        if broken[0]:
            raise ClassifierError("out of memory")
        return sum_of_ids(arrays)

    pipeline = make(tokenizer, run)
    assert pipeline.classify(["w1"]).failures
    broken[0] = False
    assert not pipeline.classify(["w1"], overlapping=[True]).failures


def test_the_same_failing_text_fails_wherever_it_stands(tokenizer: TextTokenizer) -> None:
    def run(arrays: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.float32]:
        raise ClassifierError("out of memory")

    assert set(make(tokenizer, run).classify(["w1", "w1", "w2", "w1"]).failures) == {0, 1, 2, 3}


def test_padding_counts_only_where_dense_layers_compute_it(tokenizer: TextTokenizer) -> None:
    texts = ["w1", "w1 w2 w3"]
    assert make(tokenizer).classify(texts).padding == 2
    assert make(tokenizer, costs=Costs(packed=True)).classify(texts).padding == 0


def test_nothing_is_run_for_texts_that_nobody_waits_for(tokenizer: TextTokenizer) -> None:
    classifier = Counting()
    pipeline = make(tokenizer, classifier, max_batch_texts=1, costs=Costs(call=ROUND_MICROSECONDS))
    left = iter([True, False, True])
    asked: list[list[int]] = []

    def still_wanted(rows: npt.NDArray[np.intp]) -> bool:
        asked.append(rows.tolist())
        return next(left)

    outcome = pipeline.classify(["w1", "w2 w3", "w4 w5 w6", "w1"], still_wanted=still_wanted)
    assert asked == [[0, 3], [1], [2]], "both who sent the same text are asked about"
    assert {row: failure.kind for row, failure in outcome.failures.items()} == {1: "dropped"}
    assert sum(classifier.rows) == 2


def test_short_work_is_asked_about_once_and_run_together(tokenizer: TextTokenizer) -> None:
    asked: list[list[int]] = []
    together: list[int] = []

    class Watching(Lanes):
        def run(self, batches: Sequence[SubBatch]) -> Sequence[Logits]:
            together.append(len(batches))
            return super().run(batches)

    def still_wanted(rows: npt.NDArray[np.intp]) -> bool:
        asked.append(rows.tolist())
        return True

    options = replace(OPTIONS, max_batch_texts=1)
    texts = ["w1", "w2 w3", "w4 w5 w6"]
    outcome = Pipeline(options, tokenizer, Watching(sum_of_ids)).classify(texts, (), still_wanted)
    assert (asked, together) == ([[0], [1], [2]], [3])
    assert not outcome.failures


def test_each_text_is_taken_as_its_request_says(tokenizer: TextTokenizer) -> None:
    long = " ".join(f"w{i}" for i in range(20))
    ways = [LongTexts(mode) for mode in ("truncate", "refuse", "window")]
    outcome = make(tokenizer, activation="none").classify([long] * 3, ways)
    assert set(outcome.failures) == {1}
    kind, message = outcome.failures[1]
    assert (kind, message[:48]) == ("refused", "has 22 tokens, more than the 10 that the model t")
    assert outcome.answers.truncated[[0, 2]].tolist() == [True, False]
    assert outcome.answers.tokens[[0, 2]].tolist() == [10, 22]
    assert outcome.answers.scores[0, 0] < outcome.answers.scores[2, 0], "later words have larger ids"


@pytest.mark.parametrize("deduplicate", [True, False])
def test_a_request_of_too_many_windows_is_refused_and_its_neighbours_are_not(
    tokenizer: TextTokenizer, deduplicate: bool
) -> None:
    classifier = Counting()
    long = [" ".join(f"w{number}" for _ in range(20)) for number in range(5)]  # three windows each
    texts = [*long[:4], "w1", long[4], long[0]]
    pipeline = make(tokenizer, classifier, max_request_windows=6, deduplicate=deduplicate)
    outcome = pipeline.classify(texts, [LongTexts("window", 0)] * 7, sizes=[5, 2])
    refused = {1, 2, 3} if deduplicate else {0, 1, 2, 3}
    assert set(outcome.failures) == refused, "what a neighbour wants too has its answer"
    assert outcome.failures[1].message == (
        "and the other long texts of its request make 12 windows, more than the 6 allowed: send fewer of them at a time"
    )
    assert sum(classifier.rows) == 7


def test_the_configuration_says_how_long_texts_are_taken_where_no_request_does(tokenizer: TextTokenizer) -> None:
    outcome = make(tokenizer, long_texts=LongTexts("refuse")).classify(["w1 " * 8, "w1 " * 9])
    assert set(outcome.failures) == {1}
