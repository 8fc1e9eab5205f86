"""Write the demo's adapter, merged into its base, as an ordinary checkpoint that any server can load.

Usage: python demo/merged.py OUTPUT [--source demo/sentiment]
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tritext_export import checkpoint
from tritext_export.errors import ExportError
from tritext_export.sources import resolve


def main(arguments: Sequence[str]) -> None:
    """Read the arguments and write the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--source", default="demo/sentiment")
    args = parser.parse_args(arguments)
    write(args.source, args.output)


def write(source: str, output: Path) -> None:
    """Save the merged weights, the configuration and the tokenizer; a folder that is there already is left alone.

    Raises:
        ExportError: the source cannot be loaded.
    """
    if output.exists():
        return
    loaded = checkpoint.load(resolve(source))
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        draft = Path(folder) / output.name
        loaded.model.save_pretrained(draft, safe_serialization=True)
        loaded.tokenizer.save_pretrained(draft)
        draft.rename(output)  # at once: whoever finds the folder finds all of it


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ExportError as error:
        sys.exit(f"merged: {error}")
