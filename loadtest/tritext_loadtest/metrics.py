"""A server's metrics: an exposition in, the counters of some models out; two of those in, their difference out.

A tritext front forms the batches itself, so what it says of them takes the place of what Triton says, which only sees
requests handed on. Requests wait in two queues, one after the other: Triton's, and behind it the front's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

from prometheus_client.parser import text_string_to_metric_families

_TRITON = {
    "nv_inference_request_success_total": "requests",
    "nv_inference_request_failure_total": "failures",
    "nv_inference_count_total": "texts",
    "nv_inference_exec_count_total": "batches",
    "nv_inference_queue_duration_us_total": "queue",
    "nv_inference_compute_input_duration_us_total": "input",
    "nv_inference_compute_infer_duration_us_total": "compute",
    "nv_inference_compute_output_duration_us_total": "output",
}
_FRONT = {
    "prediction_batch_texts_sum_total": ("texts", 1.0),
    "prediction_batch_texts_count_total": ("batches", 1.0),
    "prediction_queue_seconds_sum_total": ("front_queue", 1e6),
    "prediction_duration_seconds_sum_total": ("compute", 1e6),
    "prediction_duration_seconds_count_total": ("front_requests", 1.0),
}


@dataclass(slots=True)
class Counters:
    """What a model has done since its server started; times in microseconds, summed over requests.

    Attributes:
        requests: Answered.
        failures: Refused or failed.
        texts: Texts, or for a classifier rows.
        batches: Times that its backend ran.
        queue: Waiting in Triton for a batch and an instance.
        input: Preparing inputs.
        compute: Inferring.
        output: Preparing outputs.
        front_requests: Requests that a front has ended; 0 where the model is none. A front tells its figures once a
            second and Triton at once, so that each time is divided by the count that came with it.
        front_queue: Waiting in the front, behind Triton's queue.
    """

    requests: float = 0.0
    failures: float = 0.0
    texts: float = 0.0
    batches: float = 0.0
    queue: float = 0.0
    input: float = 0.0
    compute: float = 0.0
    output: float = 0.0
    front_requests: float = 0.0
    front_queue: float = 0.0

    def since(self, before: "Counters") -> "Counters":
        """Give what was added; a server that started anew counts from nothing."""
        gone = self.requests < before.requests
        names = [field.name for field in fields(self)]
        return Counters(*(getattr(self, name) - (0.0 if gone else getattr(before, name)) for name in names))

    @property
    def batch_size(self) -> float | None:
        """Texts in a batch; None where there was none."""
        return self.texts / self.batches if self.batches else None

    def milliseconds(self, part: str) -> float | None:
        """Mean time of a request in one of the parts, both queues together; None where nobody says."""
        spent = getattr(self, part)
        if not self.front_requests:
            return float(spent) / self.requests / 1e3 if self.requests else None
        if part == "queue":
            before = spent / self.requests if self.requests else 0.0
            return float(before + self.front_queue / self.front_requests) / 1e3
        return float(spent) / self.front_requests / 1e3 if part == "compute" else None


Reading = Mapping[str, Counters]


def parse(exposition: str, models: Sequence[str]) -> Reading:
    """Read counters, each model's versions added up; an unknown model is left out.

    Args:
        exposition: What ``/metrics`` answered.
        models: Names.

    Raises:
        ValueError: it is no exposition.
    """
    triton: dict[str, Counters] = {}
    front: dict[str, Counters] = {}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            name = sample.name if sample.name.endswith("_total") else f"{sample.name}_total"
            model = sample.labels.get("model", "")
            if model not in models:
                continue
            if name in _TRITON:
                _add(triton, model, _TRITON[name], float(sample.value))
            elif name in _FRONT:
                field, scale = _FRONT[name]
                _add(front, model, field, scale * float(sample.value))
    return {model: _as_the_front_says(counters, front.get(model)) for model, counters in triton.items()}


def _add(found: dict[str, Counters], model: str, field: str, value: float) -> None:
    counters = found.setdefault(model, Counters())
    setattr(counters, field, getattr(counters, field) + value)


def _as_the_front_says(triton: Counters, front: Counters | None) -> Counters:
    """Put a front's own figures in; it counts from when Triton hands a request on: its queue, and computing."""
    if front is None:
        return triton
    return replace(
        triton,
        texts=front.texts,
        batches=front.batches,
        input=0.0,
        compute=max(0.0, front.compute - front.front_queue),
        output=0.0,
        front_requests=front.front_requests,
        front_queue=front.front_queue,
    )
