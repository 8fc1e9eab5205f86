"""Triton's side of the CPU engine: the python-based backend ``onnxruntime``.

It stands in for Triton's C++ backend of that name where there is none, reading the same ``config.pbtxt`` and the same
``model.onnx``. What it decides is in tritext_serve.engine.
"""

import json
from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils

from tritext_serve.engine.grouping import group_equal
from tritext_serve.engine.options import read_engine_options
from tritext_serve.engine.session import Engine


class TritonPythonModel:
    """One instance of one version of an ONNX model."""

    def initialize(self, args):
        """Load the session.

        Args:
            args: Triton's strings: ``model_config`` (JSON), ``model_repository`` (the model's folder) and
                ``model_version``.
        """
        self._options = read_engine_options(json.loads(args["model_config"]))
        self._engine = Engine(self._options, Path(args["model_repository"]) / args["model_version"])

    def execute(self, requests):
        """Run requests of equal shape together, as the C++ backend does."""
        inputs = [
            {name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in self._engine.inputs}
            for request in requests
        ]
        responses = [None] * len(requests)
        for group in group_equal([tuple(array.shape[1:] for array in arrays.values()) for arrays in inputs]):
            for position, response in zip(group, self._run([inputs[i] for i in group]), strict=True):
                responses[position] = response
        return responses

    def _run(self, inputs):
        """Run one batch and cut its outputs back into responses."""
        joined = inputs[0]
        if len(inputs) > 1:
            joined = {name: np.concatenate([arrays[name] for arrays in inputs]) for name in self._engine.inputs}
        try:
            outputs = self._engine.run(joined, self._options.outputs)
        except Exception as error:  # ONNX Runtime's errors share no base class; every one is the request's answer
            refusal = pb_utils.TritonError(f"onnxruntime: {error}")
            return [pb_utils.InferenceResponse(error=refusal) for _ in inputs]
        ends = np.cumsum([len(next(iter(arrays.values()))) for arrays in inputs])[:-1]
        parts = zip(*(np.split(array, ends) for array in outputs), strict=True)
        return [
            pb_utils.InferenceResponse(
                output_tensors=[pb_utils.Tensor(n, a) for n, a in zip(self._options.outputs, arrays, strict=True)]
            )
            for arrays in parts
        ]
