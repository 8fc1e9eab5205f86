"""Small repositories whose every version is real: a graph that runs, hashes, a certificate."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tritext_export.repository import publish, stage
from tritext_export.sources import sha256
from tritext_export.tensorrt.record import to_text
from tritext_export.triton import ModelFacts
from tritext_export.triton_gpu import PLAN_FILE, PLAN_RECORD

LABELS = ("no", "yes")
FACTS = ModelFacts("m", ("input_ids", "attention_mask"), 2)


def graph(shift: float = 0.0) -> onnx.ModelProto:
    """A classifier of few bytes: the mean of the ids that the mask leaves, and a shift, against nought."""
    nodes = [
        helper.make_node("Mul", ["input_ids", "attention_mask"], ["kept"], "mask"),
        helper.make_node("Cast", ["kept"], ["numbers"], "cast", to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["numbers"], ["mean"], "mean", axes=[1], keepdims=1),
        helper.make_node("Gemm", ["mean", "weight", "bias"], ["logits"], "classify"),
    ]
    ids = [helper.make_tensor_value_info(n, TensorProto.INT64, ["texts", "tokens"]) for n in FACTS.inputs]
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["texts", len(LABELS)])
    weights = {"weight": np.array([[1.0, -1.0]], np.float32), "bias": np.array([shift, 0.0], np.float32)}
    constants = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    made = helper.make_graph(nodes, "tiny", ids, [logits], constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def publish_version(root: Path, facts: ModelFacts = FACTS, *, passed: bool = True, **changes: Any) -> Path:
    """Publish one more version; gives the front's folder of it."""
    with stage(root, facts.name) as staging:
        front, classifier = (staging.version_directory(model) for model in (facts.name, facts.classifier))
        onnx.save(graph(staging.version), classifier / "model.onnx")
        (front / "tokenizer.json").write_text("{}")
        certificate = {"passed": passed, "agreement": 0.996, "export_accuracy": 0.84}
        (front / "certificate.json").write_text(json.dumps(certificate))
        files = [p for p in sorted(staging.root.rglob("*")) if p.is_file()]
        manifest = {
            "name": facts.name,
            "version": staging.version,
            "created": "2026-11-21T23:55:30+00:00",
            "source": "somewhere",
            "labels": list(LABELS),
            "inputs": list(facts.inputs),
            "precision": "fp32",
            "max_length": facts.max_length,
            "pad_token_id": 0,
            "options": {"label_output": facts.label_output, "max_batch_size": facts.max_batch_size},
            "files": {str(p.relative_to(staging.root)): sha256(p) for p in files},
        }
        (front / "manifest.json").write_text(json.dumps(manifest | changes))
        return publish(root, staging, facts, LABELS)


def make_repository(root: Path, versions: int) -> Path:
    """A repository with one model of some versions, the newest of them in service."""
    for _ in range(versions):
        publish_version(root)
    return root


def put_plan(root: Path, version: int, content: bytes = b"engine", **changes: Any) -> Path:
    """Put what stands for an engine beside a version's graph, with its record; gives the engine's file."""
    folder = root / FACTS.classifier / str(version)
    entry = {"passed": True, "graph_sha256": sha256(folder / "model.onnx")} | changes
    (folder / PLAN_FILE).write_bytes(content)
    (folder / PLAN_RECORD).write_text(to_text({sha256(folder / PLAN_FILE): entry}))
    return folder / PLAN_FILE
