"""Triton's side of the front: the python-based backend ``tritext``. What it decides is in tritext_serve.front."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import triton_python_backend_utils as pb_utils

from tritext_serve.front.answers import output_builders
from tritext_serve.front.metrics import MetricsReporter
from tritext_serve.front.options import PAIR_INPUT, read_options
from tritext_serve.front.pipeline import ClassifierError, Outcome, Pipeline
from tritext_serve.front.tally import Tally
from tritext_serve.front.texts import TextError, TextInput, decode
from tritext_serve.front.tokens import TextTokenizer


@dataclass
class Job:
    """One request on its way through a batch.

    Attributes:
        request: Triton's own object.
        texts: Its texts, or pairs of texts; none where the request is refused.
        error: Why it is refused.
        outcome: What the metrics call its fate.
    """

    request: "pb_utils.InferenceRequest"
    texts: list[TextInput] = field(default_factory=list)
    error: "pb_utils.TritonError | None" = None
    outcome: str = "ok"


class TritonPythonModel:
    """One instance of one version of a front model."""

    def initialize(self, args):
        """Read the version's options and tokenizer.

        Args:
            args: Triton's strings: ``model_config`` (JSON), ``model_repository`` (the model's folder), ``model_name``,
                ``model_version``.
        """
        directory = Path(args["model_repository"]) / args["model_version"]
        self._options = options = read_options(json.loads(args["model_config"]), directory)
        tokenizer = TextTokenizer(directory / "tokenizer.json", options.max_length, options.pad_token_id, options.pairs)
        self._pipeline = Pipeline(options, tokenizer, self._run_classifier)
        self._builders = output_builders(options)
        self._tally = Tally(options.labels, probable=options.activation != "none")
        self._reporter = MetricsReporter(pb_utils, args["model_name"], options.version, self._tally)

    def execute(self, requests):
        """Answer a batch of requests, each with its own texts, outputs and errors."""
        started = time.perf_counter()
        jobs = [self._read(request) for request in requests]
        outcome = self._pipeline.classify([text for job in jobs for text in job.texts])
        responses = []
        start = 0
        for job in jobs:
            rows = slice(start, start + len(job.texts))
            start = rows.stop
            responses.append(self._respond(job, rows, outcome))
        self._tally.count_texts(outcome)
        self._tally.count_requests([job.outcome for job in jobs], time.perf_counter() - started)
        return responses

    def finalize(self):
        """Report the last counts."""
        self._reporter.stop()

    def _read(self, request):
        """Take a request's texts, or the reason to refuse it."""
        if request.is_cancelled():
            error = pb_utils.TritonError("the client cancelled the request", pb_utils.TritonError.CANCELLED)
            return Job(request, error=error, outcome="cancelled")
        try:
            texts = self._texts(request, "text")
            if self._options.pairs:
                texts = list(zip(texts, self._texts(request, PAIR_INPUT), strict=True))
            return Job(request, texts)
        except TextError as error:
            refusal = pb_utils.TritonError(str(error), pb_utils.TritonError.INVALID_ARG)
            return Job(request, error=refusal, outcome="refused")

    def _texts(self, request, name):
        """Decode one of a request's inputs."""
        raw = pb_utils.get_input_tensor_by_name(request, name).as_numpy().ravel()
        return decode(raw, self._options.max_text_bytes, name)

    def _respond(self, job: Job, rows: slice, outcome: Outcome):
        """Build the outputs that one request asked for."""
        if job.error is None and outcome.failures:
            message = next((outcome.failures[i] for i in range(rows.start, rows.stop) if i in outcome.failures), None)
            if message is not None:
                job.error, job.outcome = pb_utils.TritonError(message, pb_utils.TritonError.INTERNAL), "failed"
        if job.error is not None:
            return pb_utils.InferenceResponse(error=job.error)
        wanted = job.request.requested_output_names()
        tensors = [
            pb_utils.Tensor(name, self._builders[name](outcome.answers, rows))
            for name in self._builders
            if name in wanted
        ]
        if "text" in wanted:
            tensors.insert(
                0, pb_utils.Tensor("text", pb_utils.get_input_tensor_by_name(job.request, "text").as_numpy())
            )
        return pb_utils.InferenceResponse(output_tensors=tensors)

    def _run_classifier(self, arrays):
        """Call the classifier's own version inside the server."""
        options = self._options
        request = pb_utils.InferenceRequest(
            model_name=options.classifier,
            model_version=options.version,
            inputs=[pb_utils.Tensor(name, array) for name, array in zip(options.inputs, arrays, strict=True)],
            requested_output_names=["logits"],
        )
        response = request.exec()
        if response.has_error():
            raise ClassifierError(response.error().message())
        return pb_utils.get_output_tensor_by_name(response, "logits").as_numpy()
