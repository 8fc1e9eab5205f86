"""Encoders of known shapes with random weights, and texts of an exact number of tokens: a shape in, a repository out.

What a GPU can do does not depend on what a model has learnt. The models are exported as anybody's are, in fp16 for
GPUs, certified on the very texts that will be sent, and then configured for large sub-batches. Imports torch on demand,
so that a machine which only serves and measures needs none: it is given the finished folder.
"""

import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from tritext_export.candidates import Precision
from tritext_export.export import export_model
from tritext_export.request import ExportRequest, Progress
from tritext_export.triton import classifier_name
from tritext_export.triton_gpu import GPU

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LABELS = ("negative", "positive")
VOCABULARY = 30_522
MOST_TEXTS = 256
# The head is scaled so that logits are this far apart, and texts whose label is in doubt are not used.
SPREAD, LEAST_GAP = 6.0, 2.0
# The weights mean nothing, nor do ties and calibration; the labels that the server gives are checked all the same.
LIMITS = {
    "agreement": 0.98,
    "unstable": 16,
    "accuracy_drop": 0.02,
    "max_probability_difference": 0.2,
    "calibration_error_increase": 0.1,
}
FACTS, TEXTS = "facts.json", "texts.tsv"


@dataclass(frozen=True, slots=True)
class Encoder:
    """A shape.

    Attributes:
        name: The front's name.
        title: What tables call it.
        kind: transformers' name of its family.
        hidden: Width.
        layers: How many.
        heads: Of attention.
        inner: Width of the layer between.
        vocabulary: Token ids.
    """

    name: str
    title: str
    kind: str
    hidden: int
    layers: int
    heads: int
    inner: int
    vocabulary: int = VOCABULARY


