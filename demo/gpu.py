"""The bench for one NVIDIA GPU: two encoders in fp16, what the device can do, and what a client gets of it.

Usage: python demo/gpu.py [--device cuda|cpu] [--work DIR] [--models A,B] [--markdown FILE] [--json FILE] …

The models are made and exported in ``--work``, or taken from it if they lie there: ``--prepare`` stops after that, so
that one machine prepares and another, without torch, measures (docs/gpu.md).
"""

import argparse
import datetime
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnxruntime as ort
import psutil

from gpu_client import Order
from gpu_device import PROVIDERS, Device, Rate, measure_graph, measure_peak, name_of, require, sheet_peak
from gpu_load import Load, expected_labels, load
from gpu_models import ENCODERS, Facts, prepare
from gpu_report import DEVICE, goals, limit, markdown
from tritext_export.commands.console import ConsoleProgress
from tritext_export.errors import ExportError
from tritext_export.request import Progress
from tritext_loadtest.errors import LoadTestError
from tritext_serve.errors import ServeError
from tritext_serve.flags import Address
from tritext_serve.server import Server, ServerOptions, free_ports

START_SECONDS = 300.0
# Sub-batches that one front has on the device at once: while one is answered, another is computed.
LANES = 2


def main(arguments: Sequence[str]) -> None:
    """Prepare, measure, print."""
    args = _parse(arguments)
    progress = ConsoleProgress()
    if not args.prepare:
        require(args.device)
    facts = [prepare(ENCODERS[name], args.tokens, args.work / name, progress) for name in args.models]
    if args.prepare:
        return
    report = measure(args, facts, progress)
    text = markdown(report)
    sys.stdout.write(text)
    for path, content in ((args.markdown, text), (args.json, json.dumps(report, indent=1) + "\n")):
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")


def measure(args: argparse.Namespace, facts: Sequence[Facts], progress: Progress) -> dict[str, Any]:
    """Measure the device, then the server in front of it, model by model."""
    device: Device = args.device
    name = name_of(device)
    progress.step(f"measuring the peak of {name}")
    peak, sheet = measure_peak(device), sheet_peak(name)
    found = [_measure_model(args, each, progress) for each in facts]
    peak = max(peak, measure_peak(device))
    models = [_report_model(each, rates, loads, peak, sheet) for each, (rates, loads) in zip(facts, found, strict=True)]
    return {
        "device": name,
        "provider": PROVIDERS[device],
        "onnxruntime": ort.__version__,
        "cores": psutil.cpu_count(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "peak": peak,
        "sheet": sheet,
        "models": models,
        "goals": goals(models) if device == "cuda" else [],
    }


def _measure_model(args: argparse.Namespace, facts: Facts, progress: Progress) -> tuple[list[Rate], list[Load]]:
    progress.step(f"{facts.title}: the device alone")
    folder = args.work / facts.name
    shapes = [(texts, tokens) for tokens in args.tokens for texts in args.sizes]
    rates = measure_graph(folder / facts.onnx, args.device, facts.vocabulary, shapes, args.seconds / 4)
    loads = []
    options = ServerOptions(
        address=Address("127.0.0.1", *free_ports(3)),
        instances={"": args.fronts},
        threads=LANES,
        device=args.device,
        max_queue=args.clients * args.in_flight + 1,
        start_timeout=START_SECONDS,
    )
    with Server(folder / "repository", options) as server:
        for texts, tokens in shapes:
            progress.step(f"{facts.title}: {texts} texts of {tokens} tokens a request")
            order = _order(args, facts, server.grpc_url, folder / "repository", (texts, tokens))
            loads.append(load(server, order, tokens, args.clients))
    return rates, loads


def _report_model(
    facts: Facts, rates: Sequence[Rate], loads: Sequence[Load], peak: float, sheet: float | None
) -> dict[str, Any]:
    return {
        "name": facts.name,
        "title": facts.title,
        "operations": {str(tokens): facts.operations(tokens) for tokens in {rate.tokens: None for rate in rates}},
        "device": [_device_row(facts, rate, peak, sheet) for rate in rates],
        "loads": [_load_row(one, rates) for one in loads],
    }


def _order(args: argparse.Namespace, facts: Facts, url: str, repository: Path, shape: tuple[int, int]) -> Order:
    size, tokens = shape
    texts = facts.texts[tokens]
    labels = expected_labels(repository, facts.name, texts)
    return Order(url, facts.name, texts, labels, size, args.in_flight, args.seconds)


def _device_row(facts: Facts, rate: Rate, peak: float, sheet: float | None) -> dict[str, Any]:
    reached = facts.operations(rate.tokens) * rate.texts_per_second
    return asdict(rate) | {
        "texts_per_second": rate.texts_per_second,
        "of_peak": reached / peak,
        "of_sheet": reached / sheet if sheet else None,
    }


def _load_row(done: Load, rates: Sequence[Rate]) -> dict[str, Any]:
    """Say what was the limit: the device is held against what it did of its own with texts of that length at best."""
    best = max(rate.texts_per_second for rate in rates if rate.tokens == done.tokens)
    shares = {
        DEVICE: done.texts_per_second / best,
        "front": done.busy.front,
        "client": done.busy.client,
        "cores": done.busy.machine,
    }
    return asdict(done) | {"shares": shares, "limit": limit(shares)}


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="gpu", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    cores = psutil.cpu_count() or 1
    parser.add_argument("--device", choices=tuple(PROVIDERS), default="cuda", help="what computes (default: cuda)")
    parser.add_argument("--work", type=Path, default=Path(".cache/gpu"), metavar="DIR", help="default: .cache/gpu")
    parser.add_argument(
        "--models", type=_models, default=["distilbert", "minilm"], metavar="A,B", help="of " + ", ".join(ENCODERS)
    )
    parser.add_argument("--tokens", type=_numbers, default=[25, 128], metavar="N,M", help="of a text (default: 25,128)")
    parser.add_argument(
        "--sizes", type=_numbers, default=[1, 32, 256], metavar="N,M", help="texts a request (default: 1,32,256)"
    )
    parser.add_argument("--seconds", type=float, default=10.0, metavar="S", help="of each load (default: 10)")
    parser.add_argument("--fronts", type=int, default=max(1, min(8, cores // 2)), metavar="N", help="front processes")
    parser.add_argument("--clients", type=int, default=max(2, min(8, cores // 3)), metavar="N", help="client processes")
    parser.add_argument("--in-flight", type=int, default=8, metavar="N", help="requests of each client (default: 8)")
    parser.add_argument("--prepare", action="store_true", help="make the models and stop")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything")
    return parser.parse_args(arguments)


def _models(text: str) -> list[str]:
    names = text.split(",")
    unknown = sorted(set(names) - set(ENCODERS))
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(ENCODERS)}")
    return names


def _numbers(text: str) -> list[int]:
    words = text.split(",")
    if not all(word.isdecimal() and int(word) > 0 for word in words):
        raise argparse.ArgumentTypeError(f"{text!r}: give whole numbers with commas between, such as 25,128")
    return [int(word) for word in words]


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the server is stopped, as after Ctrl-C
    try:
        main(sys.argv[1:])
    except (ExportError, ServeError, LoadTestError) as refused:
        sys.exit(f"gpu: {refused}")
    except KeyboardInterrupt:
        sys.exit(130)
