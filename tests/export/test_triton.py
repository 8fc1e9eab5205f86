"""config.pbtxt: what it says, and that Triton's own protobuf reads it back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritext_export.errors import RepositoryError
from tritext_export.triton import ModelFacts, classifier_config, from_text, front_config, same_contract, to_text

FACTS = ModelFacts("sentiment", ("input_ids", "attention_mask"), 2, "sentiment")


@given(
    st.integers(1, 200),
    st.integers(1, 4096),
    st.lists(st.integers(1, 10**6), min_size=1, unique=True),
    st.from_regex(r"[a-z]\w{0,20}", fullmatch=True),
)
def test_what_is_written_reads_back(labels: int, batch: int, versions: list[int], label_output: str) -> None:
    facts = ModelFacts("m", ("input_ids",), labels, label_output, batch)
    for config in (front_config(facts, versions), classifier_config(facts, versions)):
        again = from_text(to_text(config))
        assert again == config
        assert list(again.version_policy.specific.versions) == versions
        assert again.max_batch_size == batch


def test_the_front_keeps_its_contract() -> None:
    front = front_config(FACTS, [1])
    assert [(t.name, list(t.dims)) for t in front.input] == [("text", [1])]
    assert [(t.name, list(t.dims)) for t in front.output] == [
        ("text", [1]),
        ("sentiment", [1]),
        ("score", [1]),
        ("scores", [2]),
        ("label_id", [1]),
        ("tokens", [1]),
        ("truncated", [1]),
    ]
    assert front.parameters["classifier"].string_value == "sentiment_classifier"
    assert front.parameters["max_queue"].string_value == "1024"
    assert not front.dynamic_batching.HasField("default_queue_policy")  # it would turn Triton's prefetching off


def test_the_classifier_takes_token_ids_of_any_length_and_never_waits_for_company() -> None:
    classifier = classifier_config(FACTS, [1])
    assert [(t.name, list(t.dims)) for t in classifier.input] == [("input_ids", [-1]), ("attention_mask", [-1])]
    assert [(t.name, list(t.dims)) for t in classifier.output] == [("logits", [2])]
    assert not classifier.HasField("dynamic_batching")
    assert classifier.parameters["enable_mem_pattern"].string_value == "0"


def test_contracts_compare_by_tensors_alone() -> None:
    more_labels = ModelFacts("sentiment", FACTS.inputs, 3, "sentiment")
    assert same_contract(front_config(FACTS, [1]), front_config(FACTS, [2, 3]))
    assert not same_contract(front_config(FACTS, [1]), front_config(more_labels, [1]))


def test_a_broken_file_is_an_error_not_a_trace() -> None:
    with pytest.raises(RepositoryError, match=r"config\.pbtxt: "):
        from_text('name: "x')
