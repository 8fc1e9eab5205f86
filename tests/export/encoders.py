"""Graphs of small encoders with random weights, as optimum exports them: a family's name in, an ONNX model out."""

import functools
import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import torch
import transformers
from onnx import ModelProto
from optimum.exporters.onnx import export
from optimum.exporters.tasks import TasksManager

LONGEST = 128
_SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
_DISTILBERT = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64}
_DEBERTA = {
    "relative_attention": True,
    "position_buckets": 16,
    "pos_att_type": ["p2c", "c2p"],
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "position_biased_input": False,
}
_MODERNBERT = {
    "pad_token_id": 0,
    "cls_token_id": 2,
    "sep_token_id": 3,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "global_attn_every_n_layers": 2,
    "local_attention": 8,
    "reference_compile": False,
}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "albert": ("Albert", {**_SHAPE, "embedding_size": 16}),
    "bert": ("Bert", _SHAPE),
    "deberta-v2": ("DebertaV2", {**_SHAPE, **_DEBERTA}),
    "distilbert": ("DistilBert", _DISTILBERT),
    "electra": ("Electra", {**_SHAPE, "embedding_size": 16}),
    "modernbert": ("ModernBert", {**_SHAPE, **_MODERNBERT}),
    "mpnet": ("MPNet", _SHAPE),
    "roberta": ("Roberta", {**_SHAPE, "pad_token_id": 1}),
    "xlm-roberta": ("XLMRoberta", {**_SHAPE, "pad_token_id": 1}),
}
Arrays = dict[str, npt.NDArray[np.int64]]
FloatArray = npt.NDArray[np.float32]


@functools.cache
def encoder(family: str, opset: int = 17) -> ModelProto:
    """The fp32 graph of a small classifier; do not change it."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer, and of what transformers itself has not caught up with
        model = _classifier(family)
        build = TasksManager.get_exporter_config_constructor(
            "onnx", model, task="text-classification", library_name="transformers"
        )
        logging.disable(logging.WARNING)
        try:
            export(model, build(model.config), Path(folder, "model.onnx"), opset=opset)
        finally:
            logging.disable(logging.NOTSET)
        return onnx.load(Path(folder, "model.onnx"))


def _classifier(family: str) -> transformers.PreTrainedModel:
    kind, shape = FAMILIES[family]
    config = getattr(transformers, f"{kind}Config")(vocab_size=32, max_position_embeddings=LONGEST + 2, **shape)
    torch.manual_seed(0)
    model = transformers.AutoModelForSequenceClassification.from_config(config).eval()
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1 and "embedding" not in name:
            parameter.data *= 3  # the usual start gives logits that hardly depend on the text
    return model


def batch(lengths: list[int], seed: int = 0) -> Arrays:
    """Random texts of the given lengths, padded to the longest; a length of 0 is a text with nothing but padding."""
    generator = np.random.default_rng(seed)
    longest = max(lengths)
    mask = (np.arange(longest)[None, :] < np.array(lengths)[:, None]).astype(np.int64)
    ids = generator.integers(4, 32, mask.shape) * mask
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(mask)}


def run(model: ModelProto, arrays: Arrays) -> FloatArray:
    """Logits of a graph on the CPU, FP32 [texts, labels]."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    logits: FloatArray = session.run(["logits"], {i.name: arrays[i.name] for i in session.get_inputs()})[0]
    return logits


def softmax(logits: FloatArray) -> npt.NDArray[np.float64]:
    """Probabilities, in double precision."""
    exponentials = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))
