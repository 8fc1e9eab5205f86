"""What the front reads of a repository, and what it says when something is missing."""

import json
from pathlib import Path
from typing import Any

import pytest

from tritext_serve.front.long_texts import Limits, LongTexts
from tritext_serve.front.options import DEFAULT_PACKED_TOKENS, OptionsError, read_options
from tritext_serve.front.planner import CPU_COSTS, Costs

MANIFEST = {
    "labels": ["negative", "positive"],
    "activation": "softmax",
    "max_length": 128,
    "inputs": ["input_ids", "attention_mask"],
    "pad_token_id": 0,
}


def config(**parameters: str) -> dict[str, Any]:
    """A front's configuration in Triton's JSON."""
    given = {"classifier": "s_classifier"} | parameters
    return {
        "max_batch_size": 32,
        "output": [{"name": "score"}, {"name": "sentiment"}, {"name": "label_id"}],
        "parameters": {key: {"string_value": value} for key, value in given.items()},
    }


def version(tmp_path: Path, **changes: Any) -> Path:
    """A version folder with a manifest."""
    directory = tmp_path / "3"
    directory.mkdir()
    (directory / "manifest.json").write_text(json.dumps(MANIFEST | changes))
    return directory


def test_configuration_and_manifest_are_combined(tmp_path: Path) -> None:
    options = read_options(config(max_batch_tokens="100"), version(tmp_path))
    assert (options.classifier, options.version, options.label_output) == ("s_classifier", 3, "sentiment")
    assert (options.max_batch_tokens, options.max_batch_texts, options.max_length) == (100, 32, 128)


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5", ""])
def test_a_budget_that_is_no_positive_number_is_named(tmp_path: Path, value: str) -> None:
    with pytest.raises(OptionsError, match=f"max_batch_tokens is '{value}'"):
        read_options(config(max_batch_tokens=value), version(tmp_path))


def test_all_that_a_request_may_say_otherwise_has_a_default_in_the_configuration(tmp_path: Path) -> None:
    given = config(long_texts="window", window_stride="8", window_pooling="max", max_windows="4", deduplicate="false")
    options = read_options(given, version(tmp_path))
    assert options.long_texts == LongTexts("window", 8, "max")
    assert options.limits == Limits(128, pairs=False, max_windows=4)
    given["parameters"]["max_request_windows"] = {"string_value": "9"}
    assert read_options(given, tmp_path / "3").limits.max_request_windows == 9
    assert not options.deduplicate


def test_costs_that_are_not_given_stay_those_of_a_cpu(tmp_path: Path) -> None:
    options = read_options(config(cost_call="1500", cost_token="0.25"), version(tmp_path))
    assert (options.costs.call, options.costs.token) == (1500, 0.25)
    assert (options.costs.text, options.costs.pair) == (CPU_COSTS.text, CPU_COSTS.pair)


def test_a_packed_graph_is_planned_by_its_own_costs_in_larger_sub_batches(tmp_path: Path) -> None:
    directory = version(tmp_path, graph_edits=["first-token", "packed"])
    options = read_options(config(cost_call="1500"), directory)
    assert (options.costs, options.max_batch_tokens) == (Costs(call=1500, packed=True), DEFAULT_PACKED_TOKENS)
    assert read_options(config(max_batch_tokens="100"), directory).max_batch_tokens == 100


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"cost_token": "-1"}, "cost_token is '-1', not a number of microseconds"),
        ({"cost_call": "inf"}, "cost_call is 'inf'"),
        ({"cost_pair": "cheap"}, "cost_pair is 'cheap'"),
        ({"long_texts": "shorten"}, "long_texts is 'shorten': take truncate, refuse, window"),
        ({"window_pooling": "sum"}, "window_pooling is 'sum': take mean, max"),
        ({"window_stride": "65"}, "window_stride is '65': take a whole number of tokens from 0 to 64"),
        ({"max_windows": "0"}, "max_windows is '0'"),
        ({"max_request_windows": "all"}, "max_request_windows is 'all'"),
        ({"deduplicate": "yes"}, "deduplicate is 'yes': take true or false"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_parameter_that_means_nothing_is_named(tmp_path: Path, parameters: dict[str, str], words: str) -> None:
    with pytest.raises(OptionsError, match=f"^config.pbtxt parameters: {words}"):
        read_options(config(**parameters), version(tmp_path))


def test_an_unknown_activation_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match="activation 'relu'"):
        read_options(config(), version(tmp_path, activation="relu"))


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    (tmp_path / "3").mkdir()
    with pytest.raises(OptionsError, match=r"manifest.json of version 3"):
        read_options(config(), tmp_path / "3")


def test_a_front_without_a_label_output_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match="exactly one output"):
        read_options(config() | {"output": [{"name": "score"}]}, version(tmp_path))


def test_a_front_without_a_classifier_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match="'classifier' is missing"):
        read_options(config() | {"parameters": {}}, version(tmp_path))
