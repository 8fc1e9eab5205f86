"""The usual hand-made Triton model: tokenise, pad to a fixed length, run, name the label."""

import json

import model
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """One instance."""

    def initialize(self, args):
        """Load the model with the setting that stands in the configuration."""
        parameters = json.loads(args["model_config"])["parameters"]
        setting = json.loads(parameters["setting"]["string_value"])
        self.model = model.load(setting, padded_to=setting["length"])

    def execute(self, requests):
        """Classify the texts of all requests that the dynamic batcher brought, as one batch."""
        texts = [pb_utils.get_input_tensor_by_name(r, "text").as_numpy()[:, 0] for r in requests]
        answers = self.model.classify([text.decode() for rows in texts for text in rows])
        labels = np.array([[label.encode()] for label, _ in answers], dtype=object)
        ends = np.cumsum([len(rows) for rows in texts])[:-1]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("label", part)]) for part in np.split(labels, ends)]
