"""The engine in the front's own process: what the launcher staged in, a function that classifies sub-batches out.

The launcher tells a front where its classifier lies by a parameter; without one, as in the Triton image, the front
calls the classifier as a model of the server.
"""

import json
import queue
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tritext_serve.engine.options import PROVIDERS, read_engine_options
from tritext_serve.engine.session import Engine
from tritext_serve.front.answers import FloatArray
from tritext_serve.front.classifiers import ClassifierError, Lanes, SubBatch

LOGITS = "logits"
# What all sessions of a classifier may hold together: five of a MiniLM in int8, one in fp32.
MOST_WEIGHTS = 128 * 2**20


def engine_lanes(parameters: Mapping[str, str], version: int, inputs: Sequence[str]) -> Lanes:
    """Load the sessions that the lanes use.

    Args:
        parameters: The front's, of which ``engine_directory`` and ``lanes`` are the launcher's.
        version: Which version of the classifier.
        inputs: The classifier's inputs in the order in which sub-batches give them.

    Raises:
        EngineOptionsError: the classifier's configuration asks for what does not exist.
    """
    directory, lanes = Path(parameters["engine_directory"]), int(parameters.get("lanes", "1"))
    config: dict[str, Any] = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    options, folder = read_engine_options(config), directory / str(version)
    weights = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    count = count_sessions(weights, lanes) if options.provider == PROVIDERS["cpu"] else 1
    engines = [Engine(options, folder) for _ in range(count)]
    idle: queue.LifoQueue[Engine] = queue.LifoQueue()  # the one that was used last has its buffers in a cache
    for lane in range(lanes):
        idle.put(engines[lane % count])

    def call(arrays: SubBatch) -> FloatArray:
        engine = idle.get()
        try:
            logits: FloatArray = engine.run(dict(zip(inputs, arrays, strict=True)), (LOGITS,))[0]
        except Exception as error:  # ONNX Runtime's errors share no base class; every one is these texts' answer
            raise ClassifierError(f"onnxruntime: {error}") from error
        finally:
            idle.put(engine)
        return logits

    return Lanes(call, lanes)


def count_sessions(weights: int, lanes: int) -> int:
    """Choose how many sessions share the lanes: one each, while their weights are small.

    Runs of one session take their buffers from one arena, where each gets what another core has just written: lanes
    that share a session take 6 to 14 % more CPU time for sub-batches of 8 to 32 sentences (docs/performance.md).

    Args:
        weights: Bytes of the model's files, which every session holds for itself.
        lanes: Sub-batches that run at once.
    """
    return max(1, min(lanes, MOST_WEIGHTS // max(1, weights)))
