"""``tritext engine``: a published model in, a TensorRT engine out."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tritext_export.commands.arguments import count, names
from tritext_export.commands.console import ConsoleProgress
from tritext_export.commands.interruption import interruptible
from tritext_export.errors import EngineError, ExportError
from tritext_export.labelled import SPLITS

if TYPE_CHECKING:
    from tritext_export.tensorrt.builder import Builder
    from tritext_export.tensorrt.order import Engine

HELP = "build a TensorRT engine from a published model"
ERRORS = (ExportError,)
EPILOG = """\
The engine is made from the certified ONNX graph of the version in service, and must give its labels on your texts.
Where a GPU is at hand that takes the engine, the engine is run, compared and timed; where none is, fp16 is proved on a
graph that rounds as a GPU does. An engine that fails is not written; of one that passes a record is left beside it.
--builder rtx needs no GPU and its engines serve RTX GPUs outside Triton; --builder tensorrt runs in the Triton image,
on the GPU that will serve, and writes the model.plan that Triton's tensorrt backend loads (docs/tensorrt.md).

example:
  tritext engine model_repository --name sentiment --texts reviews.tsv --split test
  tritext engine model_repository --name sentiment --texts reviews.tsv --split test --builder tensorrt
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EPILOG
    parser.add_argument("repository", metavar="MODEL_REPOSITORY", type=Path, help="what `tritext export` wrote")
    parser.add_argument("--name", required=True, help="name of the model")
    parser.add_argument("--builder", choices=("rtx", "tensorrt"), default="rtx", help="default: rtx")
    parser.add_argument("--precision", choices=("fp32", "fp16"), default="fp16", help="default: fp16")
    parser.add_argument("--texts", type=Path, metavar="FILE", help="labelled texts (.tsv, .csv, .jsonl)")
    parser.add_argument("--split", choices=SPLITS, default="all", help="part of the texts (default: all)")
    parser.add_argument("--text-column", default="text", metavar="NAME", help="default: text")
    parser.add_argument("--label-column", default="label", metavar="NAME", help="as for `tritext export`")
    parser.add_argument(
        "--pair-column", default="text_pair", metavar="NAME", help="for models of pairs (default: text_pair)"
    )
    parser.add_argument(
        "--unproved", action="store_true", help="build without comparing labels where they could be compared"
    )
    parser.add_argument("--no-run", action="store_true", help="do not run the engine, even where a GPU is at hand")
    parser.add_argument(
        "--max-tokens",
        type=count,
        metavar="N",
        help="most tokens, padding counted, that the front sends at once (default: the most its configs name)",
    )
    parser.add_argument(
        "--capability",
        type=names,
        default=(),
        metavar="X.Y,…",
        help="rtx: compute capabilities to build for (default: all from 8.0 on)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="default: NAME-VERSION-PRECISION.engine here for rtx, model.plan beside the model for tensorrt",
    )


def run(args: argparse.Namespace) -> int:
    """Build, and say what was built."""
    from tritext_export.tensorrt.order import EngineRequest, make_engine
    from tritext_export.tensorrt.proof import Texts

    builder = _builder(args)
    columns = (args.text_column, args.label_column, args.pair_column)
    request = EngineRequest(
        repository=args.repository,
        name=args.name,
        precision=args.precision,
        texts=Texts(args.texts, args.split, *columns) if args.texts else None,
        max_tokens=args.max_tokens,
        output=args.output or _default_output(args),
        run=not args.no_run,
        unproved=args.unproved,
    )
    with interruptible():
        engine = make_engine(request, builder, ConsoleProgress())
    sys.stdout.write(_describe(args, engine))
    return 0


def _builder(args: argparse.Namespace) -> "Builder":
    if args.builder == "rtx":
        from tritext_export.tensorrt.rtx import RtxBuilder

        return RtxBuilder(args.capability)
    if args.capability:
        raise EngineError(
            "--capability: TensorRT builds for the GPU at hand alone; leave it out, or take --builder rtx"
        )
    from tritext_export.tensorrt.datacentre import DatacentreBuilder

    return DatacentreBuilder()


def _default_output(args: argparse.Namespace) -> Path | None:
    """Keep RTX engines out of the repository: Triton could not load them."""
    if args.builder == "tensorrt":
        return None
    from tritext_export.repository import published_version

    return Path(f"{args.name}-{published_version(args.repository, args.name)}-{args.precision}.engine")


def _describe(args: argparse.Namespace, engine: "Engine") -> str:
    lines = [
        f"{engine.path}: {args.name} version {engine.version}, {args.precision}, {engine.size / 1e6:,.0f} MB, "
        f"by {engine.library}"
    ]
    lines += [
        f"profile {number}: {'×'.join(map(str, p.smallest))} to {'×'.join(map(str, p.largest))} texts × tokens"
        for number, p in enumerate(engine.profiles)
    ]
    lines += engine.evidence.lines
    lines += [f"{milliseconds:.3f} ms a text: {who}" for who, milliseconds in engine.evidence.milliseconds.items()]
    lines.append(f"record: {engine.record}")
    if args.builder == "tensorrt" and not args.output:
        promote = f"tritext repository promote --repository {args.repository} {args.name} {engine.version}"
        lines.append(f"next: {promote}, which lets Triton's configs name it")
    return "\n".join(lines) + "\n"
