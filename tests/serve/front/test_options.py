"""What the front reads of a repository, and what it says when something is missing."""

import json
from pathlib import Path
from typing import Any

import pytest

from tritext_serve.front.options import OptionsError, read_options

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
