"""A small classifier of each encoder family, with random weights and a fast tokenizer of the family's own kind.

``make_family(name, directory)`` writes a checkpoint that everything else takes for a real one: the family's own
model class, its way to number positions and padding, and WordPiece, byte-level BPE or Unigram as its vocabulary. The
head is set so that the labels of short texts are spread and in little doubt.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoModelForSequenceClassification, PreTrainedModel, PreTrainedTokenizerFast

WORDS = ("good", "bad", "film", "plot", "a", "the", "very", "not", "dull", "bright")
TEXTS = tuple(" ".join(WORDS[(i * j + i + j) % len(WORDS)] for j in range(1 + i % 13)) + f" {i}" for i in range(48))
MAX_LENGTH = 64
SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
TrainTokenizer = Callable[["Family"], Tokenizer]


@dataclass(frozen=True)
class Family:
    """What makes a family.

    Attributes:
        model: transformers' name of its configuration, without ``Config``.
        tokenizer: The class of its tokenizer.
        train: What makes the tokenizer's vocabulary.
        special: Its words for begin, pad, end, unknown and mask, by the names that transformers gives them, in the
            order of their ids.
        pair: How two texts are joined, as the ``tokenizers`` library writes templates.
        config: What its configuration has that others have not.
        first_position: Number of the first position, for those who begin after the padding's.
    """

    model: str
    tokenizer: str
    train: TrainTokenizer
    special: dict[str, str]
    pair: str
    config: dict[str, Any] = field(default_factory=dict)
    first_position: int = 0


def make_family(name: str, directory: Path, labels: Sequence[str] = ("negative", "positive"), **config: Any) -> Path:
    """Write a small checkpoint of a family.

    Args:
        name: One of ``FAMILIES``.
        directory: Where to write; made where it is missing.
        labels: Its label names.
        config: What to set in its configuration; ``max_length`` sets the longest input and ``seed`` the weights.

    Returns:
        ``directory``.
    """
    torch.manual_seed(config.pop("seed", 0))
    model, tokenizer = build_family(name, labels, **config)
    directory.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def build_family(
    name: str, labels: Sequence[str], max_length: int = MAX_LENGTH, **config: Any
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """Make the model and its tokenizer."""
    family = FAMILIES[name]
    tokenizer = family_tokenizer(family, max_length)
    ids = {f"{kind}_token_id": getattr(tokenizer, f"{kind}_token_id") for kind in ("pad", "bos", "eos", "cls", "sep")}
    settings: dict[str, Any] = SHAPE | {"vocab_size": len(tokenizer), "id2label": dict(enumerate(labels))}
    settings |= {"label2id": {label: i for i, label in enumerate(labels)}}
    settings |= {"max_position_embeddings": max_length + family.first_position}
    settings |= {name: value for name, value in ids.items() if value is not None} | family.config | config
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # DeBERTa's module still uses torch.jit.script
        chosen = getattr(transformers, f"{family.model}Config")(**settings)
        model = AutoModelForSequenceClassification.from_config(chosen)
    settle_head(model.eval(), tokenizer)
    return model, tokenizer


def settle_head(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
    """Scale the weights up, and the head so that logits are spread around nought: no label is a coin toss."""
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data *= 12
    head = [m for m in model.modules() if isinstance(m, torch.nn.Linear) and m.out_features == model.num_labels][-1]
    with torch.inference_mode():
        logits = model(**tokenizer(list(TEXTS), padding=True, return_tensors="pt")).logits
    gain = 2 / logits.std(dim=0)
    bias = head.bias.data if head.bias is not None else torch.zeros(model.num_labels)
    head.weight.data *= gain[:, None]
    head.bias = torch.nn.Parameter(gain * (bias - logits.mean(dim=0)))


def family_tokenizer(family: Family, max_length: int = MAX_LENGTH) -> PreTrainedTokenizerFast:
    """Make a family's tokenizer of a few words, the same in every process."""
    raw = family.train(family)
    ids = {word: raw.token_to_id(word) for word in family.special.values()}
    begin, _, end, *_ = family.pair.split()
    raw.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}", pair=family.pair, special_tokens=[(w, ids[w]) for w in (begin, end)]
    )
    kind = getattr(transformers, family.tokenizer)
    settings: dict[str, Any] = {"model_max_length": max_length} | family.special
    if kind is PreTrainedTokenizerFast:  # the others know what their models read
        settings |= {"model_input_names": ["input_ids", "attention_mask"]}
    tokenizer: PreTrainedTokenizerFast = kind(tokenizer_object=raw, **settings)
    return tokenizer


