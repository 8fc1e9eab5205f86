"""What the exported graphs cost, offline: every form on the same batches in turn, one thread, CPU time.

Usage: python demo/graphs.py [--source SOURCE] [--texts FILE] [--work DIR] [--not-kept] [--json FILE]
"""

import argparse
import json
import logging
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir as ir
import onnxruntime as ort
from rich.console import Console
from rich.table import Table

from graph_forms import (
    CHOSEN,
    DYNAMIC,
    PADDED_INT8,
    PLAIN,
    UNEDITED_INT8,
    Exports,
    Form,
    compared,
    export_all,
    not_kept,
)
from graph_queues import measure_queues
from tritext_export.certificate import Activation, probabilities
from tritext_export.commands.console import ConsoleProgress
from tritext_export.cost import Batch, Costs, Ratio, feeds, length_sorted, open_session, time_sessions
from tritext_export.edits.pipeline import edit
from tritext_export.encoding import Encoded, padded
from tritext_export.errors import ExportError
from tritext_export.export import CALIBRATION
from tritext_export.labelled import Split, read_examples, select
from tritext_export.request import Progress
from tritext_export.roofline import Operations, count_operations, measure_peak
from tritext_export.session import ExportedTokenizer
from tritext_export.sources import read_json

Doubles = npt.NDArray[np.float64]
# Texts a batch, most texts measured, and batches a session runs before it is the next one's turn.
SETTINGS = ((16, 240, 1), (1, 96, 16))
NEIGHBOURS = 32
CALIBRATION_TEXTS = 128


@dataclass(frozen=True)
class Material:
    """What everything is measured on.

    Attributes:
        encoded: The texts.
        calibration: Others, for what must see texts beforehand.
        pad_token_id: What fills a row up.
        activation: What turns logits into probabilities.
        longest: Most tokens of a text.
    """

    encoded: Sequence[Encoded]
    calibration: Sequence[Encoded]
    pad_token_id: int
    activation: Activation
    longest: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What a form does to the labels, against the plain export in fp32.

    Attributes:
        agreement: Share of labels that stay, texts of like length together.
        unstable: Texts whose label depends on the texts beside them.
        difference: Largest change of a probability.
    """

    agreement: float
    unstable: int
    difference: float


def main(arguments: Sequence[str]) -> None:
    """Make the forms, measure them, print the figures."""
    args = _parse(arguments)
    logging.disable(logging.WARNING)  # ONNX Runtime's quantisers tell the root logger what they do
    wide = None if sys.stdout.isatty() else 140  # of a file or a pipe, where nobody's window is too narrow
    console, progress = Console(highlight=False, soft_wrap=True, width=wide), ConsoleProgress()
    exports = export_all(args.source, args.texts, args.split, args.work, progress)
    material = read_material(exports, args.texts, args.split)
    progress.step("making the other forms")
    forms = dict(compared(exports))
    if args.not_kept:
        batches = length_sorted(material.calibration, material.pad_token_id, most=CALIBRATION_TEXTS)
        forms |= not_kept(exports, batches)
    sessions = {name: open_session(form.path, form.level) for name, form in forms.items()}
    labels = compare_labels(sessions, material, progress)
    peak = measure_peak()
    costs = {
        size: time_sessions(
            sessions, length_sorted(material.encoded, material.pad_token_id, size, most), progress, turn=turn
        )
        for size, most, turn in SETTINGS
    }
    peak = max(peak, measure_peak())
    report = figures(forms, labels, costs)
    report |= roofline(exports, material, costs, peak)
    files = {name: forms[form].path for name, form in (("padded", PADDED_INT8), ("packed", CHOSEN))}
    report["queues"] = measure_queues(files, material.encoded, material.longest, material.pad_token_id, progress)
    show(console, report)
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def read_material(exports: Exports, texts: Path, split: Split) -> Material:
    """Tokenise the texts with the published tokenizer."""
    manifest = read_json(exports.edited.directory / "manifest.json")
    longest = int(manifest["max_length"])
    tokenizer = ExportedTokenizer(exports.edited.directory / "tokenizer.json", longest)
    found = read_examples(texts)
    chosen, others = (select(found, s) for s in (split, CALIBRATION[split]))
    return Material(
        tokenizer.encode(chosen),
        tokenizer.encode(others),
        int(manifest["pad_token_id"]),
        manifest["activation"],
        longest,
    )


def compare_labels(
    sessions: Mapping[str, ort.InferenceSession], material: Material, progress: Progress
) -> dict[str, Kept]:
    """Ask every form about every text twice: beside texts of like length, and beside any."""
    count = len(material.encoded)
    by_length = np.argsort([len(e) for e in material.encoded], kind="stable")
    orders = (_cut(by_length, SETTINGS[0][0]), _cut(np.random.default_rng(0).permutation(count), NEIGHBOURS))
    answers: dict[str, list[Doubles]] = {
        name: [_probabilities(session, order, material) for order in orders]
        for name, session in progress.track(sessions.items(), len(sessions), "comparing labels")
    }
    reference = answers[PLAIN][0]
    return {name: _kept(reference, *pair) for name, pair in answers.items()}


def figures(forms: Mapping[str, Form], labels: Mapping[str, Kept], costs: Mapping[int, Costs]) -> dict[str, Any]:
    """Put together what is known of every form."""
    return {
        "forms": {
            name: {
                "bytes": form.path.stat().st_size,
                "labels": asdict(labels[name]),
                "milliseconds": {str(size): cost.milliseconds(name) for size, cost in costs.items()},
                "plain fp32 to it": {str(s): asdict(c.ratio(PLAIN, name)) for s, c in costs.items()},
                "default dynamic to it": {str(s): asdict(c.ratio(DYNAMIC, name)) for s, c in costs.items()},
            }
            for name, form in forms.items()
        },
        "unedited int8 to default dynamic": {
            str(size): asdict(cost.ratio(UNEDITED_INT8, DYNAMIC)) for size, cost in costs.items()
        },
    }


def roofline(exports: Exports, material: Material, costs: Mapping[int, Costs], peak: float) -> dict[str, Any]:
    """Compare the chosen graph with what its real tokens would take at the core's peak."""
    model = ir.from_proto(onnx.load(exports.traced))
    whole = count_operations(model)
    edit(model)
    needed = count_operations(model)
    shares = {}
    for size, most, _ in SETTINGS:
        batches = length_sorted(material.encoded, material.pad_token_id, size, most)
        lengths = [int(n) for batch in batches for n in batch["attention_mask"].sum(axis=1)]
        seconds = float(costs[size].seconds[CHOSEN].sum())
        shares[str(size)] = {
            "of the edited graph": needed.of(lengths) / seconds / peak,
            "of the whole model": whole.of(lengths) / seconds / peak,
        }
    return {"peak": peak, "operations": _operations(whole, needed, material), "roofline": shares}


