"""The checkpoint as PyTorch runs it: a Source in, a loaded classifier out. Imports torch, transformers and peft.

This is the reference that every export is held against. Weights come from safetensors only and no code from a
checkpoint is ever run.
"""

import inspect
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tritext_export.encoding import Encoded
from tritext_export.errors import SourceError, first_line
from tritext_export.labelled import Example
from tritext_export.sources import Source

try:
    import torch
    from peft import PeftModel
    from safetensors import SafetensorError, safe_open
    from transformers import (
        CONFIG_MAPPING,
        AutoConfig,
        AutoModelForSequenceClassification,
        AutoTokenizer,
        PretrainedConfig,
        PreTrainedModel,
        PreTrainedTokenizerFast,
    )
    from transformers.utils import logging as transformers_logging
except ImportError as missing:
    raise SourceError(f"{missing}: install the exporter with `pip install 'tritext[export]'`") from missing

# It warns of every head that is about to be trained; what matters here is raised as an error.
transformers_logging.set_verbosity_error()

FloatArray = npt.NDArray[np.float32]

_MEND_CONFIG = "mend what its config.json says"
# A tokenizer without a limit of its own says a number near 1e30.
_UNLIMITED = 1_000_000


@dataclass(frozen=True)
class Checkpoint:
    """A loaded sequence classifier and the tokenizer that belongs to it."""

    source: Source
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast

    @property
    def max_length(self) -> int:
        """Longest input in tokens that the tokenizer and the position embeddings both allow."""
        positions = getattr(self.model.config, "max_position_embeddings", None) or _UNLIMITED
        # RoBERTa and its kin number positions from padding_idx + 1, so two of them are never used.
        embeddings = next((m for m in self.model.modules() if hasattr(m, "position_embeddings")), None)
        offset = getattr(embeddings, "padding_idx", None)
        positions -= offset + 1 if isinstance(offset, int) else 0
        limit = min(int(self.tokenizer.model_max_length), positions)
        return limit if limit < _UNLIMITED else 512

    @property
    def reads_types(self) -> bool:
        """Whether the model is told which of two texts a token belongs to."""
        asked = inspect.signature(self.model.forward).parameters
        return "token_type_ids" in asked and "token_type_ids" in self.tokenizer.model_input_names

    def encode(self, examples: Sequence[Example], max_length: int) -> list[Encoded]:
        """Tokenise as the checkpoint's own tokenizer does; types are nought where the model does not read them."""
        if not examples:
            return []
        if examples[0].pair is not None and len(examples) > 1:
            # The library keeps every way to cut a long pair at once, 100 MB a pair of books: one pair at a time.
            return [one for example in examples for one in self.encode([example], max_length)]
        first = [e.text for e in examples]
        second = [e.pair for e in examples] if examples[0].pair is not None else None
        own = self.tokenizer(
            first, second, truncation=True, max_length=max_length, return_token_type_ids=self.reads_types
        )
        types = own["token_type_ids"] if self.reads_types else [[0] * len(ids) for ids in own["input_ids"]]
        return [Encoded(*row) for row in zip(own["input_ids"], types, strict=True)]

    def logits(self, encoded: Sequence[Encoded]) -> FloatArray:
        """Run the model on texts of equal length in tokens, so that no padding has any part in the reference.

        Returns:
            FP32 [texts, labels].
        """
        input_ids = torch.tensor([list(one.ids) for one in encoded])
        inputs = {"input_ids": input_ids, "attention_mask": torch.ones_like(input_ids)}
        if self.reads_types:
            inputs["token_type_ids"] = torch.tensor([list(one.type_ids) for one in encoded])
        with torch.inference_mode():
            output = self.model(**inputs)
        logits: FloatArray = output.logits.float().numpy()
        return logits


