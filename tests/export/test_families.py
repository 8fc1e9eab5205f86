"""Checkpoints of many shapes: adapters and shards of other families, lengths, pairs; loaded, and exported alike."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, TaskType, get_peft_model
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests.conftest import Silent, load_json
from tests.families import FAMILIES, MAX_LENGTH, TEXTS, WORDS, make_family
from tritext_export import checkpoint
from tritext_export.errors import SourceError, TextsError
from tritext_export.export import export_model
from tritext_export.graph import export_onnx
from tritext_export.labelled import Example
from tritext_export.request import ExportRequest
from tritext_export.session import ExportedModel, ExportedTokenizer
from tritext_export.sources import resolve

LONG = " ".join(WORDS * 20)
PAIRS = [Example(a, "x", b) for a, b in zip((*TEXTS[:12], LONG, "bad"), (*TEXTS[12:24], "bad", LONG), strict=True)]
# What real checkpoints of a family choose otherwise than the family's own default.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {name: (name, {}) for name in FAMILIES} | {
    "bert, relative positions": ("bert", {"position_embedding_type": "relative_key_query"}),
    "modernbert, mean of all tokens": ("modernbert", {"classifier_pooling": "mean"}),
    "modernbert, compiled": ("modernbert", {"reference_compile": True}),
    "deberta, typed": ("deberta-v3", {"type_vocab_size": 2}),
    "deberta, numbered positions": ("deberta-v2", {"position_biased_input": True}),
    "albert, two groups": ("albert", {"num_hidden_groups": 2}),
    "roberta, two types": ("roberta", {"type_vocab_size": 2}),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_pair_exported_is_the_pair_of_the_checkpoint(tmp_path: Path, variant: str) -> None:
    name, config = VARIANTS[variant]
    loaded = checkpoint.load(resolve(str(make_family(name, tmp_path, **config))))
    assert loaded.max_length == MAX_LENGTH
    own = loaded.encode(PAIRS, MAX_LENGTH)
    assert [len(one) for one in own[-2:]] == [MAX_LENGTH, MAX_LENGTH]
    (tmp_path / "published.json").write_text(loaded.tokenizer.backend_tokenizer.to_str())
    published = ExportedTokenizer(tmp_path / "published.json", MAX_LENGTH).encode(PAIRS)
    exported = ExportedModel(export_onnx(loaded, tmp_path, 17), loaded.tokenizer.pad_token_id)
    expected = np.concatenate([loaded.logits([one]) for one in own])
    np.testing.assert_allclose(exported.logits(published), expected, atol=1e-4)
    assert np.ptp(expected, axis=0).min() > 0.1


def test_an_adapter_on_roberta_is_merged_with_its_head(tmp_path: Path) -> None:
    base = make_family("roberta", tmp_path / "base", ("no", "yes"))
    adapted = get_peft_model(
        AutoModelForSequenceClassification.from_pretrained(base),
        LoraConfig(TaskType.SEQ_CLS, r=4, target_modules=["query", "value", "dense"], init_lora_weights=False),
    )
    adapted.save_pretrained(tmp_path / "adapter")
    loaded = checkpoint.load(resolve(str(tmp_path / "adapter")))
    plain = checkpoint.load(resolve(str(base)))
    encoded = loaded.encode([Example(text, "x") for text in TEXTS], MAX_LENGTH)
    adapted.eval()
    for one in encoded:
        expected = adapted(input_ids=torch.tensor([list(one.ids)])).logits.detach().numpy()
        np.testing.assert_allclose(loaded.logits([one]), expected, atol=1e-4)
    assert max(np.abs(loaded.logits([one]) - plain.logits([one])).max() for one in encoded) > 0.1


def test_weights_in_many_files(tmp_path: Path) -> None:
    whole = make_family("roberta", tmp_path / "whole")
    shards = split(whole, tmp_path / "shards")
    assert len(list(shards.glob("*.safetensors"))) > 2
    source = resolve(str(shards))
    assert {path.name for path in shards.glob("model*")} <= source.digests().keys()
    one = checkpoint.load(source).encode([Example("good film", "x")], MAX_LENGTH)
    np.testing.assert_array_equal(checkpoint.load(source).logits(one), checkpoint.load(resolve(str(whole))).logits(one))


def test_weights_of_which_a_file_is_missing(tmp_path: Path) -> None:
    shards = split(make_family("bert", tmp_path / "whole"), tmp_path / "shards")
    sorted(shards.glob("*.safetensors"))[1].unlink()
    with pytest.raises(SourceError, match=r"model-00002-of-\d+\.safetensors is missing, one of \d+ files"):
        resolve(str(shards))


@pytest.mark.parametrize("name", ["../whole/model.safetensors", "weights.bin"])
def test_weights_that_are_not_its_own(tmp_path: Path, name: str) -> None:
    shards = split(make_family("bert", tmp_path / "whole"), tmp_path / "shards")
    index = load_json(shards / "model.safetensors.index.json")
    index["weight_map"] |= {next(iter(index["weight_map"])): name}
    (shards / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(SourceError, match=r"which is no \*\.safetensors file beside it"):
        resolve(str(shards))


def test_a_slow_tokenizer_alone_is_refused_with_the_way_out(tmp_path: Path) -> None:
    make_family("xlm-roberta", tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "sentencepiece.bpe.model").write_bytes(b"not really")
    with pytest.raises(SourceError, match=r"no usable tokenizer .*tokenizer\.json\) where you trained"):
        checkpoint.load(resolve(str(tmp_path)))


@pytest.mark.parametrize(
    ("rows", "more", "words"),
    [
        ([("good", "positive", "a"), ("bad", "negative", None)], {"pairs": True}, "row 2 has no 'text_pair'"),
        ([("good", "positive", "a"), ("bad", "positive", "b")], {}, "every text is labelled 'positive'"),
        (
            [("good", "positive", "a"), ("bad", "awful", "b")],
            {},
            "label 'awful', the model knows 'negative', 'positive'",
        ),
    ],
    ids=["no second text", "one class", "unknown label"],
)
def test_texts_that_do_not_fit_publish_nothing(
    tmp_path: Path, rows: list[tuple[str, str, str | None]], more: dict[str, Any], words: str
) -> None:
    source = make_family("distilbert", tmp_path / "source")
    texts = tmp_path / "texts.jsonl"
    lines = [{"text": t, "label": label} | ({} if p is None else {"text_pair": p}) for t, label, p in rows]
    texts.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(TextsError, match=words):
        export_model(ExportRequest(str(source), "m", tmp_path / "repository", texts, **more), Silent())
    assert not list((tmp_path / "repository").glob("m/*"))


def test_pairs_need_room_for_the_words_between_them(tmp_path: Path) -> None:
    source = make_family("roberta", tmp_path / "source")
    texts = tmp_path / "texts.jsonl"
    lines = [{"text": t, "label": label, "text_pair": "a"} for t, label in (("good", "positive"), ("bad", "negative"))]
    texts.write_text("\n".join(map(json.dumps, lines)))
    request = ExportRequest(str(source), "m", tmp_path / "repository", texts, pairs=True, max_length=3)
    with pytest.raises(SourceError, match="--max-length 3: the model takes from 4 to 64 tokens"):
        export_model(request, Silent())


def split(source: Path, target: Path) -> Path:
    """Save a checkpoint again, its weights in several files."""
    AutoModelForSequenceClassification.from_pretrained(source).save_pretrained(target, max_shard_size="40KB")
    AutoTokenizer.from_pretrained(source).save_pretrained(target)
    return target