def show(console: Console, report: Mapping[str, Any]) -> None:
    """Print the figures for a person."""
    columns = (
        "form",
        "MB",
        "labels kept",
        "unstable",
        "max |Δp|",
        "ms, 16 a batch",
        "ms, 1",
        "fp32 ÷ it",
        "dynamic ÷ it",
    )
    table = Table(*columns, box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.justify = "right"
    for name, form in report["forms"].items():
        labels, milliseconds = form["labels"], form["milliseconds"]
        cells = f"{labels['agreement']:.2%}", str(labels["unstable"]), f"{labels['difference']:.1e}"
        ratios = [_say(form[key]["16"]) for key in ("plain fp32 to it", "default dynamic to it")]
        table.add_row(
            name, f"{form['bytes'] / 1e6:.1f}", *cells, f"{milliseconds['16']:.2f}", f"{milliseconds['1']:.2f}", *ratios
        )
    console.print(table)
    console.print(
        "\nCPU milliseconds a text, one thread, length-sorted; ratios at 16 a batch with a 95 % interval over batches."
    )
    for size, share in report["roofline"].items():
        chosen = report["forms"][CHOSEN]
        console.print(
            f"{size:>2} a batch: plain fp32 costs {_say(chosen['plain fp32 to it'][size])} times the chosen int8, "
            f"default dynamic int8 {_say(chosen['default dynamic to it'][size])} times it; before the edits it is "
            f"{_say(report['unedited int8 to default dynamic'][size])} times default dynamic; "
            f"{share['of the edited graph']:.0%} of the roofline ({report['peak'] / 1e9:.0f} GOP/s a core)"
        )
    _show_queues(console, report["queues"])


def _show_queues(console: Console, mixes: Mapping[str, Any]) -> None:
    for mix, queues in mixes.items():
        console.print(f"\nThe chosen int8, {mix}, planned as the front plans:")
        for queue, figures in queues.items():
            times, tokens = _say(figures["padded to packed"]), figures["computed / real tokens"]
            console.print(
                f"{queue:>3} texts queued: {figures['milliseconds']['packed']:.2f} ms a text; with padding, "
                f"{tokens:.2f} tokens a real one, {times} times that"
            )


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="demo/sentiment")
    parser.add_argument("--texts", type=Path, default=Path(".cache/movie-reviews.tsv"), metavar="FILE")
    parser.add_argument("--split", choices=("train", "dev", "test"), default="test")
    parser.add_argument(
        "--work", type=Path, default=Path(".cache/graphs"), metavar="DIR", help="where the forms are kept"
    )
    parser.add_argument("--not-kept", action="store_true", help="also what was tried and is not in the export")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args(arguments)


def _cut(order: npt.NDArray[np.intp], size: int) -> list[npt.NDArray[np.intp]]:
    return [order[i : i + size] for i in range(0, len(order), size)]


def _probabilities(
    session: ort.InferenceSession, batches: Sequence[npt.NDArray[np.intp]], material: Material
) -> Doubles:
    answers: dict[int, npt.NDArray[np.float32]] = {}
    for batch in batches:
        arrays: Batch = padded([material.encoded[i] for i in batch], material.pad_token_id)
        logits = session.run(["logits"], feeds(session, arrays))[0]
        answers |= dict(zip(batch.tolist(), logits, strict=True))
    return probabilities(np.stack([answers[i] for i in range(len(answers))]), material.activation)


def _kept(reference: Doubles, sorted_: Doubles, mixed: Doubles) -> Kept:
    true, one, two = (p.argmax(axis=1) for p in (reference, sorted_, mixed))
    worst = max(np.abs(p - reference).max() for p in (sorted_, mixed))
    return Kept(float((one == true).mean()), int((one != two).sum()), float(worst))


def _operations(whole: Operations, needed: Operations, material: Material) -> dict[str, float]:
    lengths = [len(e) for e in material.encoded]
    return {name: each.of(lengths) / len(lengths) for name, each in (("model", whole), ("edited", needed))}


def _say(ratio: Mapping[str, float]) -> str:
    exact = Ratio(**ratio)
    return f"{exact.value:.2f} ({exact.low:.2f}–{exact.high:.2f})"


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main(sys.argv[1:])
    except ExportError as error:
        sys.exit(f"graphs: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
