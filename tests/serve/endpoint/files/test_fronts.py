"""Which model answers, and what stands behind ``/predict/``."""

import pytest

from tritext_serve.endpoint.files.fronts import choose, variants


@pytest.mark.parametrize(
    ("fronts", "chosen"),
    [
        (["sentiment"], "sentiment"),
        (["sentiment_naive", "sentiment"], "sentiment"),
        (["a_b", "z"], "a_b"),  # not a variant: there is no model `a`
        (["b", "b_c", "a_d", "a"], "a"),
        (["sentiments", "sentiment"], "sentiment"),
    ],
)
def test_the_first_that_is_no_variant_of_another_is_the_default(fronts: list[str], chosen: str) -> None:
    assert choose(fronts) == choose(fronts[::-1]) == chosen


def test_variants_are_reached_by_suffix_by_name_and_the_default_as_trained() -> None:
    fronts = ["sentiment", "sentiment_naive", "topic"]
    assert variants("sentiment", fronts) == {
        "trained": "sentiment",
        "naive": "sentiment_naive",
        "sentiment": "sentiment",
        "sentiment_naive": "sentiment_naive",
        "topic": "topic",
    }


def test_a_models_own_name_goes_before_a_suffix_and_both_before_the_alias() -> None:
    fronts = ["m", "m_naive", "m_trained", "naive"]
    assert variants("m", fronts)["naive"] == "naive"
    assert variants("m", fronts)["trained"] == "m_trained"