def word_piece(family: Family) -> Tokenizer:
    """BERT's vocabulary: pieces of lower-cased words, written out since the library's trainer breaks ties by chance."""
    letters = sorted(set("".join(TEXTS)) - {" "})
    pieces = [*family.special.values(), *letters, *(f"##{letter}" for letter in letters), *WORDS]
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    raw = Tokenizer(models.WordPiece(vocabulary, unk_token=family.special["unk_token"]))
    raw.normalizer = normalizers.BertNormalizer(lowercase=True)
    raw.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    raw.decoder = decoders.WordPiece()
    return raw


def byte_pairs(family: Family) -> Tokenizer:
    """RoBERTa's vocabulary: every byte, and pairs of them; nothing is unknown."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=[*family.special.values()],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(TEXTS, trainer)
    return raw


def unigram(family: Family) -> Tokenizer:
    """SentencePiece's vocabulary: likely pieces, a blank written as a letter of its own."""
    letters = "▁abcdefghijklmnopqrstuvwxyz0123456789.,!?'"
    pieces = [(word, 0.0) for word in family.special.values()]
    pieces += [(f"▁{word}", -3.0) for word in WORDS] + [(letter, -6.0) for letter in letters]
    raw = Tokenizer(models.Unigram(pieces, list(family.special.values()).index(family.special["unk_token"])))
    raw.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("``", '"')])
    raw.pre_tokenizer = pre_tokenizers.Metaspace()
    raw.decoder = decoders.Metaspace()
    return raw


BERT_WORDS = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
ROBERTA_WORDS = {
    "bos_token": "<s>",
    "pad_token": "<pad>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "mask_token": "<mask>",
}
ALBERT_WORDS = BERT_WORDS | {"pad_token": "<pad>", "unk_token": "<unk>"}
DEBERTA_WORDS = {kind: BERT_WORDS[kind] for kind in ("pad_token", "cls_token", "sep_token", "unk_token", "mask_token")}
MPNET_WORDS = ROBERTA_WORDS | {"unk_token": "[UNK]"}

BERT_PAIR = "[CLS] $A [SEP] $B:1 [SEP]:1"
PLAIN_PAIR = "[CLS] $A [SEP] $B [SEP]"
ROBERTA_PAIR = "<s> $A </s> </s> $B </s>"

DISTILBERT = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64}
DEBERTA = {
    "relative_attention": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_biased_input": False,
    "position_buckets": 16,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "type_vocab_size": 0,
    "pooler_hidden_size": 32,
}
MODERNBERT = {"local_attention": 16, "global_attn_every_n_layers": 2, "reference_compile": False}

FAMILIES = {
    "bert": Family("Bert", "BertTokenizerFast", word_piece, BERT_WORDS, BERT_PAIR),
    "minilm": Family("Bert", "BertTokenizerFast", word_piece, BERT_WORDS, BERT_PAIR, {"num_hidden_layers": 3}),
    "distilbert": Family("DistilBert", "DistilBertTokenizerFast", word_piece, BERT_WORDS, BERT_PAIR, DISTILBERT),
    "electra": Family("Electra", "ElectraTokenizerFast", word_piece, BERT_WORDS, BERT_PAIR, {"embedding_size": 16}),
    "mpnet": Family("MPNet", "MPNetTokenizerFast", word_piece, MPNET_WORDS, ROBERTA_PAIR, {}, 2),
    "roberta": Family(
        "Roberta", "RobertaTokenizerFast", byte_pairs, ROBERTA_WORDS, ROBERTA_PAIR, {"type_vocab_size": 1}, 2
    ),
    "xlm-roberta": Family(
        "XLMRoberta", "XLMRobertaTokenizerFast", unigram, ROBERTA_WORDS, ROBERTA_PAIR, {"type_vocab_size": 1}, 2
    ),
    "albert": Family("Albert", "AlbertTokenizerFast", unigram, ALBERT_WORDS, BERT_PAIR, {"embedding_size": 16}),
    "deberta-v2": Family(
        "DebertaV2",
        "DebertaV2TokenizerFast",
        unigram,
        DEBERTA_WORDS,
        BERT_PAIR,
        DEBERTA | {"conv_kernel_size": 3, "conv_act": "gelu"},
    ),
    "deberta-v3": Family("DebertaV2", "DebertaV2TokenizerFast", unigram, DEBERTA_WORDS, BERT_PAIR, DEBERTA),
    "modernbert": Family("ModernBert", "PreTrainedTokenizerFast", byte_pairs, BERT_WORDS, PLAIN_PAIR, MODERNBERT),
}
