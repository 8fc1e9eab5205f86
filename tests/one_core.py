"""One core for a worker: libraries that take every core would spin while another worker's threads have them."""

import os
from typing import Any

import onnxruntime as ort


def take_one() -> None:
    """Let torch and ONNX Runtime start one thread where they are not told how many; torch must not be loaded yet."""
    os.environ["OMP_NUM_THREADS"] = "1"
    start = ort.InferenceSession.__init__

    def start_with_one(session: Any, model: Any, options: Any = None, *rest: Any, **more: Any) -> None:
        options = options or more.pop("sess_options", None) or ort.SessionOptions()
        options.intra_op_num_threads = options.intra_op_num_threads or 1
        start(session, model, options, *rest, **more)

    ort.InferenceSession.__init__ = start_with_one
