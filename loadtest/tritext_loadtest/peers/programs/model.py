"""The model as a peer's program holds it: a setting in, a function from texts to labels out.

Three forms of the same classifier: ``torch``, the checkpoint in a transformers pipeline, as these projects' own
examples have it; ``plain``, its default dynamic int8 export; and ``ours``, the file that tritext serves. This file runs
in the peers' environments, never in tritext's.
"""

import json
import os
from pathlib import Path

SETTING = json.loads(os.environ.get("TRITEXT_PEER", "{}"))


class TorchModel:
    """A transformers pipeline."""

    def __init__(self, folder, threads):
        import torch
        from transformers import pipeline

        if threads:
            torch.set_num_threads(threads)
        self._pipe = pipeline("text-classification", model=folder, tokenizer=folder, truncation=True, device="cpu")

    def classify(self, texts):
        """Give a label and its score for each text; several texts run as one batch."""
        return [(a["label"], a["score"]) for a in self._pipe(list(texts), batch_size=len(texts))]


class OnnxModel:
    """An ONNX file in ONNX Runtime, padded to the longest text of the batch."""

    def __init__(self, setting, labels, max_length, padded_to):
        import onnxruntime as ort
        from tokenizers import Tokenizer

        options = ort.SessionOptions()
        options.intra_op_num_threads = setting["threads"]
        options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, setting["level"])
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = ort.InferenceSession(setting["file"], options, providers=["CPUExecutionProvider"])
        self._inputs = [node.name for node in self._session.get_inputs()]
        self._labels = labels
        self._tokenizer = Tokenizer.from_file(setting["tokenizer"])
        self._tokenizer.enable_truncation(max_length)
        self._tokenizer.enable_padding(length=padded_to)

    def encode(self, texts):
        """Tokenise texts into the model's inputs, INT64 [texts, tokens] each."""
        import numpy as np

        encodings = self._tokenizer.encode_batch(list(texts))
        columns = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
        return {name: np.array([getattr(e, columns[name]) for e in encodings], dtype=np.int64) for name in self._inputs}

    def run(self, inputs):
        """Give the logits, FP32 [texts, labels]."""
        return self._session.run(["logits"], inputs)[0]

    def label(self, logits):
        """Give a label and its probability for each row of logits."""
        import numpy as np

        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        best = shares.argmax(axis=1)
        return [(self._labels[i], float(row[i])) for i, row in zip(best, shares, strict=True)]

    def classify(self, texts):
        """Give a label and its score for each text, as one batch."""
        return self.label(self.run(self.encode(texts)))


def load(setting=SETTING, padded_to=None):
    """Load the form of the model that a setting names.

    Args:
        setting: ``form``, ``folder`` (the checkpoint), ``threads`` of one worker (0: the library's default), and for an
            ONNX file ``file``, ``tokenizer`` and ``level``, ONNX Runtime's graph optimisation that it was made for.
        padded_to: Pad to this many tokens, and cut there; None pads to the longest text of the batch.
    """
    if setting["form"] == "torch":
        return TorchModel(setting["folder"], setting["threads"])
    config = json.loads(Path(setting["folder"], "config.json").read_text(encoding="utf-8"))
    labels = [config["id2label"][str(i)] for i in range(len(config["id2label"]))]
    longest = padded_to or config["max_position_embeddings"]
    return OnnxModel(setting, labels, longest, padded_to)
