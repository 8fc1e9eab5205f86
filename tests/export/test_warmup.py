"""Warm-up requests: shapes that the planner could send, data that Triton can read."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tritext_export.triton import CPU_BATCH_TOKENS, ModelFacts, classifier_config
from tritext_export.warmup import LONGEST, all_shapes, few_shapes, fullest, mask_bytes, mask_file
from tritext_serve.front.options import DEFAULT_MAX_BATCH_TOKENS
from tritext_serve.front.planner import plan

SIZES = (st.integers(2, 8192), st.integers(1, 256), st.integers(1, 20_000))


@given(*SIZES)
def test_every_shape_is_one_that_the_planner_sends(max_length: int, max_texts: int, max_tokens: int) -> None:
    for shape in {*few_shapes(max_length, max_texts, max_tokens), *all_shapes(max_length, max_texts, max_tokens)}:
        (batch,) = plan([shape.tokens] * shape.texts, max_tokens, max_texts)
        assert len(batch) == shape.texts
        assert shape.tokens <= max_length


@given(*SIZES)
def test_the_longest_and_the_fullest_are_among_them(max_length: int, max_texts: int, max_tokens: int) -> None:
    longest = min(max_length, LONGEST)
    shapes = all_shapes(max_length, max_texts, max_tokens)
    assert {(s.texts, s.tokens) for s in shapes} >= {(1, longest), (fullest(longest, max_texts, max_tokens), longest)}
    assert {s.tokens for s in few_shapes(max_length, max_texts, max_tokens)} <= {s.tokens for s in shapes}
    assert len(set(shapes)) == len(shapes)


def test_the_budget_is_the_fronts_own() -> None:
    assert CPU_BATCH_TOKENS == DEFAULT_MAX_BATCH_TOKENS


def test_masks_are_ones_and_all_else_is_nought() -> None:
    facts = ModelFacts("m", ("input_ids", "attention_mask", "token_type_ids"), 2, max_length=100)
    requests = classifier_config(facts, [1]).model_warmup
    assert [(r.name, r.batch_size) for r in requests] == [("24x16", 24), ("6x64", 6), ("3x100", 3)]
    for request in requests:
        (tokens,) = request.inputs["attention_mask"].dims
        assert request.inputs["attention_mask"].input_data_file == mask_file(tokens)
        assert all(request.inputs[name].zero_data for name in ("input_ids", "token_type_ids"))
        np.testing.assert_array_equal(np.frombuffer(mask_bytes(tokens), "<i8"), np.ones(tokens))
