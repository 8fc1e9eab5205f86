"""Triton's side of the front: the python-based backend ``tritext``. What it decides is in tritext_serve.front."""

import contextlib
import json
import math
import time
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils

from tritext_serve.front.answers import Columns, output_builders
from tritext_serve.front.classifiers import ClassifierError, Lanes
from tritext_serve.front.long_texts import TRUNCATE, LongTexts, read_long_texts
from tritext_serve.front.metrics import MetricsReporter
from tritext_serve.front.options import PAIR_INPUT, read_options
from tritext_serve.front.pipeline import Outcome, Pipeline
from tritext_serve.front.scheduler import AT_ONCE_CHARACTERS, QUEUE_FULL, Scheduler, read_background, read_max_queue
from tritext_serve.front.tally import Tally
from tritext_serve.front.texts import TextError, TextInput, count_characters, decode
from tritext_serve.front.tokens import TextTokenizer
from tritext_serve.front.witness import PARAMETER, open_witness

# For a request of that many texts, or one that has waited that long, Triton is asked whether its client has gone. The
# question is a message to the server and back, which takes as much CPU time as a fortieth of a short text.
WORTH_ASKING_TEXTS, WORTH_ASKING_SECONDS = 8, 0.25
MOST_SAID_CHARACTERS = 300
NO_PARAMETERS = ("", "{}")
# A request that Triton hands over that soon after the latest answers was on its way when they were computed.
ON_ITS_WAY_SECONDS = 0.0005
ENGINE_DIRECTORY = "engine_directory"


