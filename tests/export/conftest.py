"""A small, randomly initialised classifier, whole enough to export."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from tritext_export.labelled import Example, write_tsv

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
WORDS = ("good", "bad", "film", "plot", "a", "the", "very", "not", "dull", "bright")
MakeCheckpoint = Callable[..., Path]


@pytest.fixture(scope="session")
def make_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> MakeCheckpoint:
    """Write a tiny BERT classifier; arguments go into its config."""

    def make(labels: tuple[str, ...] = ("negative", "positive"), **config: Any) -> Path:
        directory = tmp_path_factory.mktemp("checkpoint")
        torch.manual_seed(0)
        shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
        id2label = dict(enumerate(labels))
        bert = BertConfig(
            vocab_size=len(SPECIAL) + len(WORDS), max_position_embeddings=64, id2label=id2label, **shape, **config
        )
        model = BertForSequenceClassification(bert)
        for parameter in model.parameters():
            parameter.data *= 4  # the usual start gives logits so near zero that any label is a coin toss
        model.save_pretrained(directory)
        tiny_tokenizer().save_pretrained(directory)
        return directory

    return make


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """A word-level tokenizer with BERT's special tokens."""
    raw = Tokenizer(models.WordLevel({w: i for i, w in enumerate(SPECIAL + WORDS)}, unk_token="[UNK]"))
    raw.normalizer = normalizers.Lowercase()
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    raw.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=raw, model_max_length=64, **names)


@pytest.fixture(scope="session")
def tiny_examples() -> tuple[Example, ...]:
    """Texts of many lengths, labelled by a rule that a tiny model can learn."""
    texts = [" ".join(WORDS[(i * j + j) % len(WORDS)] for j in range(1 + i % 17)) + f" {i}" for i in range(240)]
    return tuple(Example(t, "positive" if t.count("good") > t.count("dull") else "negative") for t in texts)


@pytest.fixture
def tiny_texts(tmp_path: Path, tiny_examples: tuple[Example, ...]) -> Path:
    """The same as a file."""
    path = tmp_path / "texts.tsv"
    write_tsv(path, tiny_examples)
    return path