def load(source: Source) -> Checkpoint:
    """Load a classifier; an adapter is merged into its base.

    Raises:
        SourceError: unknown architecture, unreadable weights, no classification head, or a tokenizer that the server
            could not follow.
    """
    model, unfilled = load_model(source.base or source, load_config(source))
    if source.is_adapter:
        model = _merge_adapter(model, source, unfilled)
    elif unfilled:
        raise SourceError(
            f"{source.name}: the checkpoint lacks {unfilled[0]}: it is not a fine-tuned sequence classifier; train one "
            "with `tritext finetune`"
        )
    tokenizer = load_tokenizer(source)
    if tokenizer.pad_token_id is None:
        raise SourceError(f"{source.name}: the tokenizer has no padding token, so texts cannot be batched")
    if tokenizer.truncation_side != "right":
        raise SourceError(f"{source.name}: the tokenizer cuts long texts on the left, which the front does not do")
    return Checkpoint(source, model.float().eval(), tokenizer)


def _merge_adapter(model: PreTrainedModel, source: Source, unfilled: Sequence[str]) -> PreTrainedModel:
    """Merge an adapter that fills everything its base lacks and finds everything it changes."""
    try:
        with safe_open(str(source.directory / "adapter_model.safetensors"), "np") as file:
            stored = set(file.keys())
        lacking = [name for name in unfilled if f"base_model.model.{name}" not in stored]
        if lacking:
            raise SourceError(
                f"{source.name}: neither the adapter nor its base has {lacking[0]}: train the adapter with the task "
                "type SEQ_CLS, which saves the head"
            )
        with warnings.catch_warnings():
            # PEFT only warns of an adapter that does not fit, and goes on with the bare base.
            warnings.filterwarnings("error", message=".*[Mm]issing adapter keys")
            return PeftModel.from_pretrained(model, str(source.directory)).merge_and_unload()
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError, UserWarning) as error:
        raise SourceError(f"{source.name}: the adapter does not fit its base: {first_line(error)}") from error


def load_config(source: Source) -> PretrainedConfig:
    """Read the configuration through transformers, which must know the architecture."""
    own = (source.directory / "config.json").is_file()
    directory = source.directory if own or source.base is None else source.base.directory
    try:
        return AutoConfig.from_pretrained(str(directory), trust_remote_code=False, local_files_only=True)
    except Exception as error:  # what a configuration of transformers says of a value it cannot take is of any class
        kind = source.config.get("model_type", "none named")
        if kind in CONFIG_MAPPING:
            raise SourceError(f"{source.name}: {_MEND_CONFIG}: {first_line(error)}") from error
        raise SourceError(
            f"{source.name}: unknown architecture (model_type {kind!r}): {first_line(error)}. "
            "Only architectures that transformers ships are loaded, never code from the checkpoint"
        ) from error


def load_model(source: Source, config: PretrainedConfig) -> tuple[PreTrainedModel, list[str]]:
    """Load the weights under ``config``.

    Args:
        source: The folder with the safetensors.
        config: Number and names of the labels, and the problem type.

    Returns:
        The model, and the names of the weights that the folder lacks, whose values are random.
    """
    try:
        model, report = AutoModelForSequenceClassification.from_pretrained(
            str(source.directory),
            config=config,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
    except (SafetensorError, OSError) as error:
        raise SourceError(
            f"{source.name}: the weights do not load: {first_line(error)}: copy or save them again"
        ) from error
    except Exception as error:  # what torch says of a size or a setting that is none is of any class
        raise SourceError(
            f"{source.name}: the weights do not load: {first_line(error)}: {_MEND_CONFIG}, or save the model again"
        ) from error
    return model, sorted(report["missing_keys"])


def load_tokenizer(source: Source) -> PreTrainedTokenizerFast:
    """Load the fast tokenizer of a checkpoint, or of an adapter's base where the adapter has none."""
    own = (source.directory / "tokenizer_config.json").is_file()
    directory = source.directory if own or source.base is None else source.base.directory
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            str(directory), use_fast=True, trust_remote_code=False, local_files_only=True
        )
    except Exception as error:  # the tokenizers library raises bare Exceptions
        raise SourceError(
            f"{source.name}: no usable tokenizer in {directory}: {first_line(error)}. If it is a SentencePiece model, "
            "install `sentencepiece==0.2.0`, or save the fast tokenizer (tokenizer.json) where you trained"
        ) from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise SourceError(f"{source.name}: only a slow tokenizer: save a fast one (tokenizer.json) beside the model")
    return tokenizer
