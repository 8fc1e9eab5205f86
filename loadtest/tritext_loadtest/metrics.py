"""Triton's own metrics: an exposition in, the counters of some models out; two of those in, their difference out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from prometheus_client.parser import text_string_to_metric_families

_FIELDS = {
    "nv_inference_request_success_total": "requests",
    "nv_inference_request_failure_total": "failures",
    "nv_inference_count_total": "texts",
    "nv_inference_exec_count_total": "batches",
    "nv_inference_queue_duration_us_total": "queue",
    "nv_inference_compute_input_duration_us_total": "input",
    "nv_inference_compute_infer_duration_us_total": "compute",
    "nv_inference_compute_output_duration_us_total": "output",
}


@dataclass(slots=True)
class Counters:
    """What a model has done since its server started; times in microseconds, summed over requests.

    Attributes:
        requests: Answered.
        failures: Refused or failed.
        texts: Texts, or for a classifier rows.
        batches: Times that its backend ran.
        queue: Waiting for a batch and an instance.
        input: Preparing inputs.
        compute: Inferring.
        output: Preparing outputs.
    """

    requests: float = 0.0
    failures: float = 0.0
    texts: float = 0.0
    batches: float = 0.0
    queue: float = 0.0
    input: float = 0.0
    compute: float = 0.0
    output: float = 0.0

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
        """Mean time of a request in one of the parts; None where there was none."""
        return float(getattr(self, part)) / self.requests / 1e3 if self.requests else None


Reading = Mapping[str, Counters]


def parse(exposition: str, models: Sequence[str]) -> Reading:
    """Read counters, each model's versions added up; an unknown model is left out.

    Args:
        exposition: What ``/metrics`` answered.
        models: Names.

    Raises:
        ValueError: it is no exposition.
    """
    found: dict[str, Counters] = {}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            name = _FIELDS.get(sample.name if sample.name.endswith("_total") else f"{sample.name}_total")
            model = sample.labels.get("model", "")
            if name is None or model not in models:
                continue
            counters = found.setdefault(model, Counters())
            setattr(counters, name, getattr(counters, name) + float(sample.value))
    return found
