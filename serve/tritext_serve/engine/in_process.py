"""The engine in the front's own process: what the launcher staged in, a function that classifies sub-batches out.

The launcher tells a front where its classifier lies by a parameter; without one, as in the Triton image, the front
calls the classifier as a model of the server.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tritext_serve.engine.options import read_engine_options
from tritext_serve.engine.session import Engine
from tritext_serve.front.answers import FloatArray
from tritext_serve.front.classifiers import ClassifierError, Lanes, SubBatch

LOGITS = "logits"


def engine_lanes(parameters: Mapping[str, str], version: int, inputs: Sequence[str]) -> Lanes:
    """Load one session for all lanes.

    Args:
        parameters: The front's, of which ``engine_directory`` and ``lanes`` are the launcher's.
        version: Which version of the classifier.
        inputs: The classifier's inputs in the order in which sub-batches give them.

    Raises:
        EngineOptionsError: the classifier's configuration asks for what does not exist.
    """
    directory = Path(parameters["engine_directory"])
    config: dict[str, Any] = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    engine = Engine(read_engine_options(config), directory / str(version))

    def call(arrays: SubBatch) -> FloatArray:
        try:
            logits: FloatArray = engine.run(dict(zip(inputs, arrays, strict=True)), (LOGITS,))[0]
        except Exception as error:  # ONNX Runtime's errors share no base class; every one is these texts' answer
            raise ClassifierError(f"onnxruntime: {error}") from error
        return logits

    return Lanes(call, int(parameters.get("lanes", "1")))
