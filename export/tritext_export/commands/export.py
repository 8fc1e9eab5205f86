"""``tritext export``: a checkpoint in, a certified version in a Triton model repository out."""

import argparse
import sys
from pathlib import Path

from tritext_export.candidates import PRECISIONS, TARGETS
from tritext_export.commands.arguments import count, names
from tritext_export.commands.console import ConsoleProgress, print_trials
from tritext_export.commands.interruption import interruptible
from tritext_export.commands.thresholds import add_limits, chosen_limits
from tritext_export.errors import ExportError
from tritext_export.export import export_model
from tritext_export.labelled import SPLITS
from tritext_export.request import DEFAULT_OPSET, STEPS, ExportRequest
from tritext_export.settings import cache_directory

HELP = "export a checkpoint to ONNX, prove its labels, publish it in a model repository"
ERRORS = (ExportError,)
EPILOG = """\
SOURCE is a folder with a checkpoint or a PEFT adapter, package:NAME for a checkpoint that an
installed Python package ships, or a name on the Hugging Face hub. Only safetensors are read.

example:
  tritext export ./my-distilbert --name sentiment --texts reviews.tsv
  tritext export ./my-distilbert --name sentiment --texts reviews.tsv --split test --target cpu
  tritext export demo/sentiment --name sentiment --texts reviews.tsv --split test --label-output sentiment
  tritext export ./my-nli --name entailment --texts nli.jsonl --pairs --text-column premise --pair-column hypothesis
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EPILOG
    parser.add_argument("source", metavar="SOURCE", help="checkpoint or adapter")
    parser.add_argument("--name", required=True, help="name of the model as clients will call it")
    _add_texts(parser)
    parser.add_argument(
        "--repository", type=Path, default=Path("model_repository"), metavar="DIR", help="default: model_repository"
    )
    parser.add_argument(
        "--labels", type=names, metavar="A,B,…", help="label names in order, if the checkpoint has none"
    )
    parser.add_argument("--label-output", default="label", metavar="NAME", help="name of the label's output tensor")
    parser.add_argument(
        "--max-length", type=count, metavar="N", help="longest input in tokens (default: the model's own)"
    )
    parser.add_argument("--max-batch-size", type=count, default=64, metavar="N", help="most texts in a request")
    parser.add_argument("--opset", type=int, default=DEFAULT_OPSET, metavar="N", help="ONNX operator set")
    parser.add_argument(
        "--target",
        choices=sorted(TARGETS),
        metavar="WHERE",
        help="try what suits: for cpu int8 and fp32, measured, the fastest that passes; for gpu, or a GPU by name "
        "(h100, …), fp16 and fp32, measured where there is one",
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="publish this one: fp32 (the default without --target), fp16 or int8; auto with --target",
    )
    parser.add_argument(
        "--without", type=names, default=(), metavar="A,B,…", help=f"steps to leave out, of {', '.join(STEPS)}"
    )
    _add_running(parser)
    add_limits(parser)


def _add_texts(parser: argparse.ArgumentParser) -> None:
    """Declare what the export is compared on."""
    parser.add_argument("--texts", required=True, type=Path, metavar="FILE", help="labelled texts (.tsv, .csv, .jsonl)")
    parser.add_argument("--split", choices=SPLITS, default="all", help="part of the texts to compare on (default: all)")
    parser.add_argument("--text-column", default="text", metavar="NAME", help="default: text")
    parser.add_argument(
        "--label-column",
        default="label",
        metavar="NAME",
        help="default: label; for a model that gives several labels also a column of 0 or 1 each: toxic,insult",
    )
    parser.add_argument("--pairs", action="store_true", help="the model reads two texts at a time, as for entailment")
    parser.add_argument(
        "--pair-column", default="text_pair", metavar="NAME", help="column of the second text (default: text_pair)"
    )


def _add_running(parser: argparse.ArgumentParser) -> None:
    """Declare what changes no file of the version."""
    parser.add_argument(
        "--report", type=Path, metavar="DIR", help="put the certificate and its report.html there too, passed or not"
    )
    parser.add_argument("--force", action="store_true", help="publish again even if nothing has changed")
    parser.add_argument(
        "--no-cache", action="store_true", help="search int8 anew, and keep nothing of it ($XDG_CACHE_HOME/tritext)"
    )


def run(args: argparse.Namespace) -> int:
    """Export, and say what was published."""
    request = ExportRequest(
        source=args.source,
        name=args.name,
        repository=args.repository,
        texts=args.texts,
        split=args.split,
        text_column=args.text_column,
        label_column=args.label_column,
        pairs=args.pairs,
        pair_column=args.pair_column,
        labels=args.labels,
        label_output=args.label_output,
        max_length=args.max_length,
        max_batch_size=args.max_batch_size,
        opset=args.opset,
        target=TARGETS[args.target or "cpu"],
        precision=args.precision or ("auto" if args.target else "fp32"),
        without=args.without,
        limits=chosen_limits(args),
        report=args.report,
        force=args.force,
        cache=None if args.no_cache else cache_directory(),
    )
    progress = ConsoleProgress()
    with interruptible():
        published = export_model(request, progress)
    if published.fresh:
        progress.finish()
    if len(published.trials) > 1:
        print_trials(published.trials, request.target)
    state = "published" if published.fresh else "unchanged since"
    sys.stdout.write(f"{args.name}: {state} version {published.version} ({published.directory})\n{published.line}\n")
    return 0
