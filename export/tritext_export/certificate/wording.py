"""How figures are written, on the terminal and on the page alike. Pure."""

import math


def percent(share: float) -> str:
    """Write a share; what falls short of all never reads 100.00%.

    Example:
        >>> percent(0.99999)
        '99.99%'
    """
    if math.isnan(share):
        return "NaN"
    return f"{math.floor(share * 10_000 + 1e-9) / 100:.2f}%"


def small(value: float) -> str:
    """Write a difference: two digits that count.

    Example:
        >>> small(1.83e-06)
        '1.8e-06'
        >>> small(0.25)
        '0.25'
    """
    if math.isnan(value):
        return "NaN"
    return f"{value:.2g}" if value == 0 or 0.001 <= abs(value) < 1_000 else f"{value:.1e}"


def decimal(value: float) -> str:
    """Write an accuracy or a calibration error: four places.

    Example:
        >>> decimal(0.5)
        '0.5000'
    """
    return "NaN" if math.isnan(value) else f"{value:.4f}"
