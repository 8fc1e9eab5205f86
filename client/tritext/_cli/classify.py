"""``tritext classify``: texts from words, a file or a pipe in; their labels out, in order and as they come."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, repeat

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tritext._cli.texts import STANDARD_INPUT, read_pairs, read_texts
from tritext._cli.writers import WRITERS, Writer
from tritext._client import Client
from tritext._protocol import Item, split_items

HELP = "label texts with a model that is being served"
# As many texts are in memory and in one call at a time: enough to keep the client's requests in flight.
WINDOW = 512
# For a whole window: 17 long texts a second are slow for a model worth serving. A hung server is reported as soon.
TIMEOUT = 30.0
# A long file waits out a full queue; TIMEOUT ends it all the same.
RETRIES = 20

_EPILOG = """\
files: .txt (and standard input) hold one text a line, an empty line being an empty text; .tsv and .csv have a
header with a column "text"; each line of a .jsonl is an object with a key "text".
pairs: a model that reads two texts at a time, as for entailment, gets the second by --pair or --pair-column.

example:
  $ tritext classify "I love it" "I hate it"
  text       label     score
  I love it  positive  0.9873
  I hate it  negative  0.9911

  $ tritext classify --file reviews.tsv --format json --scores > labelled.jsonl
  $ cut -f 3 notes.tsv | tritext classify - | head
  $ tritext classify "A man sleeps." --pair "Nobody is awake." --model entailment
  $ tritext classify --file nli.tsv --pair-column hypothesis --model entailment

environment: TRITEXT_URL, TRITEXT_MODEL and TRITEXT_API_KEY are the defaults of --url, --model and the key.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="a text, or - to read standard input")
    parser.add_argument("--file", metavar="FILE", help="read the texts from a .txt, .tsv, .csv or .jsonl file")
    parser.add_argument(
        "--pair", action="append", metavar="TEXT", help="the second text: once for all texts, or once for each"
    )
    parser.add_argument("--pair-column", metavar="NAME", help="the file's column, or key, with the second texts")
    parser.add_argument("--format", choices=sorted(WRITERS), help="default: table on a terminal, tsv elsewhere")
    parser.add_argument("--scores", action="store_true", help="show the probability of every label")
    parser.add_argument("--url", help="grpc://HOST:PORT or http://HOST:PORT, grpcs and https for TLS")
    parser.add_argument("--model", help="the model's name")
    parser.add_argument("--model-version", metavar="N", help="ask this version of the model")
    parser.add_argument("--ca-file", metavar="PEM", help="trust the certificates in this file")
    parser.add_argument(
        "--timeout", type=float, default=TIMEOUT, metavar="S", help=f"seconds for {WINDOW} texts (default: %(default)g)"
    )


def run(args: argparse.Namespace) -> int:
    """Label the texts; returns 0, or 2 where the arguments name no texts."""
    if args.file is not None and args.texts:
        return _misused("give texts or --file, not both")
    if args.file is None and not args.texts and sys.stdin.isatty():
        return _misused('no texts: give some, or --file FILE, or - to type them: tritext classify "I love it"')
    if mistake := _mispaired(args):
        return _misused(mistake)
    writer: Writer = WRITERS[args.format or ("table" if sys.stdout.isatty() else "tsv")](sys.stdout)
    with _client(args) as client:
        _label(_items(args), client, writer, scores=args.scores)
    return 0


def _client(args: argparse.Namespace) -> Client:
    return Client(
        args.url,
        args.model,
        version=args.model_version,
        timeout=args.timeout,
        retries=RETRIES,
        ca_file=args.ca_file,
    )


def _mispaired(args: argparse.Namespace) -> str:
    """Say what is wrong with the second texts; "" where nothing is."""
    if args.pair_column is not None and (args.file is None or args.pair):
        return "--pair-column goes with --file, and without --pair"
    count = len(args.pair or ())
    if args.file is not None or args.texts in ([], [STANDARD_INPUT]):
        return f"{count} --pair for texts that are read: give one, or --pair-column" if count > 1 else ""
    if count > 1 and count != len(args.texts):
        return f"{count} --pair for {len(args.texts)} texts: give one for all, or one for each"
    return ""


def _items(args: argparse.Namespace) -> Iterator[Item]:
    if args.pair_column is not None:
        return read_pairs(args.file, args.pair_column)
    if not args.pair:
        return _texts(args)
    return zip(_texts(args), repeat(args.pair[0]) if len(args.pair) == 1 else args.pair, strict=False)


def _texts(args: argparse.Namespace) -> Iterator[str]:
    if args.file is not None:
        return read_texts(args.file)
    if args.texts in ([], [STANDARD_INPUT]):
        return read_texts(STANDARD_INPUT)
    return iter(args.texts)


def _label(items: Iterator[Item], client: Client, writer: Writer, *, scores: bool) -> None:
    with _progress() as progress:
        task = progress.add_task("texts", total=None)
        for window in _windows(items):
            texts, pairs = split_items(window)
            writer.write(client.classify(texts, pairs=pairs or None, scores=scores))
            sys.stdout.flush()
            progress.advance(task, len(window))


def _windows(items: Iterable[Item]) -> Iterator[Sequence[Item]]:
    items = iter(items)
    while window := list(islice(items, WINDOW)):
        yield window


def _progress() -> Progress:
    """A count on stderr, where somebody sees it and it does not run through the output on the same terminal."""
    return Progress(
        SpinnerColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty() or sys.stdout.isatty(),
    )


def _misused(message: str) -> int:
    sys.stderr.write(f"tritext classify: {message}\n")
    return 2
