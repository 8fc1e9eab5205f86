"""What was measured, as tables, and what kept it from being more: figures in, words out. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

# Below this share of what it could do, nothing can be called the limit.
WORTH_NAMING = 0.7
DEVICE = "device"
GOALS = {"roofline share at 128 tokens": 0.5, "short texts a second, 256 a request": 60_000}


def limit(shares: Mapping[str, float]) -> str:
    """Name what kept the rate from being higher.

    The device first: a front that waits for it looks busy, as CUDA spins while it waits. Then what was used most.

    Args:
        shares: Of what each part could do at most, by its name.

    Example:
        >>> limit({"device": 0.4, "front": 0.95, "client": 0.6})
        'front (95 %)'
    """
    name = max(shares, key=lambda part: shares[part])
    if shares.get(DEVICE, 0.0) >= WORTH_NAMING:
        name = DEVICE
    if shares[name] < WORTH_NAMING:
        return f"none: {name} at {100 * shares[name]:.0f} %, more clients would help"
    return f"{name} ({100 * min(shares[name], 1):.0f} %)"


def markdown(report: Mapping[str, Any]) -> str:
    """Lay a report out."""
    peak = f"{report['peak'] / 1e12:,.3g} TFLOP/s measured with large products of matrices"
    sheet = f", {report['sheet'] / 1e12:,.0f} by the data sheet" if report["sheet"] else ""
    lines = [
        f"{report['device']}, ONNX Runtime {report['onnxruntime']} ({report['provider']}), {report['cores']} cores, "
        f"{report['date']}. Peak {peak}{sheet}. Random weights, fp16.",
        "",
        *_table(DEVICE_HEAD, _device_rows(report)),
        "",
        *_table(LOAD_HEAD, _load_rows(report)),
        "",
        *(f"- {line}" for line in report["goals"]),
    ]
    return "\n".join(lines) + "\n"


DEVICE_HEAD = ("model", "tokens", "texts a call", "ms a call", "texts/s on the device", "of the peak", "of the sheet")
LOAD_HEAD = (
    "model",
    "tokens",
    "texts a request",
    "in flight",
    "texts/s",
    "p50 ms",
    "p99 ms",
    "server CPU-ms a text",
    "queue / compute ms",
    "wrong labels",
    "limit",
)


def goals(models: Sequence[Mapping[str, Any]]) -> list[str]:
    """Hold the figures against what a data-centre GPU is hoped to reach."""
    shares = [row["of_peak"] for model in models for row in model["device"] if row["tokens"] == 128]
    rates = [load["texts_per_second"] for model in models for load in model["loads"] if load["size"] == 256]
    said = []
    for (what, wanted), found in zip(GOALS.items(), (max(shares, default=None), max(rates, default=None)), strict=True):
        if found is not None:
            shown = [f"{100 * n:.0f} %" if wanted < 1 else f"{n:,.0f}" for n in (found, wanted)]
            said.append(f"{what}: {shown[0]}, {'reached' if found >= wanted else 'short of'} {shown[1]}")
    return said


def _device_rows(report: Mapping[str, Any]) -> list[list[str]]:
    return [
        [
            model["title"],
            str(row["tokens"]),
            str(row["texts"]),
            f"{row['milliseconds']:.3g}",
            f"{row['texts_per_second']:,.0f}",
            f"{100 * row['of_peak']:.0f} %",
            f"{100 * row['of_sheet']:.0f} %" if row["of_sheet"] is not None else "–",
        ]
        for model in report["models"]
        for row in model["device"]
    ]


def _load_rows(report: Mapping[str, Any]) -> list[list[str]]:
    return [
        [
            model["title"],
            str(row["tokens"]),
            str(row["size"]),
            str(row["requests_in_flight"]),
            f"{row['texts_per_second']:,.0f}",
            f"{row['p50_milliseconds']:.1f}",
            f"{row['p99_milliseconds']:.1f}",
            f"{row['server_milliseconds']:.3f}",
            " / ".join(
                "–" if row["busy"][part] is None else f"{row['busy'][part]:.1f}" for part in ("queue", "compute")
            ),
            f"{row['wrong']:,} of {row['texts']:,}",
            row["limit"],
        ]
        for model in report["models"]
        for row in model["loads"]
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *(f"| {' | '.join(row)} |" for row in rows)]