@dataclass
class Job:
    """One request on its way through a batch.

    Attributes:
        request: Triton's own object.
        texts: Its texts, or pairs of texts; none where the request is refused.
        way: How long texts of it are taken.
        arrived: When it came, by ``time.perf_counter``.
        deadline: When its client gives up, by the same clock.
        error: Why it is refused.
        outcome: What the metrics call its fate.
        background: Whether it lets all others pass.
        sender: What its answer is sent by, if it went through the queue.
        response: Its answer, if it did not.
        sent: Whether it has been answered.
    """

    request: "pb_utils.InferenceRequest"
    texts: list[TextInput] = field(default_factory=list)
    way: LongTexts = TRUNCATE
    arrived: float = 0.0
    deadline: float = math.inf
    error: "pb_utils.TritonError | None" = None
    outcome: str = "ok"
    background: bool = False
    sender: "pb_utils.InferenceResponseSender | None" = None
    response: "pb_utils.InferenceResponse | None" = None
    sent: bool = False

    def send(self, response):
        """Give the one answer, by a message of its own or together with those of the other requests at hand."""
        if self.sender is None:
            self.response = response
        else:
            self.sender.send(response, pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
        self.sent = True

    def refuse(self, outcome, code, message):
        """Answer with an error, and spend no work on its texts."""
        self.error, self.outcome, self.texts = pb_utils.TritonError(message, code), outcome, []


def each_text(jobs, name):
    """Give every text its job's attribute."""
    return [getattr(job, name) for job in jobs for _ in job.texts]


class TritonPythonModel:
    """One instance of one version of a front model."""

    def initialize(self, args):
        """Read the version's options and tokenizer.

        Args:
            args: Triton's strings: ``model_config`` (JSON), ``model_repository`` (the model's folder), ``model_name``,
                ``model_version``.
        """
        directory = Path(args["model_repository"]) / args["model_version"]
        config = json.loads(args["model_config"])
        self._options = options = read_options(config, directory)
        tokenizer = TextTokenizer(directory / "tokenizer.json", options.max_length, options.pad_token_id, options.pairs)
        parameters = {key: value["string_value"] for key, value in config.get("parameters", {}).items()}
        self._pipeline = Pipeline(options, tokenizer, self._classifiers(parameters))
        self._builders = output_builders(options)
        self._tally = Tally(options.labels, options.activation != "none", told=PARAMETER in parameters)
        self._witness = open_witness(parameters, args["model_name"], options, self._tally)
        self._nothing = self._pipeline.classify([])
        self._latest_ended = -math.inf
        self._reporter = MetricsReporter(pb_utils, args["model_name"], options.version, self._tally)
        self._scheduler = Scheduler(self._answer, read_max_queue(parameters), options.max_batch_texts)

    def execute(self, requests):
        """Answer requests at once where they are few and the engine is idle, and put them into the queue otherwise.

        Returns:
            For each its answer, or nothing where it goes through the queue.
        """
        started = time.perf_counter()
        jobs = [self._begin(request, started) for request in requests]
        accepted = [job for job in jobs if job.error is None]
        self._turn_away([job for job in jobs if job.error is not None], started)
        waiting = self._claim(accepted)
        if waiting is None:
            self._turn_away([job for job in accepted if not self._admit(job)], started)
            self._scheduler.pace()
        else:  # nothing may come between the claim and what ends it
            together = [*waiting, *accepted]
            try:
                self._answer(together)
            finally:
                self._scheduler.ended(len(together))
        return [job.response for job in jobs]

    def _begin(self, request, started):
        """Read a request, unless there is no room for it: what is refused for that must cost next to nothing."""
        if not self._scheduler.is_full:
            return self._read(request, started)
        job = Job(request)
        job.refuse("rejected", pb_utils.TritonError.UNAVAILABLE, QUEUE_FULL)
        return job

    def _claim(self, jobs):
        """Give the jobs to be answered now before these, or nothing where these must wait."""
        texts = [text for job in jobs for text in job.texts]
        if not jobs or count_characters(texts) > AT_ONCE_CHARACTERS:
            return None
        return self._scheduler.claim(len(jobs), len(texts))

    def _admit(self, job):
        """Put a request into the queue, where it is the scheduler's alone, or refuse it.

        Returns:
            Whether there was room.
        """
        job.sender = job.request.get_response_sender()
        if self._scheduler.admit(job, len(job.texts), job.background):
            return True
        job.sender = None
        job.refuse("rejected", pb_utils.TritonError.UNAVAILABLE, QUEUE_FULL)
        return False

    def _turn_away(self, refused, started):
        """Answer requests that are refused unread or unfit to be read."""
        for job in refused:
            job.send(pb_utils.InferenceResponse(error=job.error))
        if refused:
            seconds = time.perf_counter() - started
            self._tally.count([job.outcome for job in refused], [seconds] * len(refused), (), self._nothing)

    def _answer(self, jobs):
        """Answer a batch of requests, whatever happens: the scheduler's thread must not end, nor a client wait."""
        try:
            self._classify(jobs)
        except Exception as error:
            refusal = pb_utils.TritonError(f"the front failed: {error!r}", pb_utils.TritonError.INTERNAL)
            for job in (job for job in jobs if not job.sent):
                with contextlib.suppress(Exception):  # its client is gone; the others still wait
                    job.send(pb_utils.InferenceResponse(error=refusal))

    def _classify(self, jobs):
        """Answer a batch of requests, each with its own texts, outputs and errors."""
        started = time.perf_counter()
        for job in jobs:
            self._drop_unwanted(job, started)
        texts = [text for job in jobs for text in job.texts]
        ways = () if all(job.way is self._options.long_texts for job in jobs) else each_text(jobs, "way")
        on_their_way = self._latest_ended + ON_ITS_WAY_SECONDS
        overlapping = [arrived < on_their_way for arrived in each_text(jobs, "arrived")]
        sizes = [len(job.texts) for job in jobs]
        outcome = self._pipeline.classify(texts, ways, self._still_wanted(jobs), overlapping, sizes)
        columns = Columns(self._builders, outcome.answers)
        for job, size, end in zip(jobs, sizes, accumulate(sizes), strict=True):
            job.send(self._respond(job, slice(end - size, end), outcome, columns))
        self._latest_ended = ended = time.perf_counter()
        durations, waits = [ended - job.arrived for job in jobs], [started - job.arrived for job in jobs]
        self._tally.count([job.outcome for job in jobs], durations, waits, outcome)
        if self._witness:
            self._witness.tell(texts, ways, outcome)

    def finalize(self):
        """Answer what still waits, and report the last counts."""
        self._scheduler.close()
        self._reporter.stop()

    def _read(self, request, started):
        """Take a request's texts, or the reason to refuse it."""
        job = Job(request, way=self._options.long_texts, arrived=started)
        timeout = request.timeout()
        if timeout:
            job.deadline = started + timeout / 1e6
        try:
            parameters = request.parameters()
            if parameters not in NO_PARAMETERS:
                given = json.loads(parameters)
                job.way = read_long_texts(given, job.way, self._options.limits)
                job.background = read_background(given)
            job.texts = self._texts(request, "text")
            if self._options.pairs:
                job.texts = list(zip(job.texts, self._texts(request, PAIR_INPUT), strict=True))
        except TextError as error:
            job.refuse("refused", pb_utils.TritonError.INVALID_ARG, str(error))
        except Exception as error:  # of this client's making: requests beside it must not fail with it
            reason = f"the request cannot be read: {error!r}"[:MOST_SAID_CHARACTERS]
            job.refuse("refused", pb_utils.TritonError.INVALID_ARG, reason)
        return job

    def _drop_unwanted(self, job, now):
        """Drop a request whose time is up or whose client has gone."""
        if job.deadline <= now:
            self._expire(job)
            return
        worth_asking = len(job.texts) >= WORTH_ASKING_TEXTS or now - job.arrived > WORTH_ASKING_SECONDS
        if worth_asking and job.request.is_cancelled():
            job.refuse("cancelled", pb_utils.TritonError.CANCELLED, "the client cancelled the request")

    def _expire(self, job):
        """Answer that it is too late."""
        message = f"the request's timeout of {job.request.timeout()} microseconds has passed: allow more, or send less"
        job.refuse("expired", pb_utils.TritonError.UNAVAILABLE, message)

    def _still_wanted(self, jobs):
        """Give what tells whether anybody waits for some of the texts, or nothing where no job can grow old."""
        soonest = min(job.deadline for job in jobs)
        if soonest == math.inf:
            return None

        def still_wanted(texts):
            now = time.perf_counter()
            return now < soonest or bool((np.array(each_text(jobs, "deadline"))[texts] > now).any())

        return still_wanted

    def _texts(self, request, name):
        """Decode one of a request's inputs."""
        raw = pb_utils.get_input_tensor_by_name(request, name).as_numpy().ravel()
        return decode(raw, self._options.max_text_bytes, name)

    def _respond(self, job: Job, rows: slice, outcome: Outcome, columns: Columns):
        """Build the outputs that one request asked for."""
        if job.error is None and outcome.failures:
            self._take_failure(job, rows, outcome)
        if job.error is not None:
            return pb_utils.InferenceResponse(error=job.error)
        tensors = []
        for name in job.request.requested_output_names():
            echo = pb_utils.get_input_tensor_by_name(job.request, name) if name == "text" else None
            tensors.append(pb_utils.Tensor(name, columns[name][rows] if echo is None else echo.as_numpy()))
        return pb_utils.InferenceResponse(output_tensors=tensors)

    def _take_failure(self, job, rows, outcome):
        """Answer with what became of the first of a request's texts that has no answer."""
        position = next((row for row in range(rows.start, rows.stop) if row in outcome.failures), None)
        if position is None:
            return
        kind, message = outcome.failures[position]
        if kind == "failed":
            job.refuse("failed", pb_utils.TritonError.INTERNAL, message)
        elif kind == "refused":
            job.refuse("refused", pb_utils.TritonError.INVALID_ARG, f"text {position - rows.start} {message}")
        else:
            self._expire(job)

    def _classifiers(self, parameters):
        """Find what runs sub-batches: a session in this process, or the classifier as a model of the server."""
        if ENGINE_DIRECTORY not in parameters:
            return Lanes(self._run_classifier)
        from tritext_serve.engine.in_process import engine_lanes  # the Triton image has no onnxruntime for Python

        return engine_lanes(parameters, self._options.version, self._options.inputs)

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
