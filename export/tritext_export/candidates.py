"""Which forms of a model are worth trying for a target: a target and a precision in, candidates out. Pure."""

from dataclasses import dataclass
from typing import Literal, get_args

from tritext_export.errors import SourceError

Target = Literal["cpu", "gpu"]
Precision = Literal["auto", "fp32", "fp16", "int8"]
_GPUS = ("gpu", "t4", "l4", "a10", "a100", "h100", "h200")
TARGETS: dict[str, Target] = {"cpu": "cpu", **dict.fromkeys(_GPUS, "gpu")}
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One form of the model.

    Attributes:
        name: What tables call it.
        target: Where it is to run.
        precision: Of its weights: fp32, fp16 or int8, and so of its limits.
        caution: For int8, how much of the disagreement that the limits allow is left unused.
    """

    name: str
    target: Target
    precision: str
    caution: float = 0.0

    def wanted_agreement(self, required: float) -> float:
        """The agreement to aim at where ``required`` must hold on other texts.

        Example:
            >>> round(Candidate("int8", "cpu", "int8", 0.5).wanted_agreement(0.99), 4)
            0.995
        """
        return 1 - (1 - required) * (1 - self.caution)


# From the fastest to the most careful, in steps fine enough that a text or two too many does not cost much speed.
_CAUTIONS = (0.0, 0.15, 0.3, 0.45, 0.6, 0.8, 0.9)
_INT8 = tuple(
    Candidate("int8" if caution == 0 else f"int8, caution {caution:.2f}", "cpu", "int8", caution)
    for caution in _CAUTIONS
)


def candidates_for(target: Target, precision: Precision) -> tuple[tuple[Candidate, ...], ...]:
    """Give what to try.

    Returns:
        Groups of candidates; within a group the next is only tried where the one before fails its certificate.

    Raises:
        SourceError: the target does not run that precision well.
    """
    if precision == "fp32":
        return ((Candidate("fp32", target, "fp32"),),)
    if target == "cpu":
        if precision == "fp16":
            raise SourceError(
                "--precision fp16: a CPU computes it in fp32 anyway: use --target gpu, or --precision int8"
            )
        return (_INT8,) if precision == "int8" else (_INT8, (Candidate("fp32", "cpu", "fp32"),))
    if precision == "int8":
        raise SourceError("--precision int8: it is made for CPUs: use --target cpu, or --precision fp16")
    half = Candidate("fp16", "gpu", "fp16")
    return ((half,),) if precision == "fp16" else ((half,), (Candidate("fp32", "gpu", "fp32"),))