ENCODERS = {
    encoder.name: encoder
    for encoder in (
        Encoder("distilbert", "DistilBERT-base", "DistilBert", 768, 6, 12, 3072),
        Encoder("minilm", "MiniLM-L6", "Bert", 384, 6, 12, 1536),
        Encoder("tiny", "tiny", "Bert", 32, 2, 2, 64, 512),
    )
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a model that lies ready.

    Attributes:
        name: The front's name.
        title: What tables call it.
        precision: Of its weights.
        fixed: Operations a text that do not follow its length.
        linear: Operations a token.
        square: Operations a pair of tokens.
        inputs: The graph's inputs.
        vocabulary: Token ids.
        texts: Texts of each length in tokens.
        onnx: The graph, by its path in the folder.
    """

    name: str
    title: str
    precision: str
    fixed: float
    linear: float
    square: float
    inputs: tuple[str, ...]
    vocabulary: int
    texts: dict[int, tuple[str, ...]]
    onnx: str

    def operations(self, tokens: int) -> float:
        """Count the operations of one text's products of matrices, a multiplication and an addition as two."""
        return self.fixed + self.linear * tokens + self.square * tokens * tokens


def prepare(encoder: Encoder, lengths: Sequence[int], folder: Path, progress: Progress) -> Facts:
    """Export an encoder, unless the folder holds it already.

    Args:
        encoder: Which.
        lengths: Tokens of the texts, special tokens counted.
        folder: Where it lies or will lie; ``repository`` in it is what a server is given.
        progress: Where to tell how far it is.
    """
    facts = read_facts(folder)
    if facts is not None and set(lengths) <= set(facts.texts):
        return facts
    for part in ("checkpoint", "repository"):
        shutil.rmtree(folder / part, ignore_errors=True)
    (folder / "checkpoint").mkdir(parents=True)
    progress.step(f"making {encoder.title} of random weights")
    texts = _make_checkpoint(encoder, lengths, folder)
    repository = folder / "repository"
    half: Precision = "fp16"
    request = ExportRequest(
        source=str(folder / "checkpoint"),
        name=encoder.name,
        repository=repository,
        texts=folder / TEXTS,
        max_batch_size=MOST_TEXTS,
        target="gpu",
        precision=half,
        limits=LIMITS,
    )
    export_model(request, progress)
    configure(repository, encoder.name)
    return _write_facts(encoder, texts, folder)


def read_facts(folder: Path) -> Facts | None:
    """Read what ``prepare`` left; None where there is nothing."""
    if not (folder / FACTS).is_file():
        return None
    content: dict[str, Any] = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    content["texts"] = {int(length): tuple(texts) for length, texts in content["texts"].items()}
    return Facts(**content | {"inputs": tuple(content["inputs"])})


def configure(repository: Path, name: str) -> None:
    """Let the embedded server read what the Triton image would, where it can: sub-batches and fusions for a GPU.

    Every text is computed, also one that stands in a batch twice: there are fewer texts than there are requests.
    """
    for model in (name, classifier_name(name)):
        own = repository / model / "configs" / f"{GPU}.pbtxt"
        config = text_format.Parse(own.read_text(encoding="utf-8"), model_config_pb2.ModelConfig())
        config.ClearField("model_metrics")  # newer than the embedded server
        if model == name:
            config.parameters["deduplicate"].string_value = "false"
        for file in (own, repository / model / "config.pbtxt"):  # for `--device cuda`, and to try all this on a CPU
            file.write_text(text_format.MessageToString(config), encoding="utf-8")


def sentences(words: Sequence[str], tokens: int, count: int, seed: int) -> list[str]:
    """Draw texts of known words, each a token, with room for the two that the tokenizer puts around them."""
    chance = random.Random(seed)
    return [" ".join(chance.choices(words, k=tokens - 2)) for _ in range(count)]


def vocabulary(size: int) -> list[str]:
    """Make up as many words, the special ones first."""
    syllables = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
    words = (a + b + c for a in syllables for b in syllables for c in syllables)
    return [*SPECIAL, *(next(words) for _ in range(size - len(SPECIAL)))]


def _make_checkpoint(encoder: Encoder, lengths: Sequence[int], folder: Path) -> dict[int, list[str]]:
    """Write a checkpoint, and a file of texts with the labels that it gives."""
    import torch

    torch.manual_seed(0)
    words = vocabulary(encoder.vocabulary)
    model, tokenizer = _model(encoder, max(lengths)), _tokenizer(words, max(lengths))
    drawn = {length: sentences(words[len(SPECIAL) :], length, 2 * MOST_TEXTS, length) for length in lengths}
    gaps = {length: _gaps(model, tokenizer, texts) for length, texts in drawn.items()}
    everything = torch.cat(list(gaps.values()))
    gain = SPREAD / everything.std()
    head = model.classifier
    head.weight.data *= gain
    head.bias.data = torch.tensor([0.0, -float(gain * everything.mean())])
    kept: dict[int, list[str]] = {}
    lines = ["text\tlabel"]
    for length, texts in drawn.items():
        sure = [(t, g) for t, g in zip(texts, (gain * (gaps[length] - everything.mean())).tolist(), strict=True)]
        sure = [(t, g) for t, g in sure if abs(g) > LEAST_GAP][:MOST_TEXTS]
        kept[length] = [text for text, _ in sure]
        lines += [f"{text}\t{LABELS[int(gap > 0)]}" for text, gap in sure]
    (folder / TEXTS).write_text("\n".join(lines) + "\n", encoding="utf-8")
    model.save_pretrained(folder / "checkpoint")
    tokenizer.save_pretrained(folder / "checkpoint")
    return kept


def _model(encoder: Encoder, longest: int) -> "PreTrainedModel":
    import transformers

    sizes: dict[str, Any] = {
        "hidden_size": encoder.hidden,
        "num_hidden_layers": encoder.layers,
        "num_attention_heads": encoder.heads,
        "intermediate_size": encoder.inner,
    }
    if encoder.kind == "DistilBert":
        sizes = {
            "dim": encoder.hidden,
            "n_layers": encoder.layers,
            "n_heads": encoder.heads,
            "hidden_dim": encoder.inner,
        }
    config = getattr(transformers, f"{encoder.kind}Config")(
        vocab_size=encoder.vocabulary,
        max_position_embeddings=max(longest, 128),
        id2label=dict(enumerate(LABELS)),
        label2id={label: i for i, label in enumerate(LABELS)},
        **sizes,
    )
    model: PreTrainedModel = transformers.AutoModelForSequenceClassification.from_config(config).eval()
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1 and "embedding" not in name:
            parameter.data *= 2  # the usual start gives logits that hardly depend on the text
    return model


def _tokenizer(words: Sequence[str], longest: int) -> "PreTrainedTokenizerFast":
    from tokenizers.implementations import BertWordPieceTokenizer
    from transformers import BertTokenizerFast

    raw = BertWordPieceTokenizer(vocab={word: i for i, word in enumerate(words)})
    return BertTokenizerFast(tokenizer_object=raw._tokenizer, model_max_length=max(longest, 128))


def _gaps(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerFast", texts: Sequence[str]) -> Any:
    """Give by how much each text's second logit is the larger, FP32 [texts]."""
    import torch

    found = []
    with torch.inference_mode():
        for start in range(0, len(texts), 32):
            batch = tokenizer(list(texts[start : start + 32]), padding=True, return_tensors="pt")
            read = {name: batch[name] for name in ("input_ids", "attention_mask")}
            logits = model(**read).logits
            found.append(logits[:, 1] - logits[:, 0])
    return torch.cat(found)


def _write_facts(encoder: Encoder, texts: dict[int, list[str]], folder: Path) -> Facts:
    import onnx
    import onnx_ir as ir

    from tritext_export.half import emulate
    from tritext_export.roofline import count_operations

    (path,) = (folder / "repository" / classifier_name(encoder.name)).glob("*/model.onnx")
    graph = onnx.load(path)
    operations = count_operations(ir.from_proto(emulate(graph)))
    facts = Facts(
        name=encoder.name,
        title=encoder.title,
        precision="fp16",
        fixed=operations.fixed,
        linear=operations.linear,
        square=operations.square,
        inputs=tuple(value.name for value in graph.graph.input),
        vocabulary=encoder.vocabulary,
        texts={length: tuple(found) for length, found in texts.items()},
        onnx=str(path.relative_to(folder)),
    )
    (folder / FACTS).write_text(json.dumps(asdict(facts), indent=1) + "\n", encoding="utf-8")
    return facts
