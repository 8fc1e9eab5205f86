"""Fine-tuning from end to end on a small model, and what it refuses."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.conftest import load_json
from tests.export.conftest import MakeCheckpoint
from tritext_export import checkpoint, hub
from tritext_export.errors import ExportError, SourceError, TextsError
from tritext_export.finetune import FinetuneRequest, finetune, read_splits, set_aside
from tritext_export.labelled import Example, split_of
from tritext_export.recipe import Method, Recipe
from tritext_export.sources import resolve


@pytest.fixture
def request_(make_checkpoint: MakeCheckpoint, tiny_texts: Path, tmp_path: Path) -> FinetuneRequest:
    """A request that succeeds in a second or two."""
    recipe = Recipe(str(make_checkpoint()), str(tiny_texts), (), "lora", rank=2, epochs=2, max_length=32)
    return FinetuneRequest(recipe, tmp_path / "trained")


@pytest.mark.parametrize("method", ["full", "lora", "head"])
def test_each_method_writes_a_model_that_loads_and_a_recipe(request_: FinetuneRequest, method: Method) -> None:
    metrics = finetune(replace(request_, recipe=replace(request_.recipe, method=method)))
    written = load_json(request_.output / "recipe.json")
    assert written["metrics"] == metrics
    assert written["recipe"]["labels"] == ["negative", "positive"]
    assert written["recipe"]["data"] == "texts.tsv"
    source = resolve(str(request_.output))
    assert source.is_adapter == (method != "full")
    assert checkpoint.load(source).model.config.id2label == {0: "negative", 1: "positive"}
    assert not list(request_.output.parent.glob(".trained-*"))


def test_the_head_alone_leaves_the_encoder_as_it_was(request_: FinetuneRequest) -> None:
    finetune(replace(request_, recipe=replace(request_.recipe, method="head")))
    base, trained = (checkpoint.load(resolve(name)).model for name in (request_.recipe.base, str(request_.output)))
    for (name, before), after in zip(base.named_parameters(), trained.parameters(), strict=True):
        moved = not np.array_equal(before.detach().numpy(), after.detach().numpy())
        assert moved == name.startswith("classifier"), name


def test_the_same_seed_gives_the_same_weights(request_: FinetuneRequest) -> None:
    again = replace(request_, output=request_.output.with_name("again"))
    finetune(request_)
    finetune(again)
    first, second = (load_file(r.output / "adapter_model.safetensors") for r in (request_, again))
    assert first.keys() == second.keys()
    for name, weights in first.items():
        np.testing.assert_array_equal(weights, second[name])


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"base": "./nowhere"}, SourceError, "no such directory"),
        ({"base": "distilbert-base-uncased"}, SourceError, "the Hugging Face hub did not give it"),
        ({"data": "hub:stanfordnlp/imdb"}, TextsError, "hub:stanfordnlp/imdb: the hub did not give this data set"),
        ({"data": "nowhere.csv"}, TextsError, r"nowhere\.csv: No such file"),
        ({"labels": ("good", "bad")}, TextsError, "carry the label"),
        ({"max_length": 65}, SourceError, "--max-length 65: .* takes from 3 to 64 tokens"),
    ],
)
def test_a_request_that_cannot_be_met_writes_nothing(
    request_: FinetuneRequest, changes: dict[str, Any], error: type[ExportError], words: str
) -> None:
    with pytest.raises(error, match=words):
        finetune(replace(request_, recipe=replace(request_.recipe, **changes)))
    assert [p.name for p in request_.output.parent.iterdir()] == ["texts.tsv"]


def test_an_output_that_cannot_be_written_is_known_before_training(request_: FinetuneRequest, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SourceError, match=r"file/model: .*choose another --output"):
        finetune(replace(request_, output=tmp_path / "file" / "model"))


def test_an_existing_folder_is_not_touched(request_: FinetuneRequest) -> None:
    request_.output.mkdir()
    (request_.output / "mine").touch()
    with pytest.raises(SourceError, match="exists already: choose another --output"):
        finetune(request_)
    assert (request_.output / "mine").exists()


@pytest.mark.parametrize(
    ("texts", "words"),
    [(["a", "b"], "leave the .* split empty"), ([f"text {i}" for i in range(200)], "only the label 'x' occurs")],
)
def test_texts_that_cannot_teach(request_: FinetuneRequest, tmp_path: Path, texts: list[str], words: str) -> None:
    data = tmp_path / "few.csv"
    data.write_text("text,label\n" + "".join(f"{text},x\n" for text in texts))
    with pytest.raises(TextsError, match=words):
        finetune(replace(request_, recipe=replace(request_.recipe, data=str(data))))


def test_a_hub_data_set_keeps_its_own_test_split(request_: FinetuneRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    own = {
        "train": tuple(Example(f"train {i}", "x") for i in range(100)),
        "test": tuple(Example(f"test {i}", "y") for i in range(10)),
    }
    monkeypatch.setattr(hub, "load_splits", lambda *arguments: own)
    splits = read_splits(replace(request_, recipe=replace(request_.recipe, data="hub:any/thing")))
    assert splits["test"] == own["test"]
    assert splits["dev"] == tuple(e for e in own["train"] if split_of(e.text) == "dev")
    assert set(splits["train"]) | set(splits["dev"]) == set(own["train"])
    assert not set(splits["train"]) & set(splits["dev"])


def test_a_data_sets_class_labels_become_names(monkeypatch: pytest.MonkeyPatch) -> None:
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    rows = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [1, 0]}, features=features)
    monkeypatch.setattr(datasets, "load_dataset", lambda name: {"train": rows, "unsupervised": rows})
    assert hub.load_splits("any/thing", "text", "label") == {"train": (Example("a", "pos"), Example("b", "neg"))}
    with pytest.raises(TextsError, match="has the columns text, label: choose with --text-column"):
        hub.load_splits("any/thing", "review", "label")


def test_held_out_texts_leave_the_training_split() -> None:
    a, b = Example("a", "x"), Example("b", "x")
    assert set_aside((a, b, a), (b,)) == [a, a]
