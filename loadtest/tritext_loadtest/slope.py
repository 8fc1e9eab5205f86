"""A straight line through points: the slope and how sure it is. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

# Fewer points make a line of anything.
FEWEST = 10


@dataclass(frozen=True, slots=True)
class Slope:
    """How fast something grows.

    Attributes:
        value: Units of y for one of x.
        margin: Half the 95 % confidence interval, points taken as independent.
    """

    value: float
    margin: float

    def __str__(self) -> str:
        """Say it with its margin."""
        return f"{self.value:.2f} ± {self.margin:.2f}"


def fit(xs: Sequence[float], ys: Sequence[float]) -> Slope | None:
    """Fit by least squares.

    Returns:
        None where there are fewer than ten points, or all at one x.
    """
    n = len(xs)
    if n < FEWEST:
        return None
    mean_x, mean_y = sum(xs) / n, sum(ys) / n
    spread = sum((x - mean_x) ** 2 for x in xs)
    if spread <= 0:
        return None
    value = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / spread
    rest = sum((y - mean_y - value * (x - mean_x)) ** 2 for x, y in zip(xs, ys, strict=True))
    return Slope(value, _student(n - 2) * (rest / (n - 2) / spread) ** 0.5)


def _student(freedom: int) -> float:
    """Give the 97.5 % point of Student's distribution, good to 0.002 from eight degrees of freedom up."""
    z = 1.959964
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )
