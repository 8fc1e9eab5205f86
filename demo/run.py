"""The main job on real input: export two models, serve them, classify real reviews, compare with the truth.

Usage: python demo/run.py [--repository DIR] [--texts FILE]
"""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from tritext import Client, Prediction, TritextError
from tritext_export.commands.console import ConsoleProgress
from tritext_export.errors import ExportError
from tritext_export.export import export_model
from tritext_export.labelled import Example, read_examples, select
from tritext_export.request import ExportRequest
from tritext_loadtest.load import Shape, run
from tritext_serve import wheel
from tritext_serve.errors import ServeError
from tritext_serve.flags import Address
from tritext_serve.server import Server, ServerOptions, free_ports

HERE = Path(__file__).parent
MODELS = {"sentiment": "demo/sentiment", "sentiment_naive": "demo/naive"}
SHOWN = 12
LOADS = (Shape(16, 1), Shape(4, 16))
TIMEOUT_SECONDS = 60.0
# VADER's own README calls a text positive from here on.
VADER_POSITIVE = 0.05


def main(arguments: Sequence[str]) -> None:
    """Run the demo from export to figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repository", type=Path, default=Path("model_repository"), metavar="DIR")
    parser.add_argument("--texts", type=Path, default=Path(".cache/movie-reviews.tsv"), metavar="FILE")
    args = parser.parse_args(arguments)
    console = Console(highlight=False, soft_wrap=True)
    started = time.perf_counter()
    wheel.find()
    export(console, args.repository, args.texts)
    examples = select(read_examples(args.texts), "test")
    ports = free_ports(3)
    options = ServerOptions(
        address=Address("127.0.0.1", *ports), instances={"sentiment_naive": 1, "sentiment_naive_classifier": 1}
    )
    server = Server(args.repository, options)
    with console.status("starting Triton …"):
        server.start()
    try:
        show(console, server, examples)
    finally:
        server.stop()
    console.print(
        f"\nThe demo took {time.perf_counter() - started:.0f} s; its server is stopped, nothing is left running."
    )
    console.print(
        "Next: `make serve` keeps one running until Ctrl-C; then, in another terminal,\n"
        '      .venv/bin/tritext classify "What a lovely film."\n'
        "      make bench, make test, or README.md for your own model."
    )


def export(console: Console, repository: Path, texts: Path) -> None:
    """Export both models, each with its certificate."""
    for name, source in MODELS.items():
        request = ExportRequest(
            source=source,
            name=name,
            repository=repository,
            texts=texts,
            split="test",
            label_output="sentiment",
        )
        published = export_model(request, ConsoleProgress())
        state = "exported" if published.fresh else "already exported"
        console.print(f"[bold]{name}[/] {state} from {source}, version {published.version}; {published.line}")


def show(console: Console, server: Server, examples: Sequence[Example]) -> None:
    """Classify the test split with both models through the server and print what came of it."""
    with (
        Client(server.grpc_url, "sentiment", timeout=TIMEOUT_SECONDS) as trained,
        Client(server.grpc_url, "sentiment_naive", timeout=TIMEOUT_SECONDS) as naive,
    ):
        texts = [e.text for e in examples]
        answers = trained.classify(texts), naive.classify(texts)
        console.print(f"\nTriton answers on {server.http_url} and {server.grpc_url}. Twelve reviews it never saw:\n")
        console.print(reviews_table(examples, *answers, width=max(30, min(70, console.width - 40))))
        console.print(f"\nAccuracy on all {len(texts):,} test reviews, through the server:")
        for name, share in accuracies(examples, *answers).items():
            console.print(f"  {name:<42} {share:.4f}")
        console.print("\nWhat a text costs (fp32; the client shares these cores):")
        for shape in LOADS:
            before = server.footprint().cpu_seconds
            result = run(lambda batch: trained.classify(list(batch)), texts, shape)
            milliseconds = 1e3 * (server.footprint().cpu_seconds - before) / result.texts
            console.print(
                f"  {shape!s:<24} {result.texts_per_second:6.0f} texts/s {milliseconds:6.2f} server CPU-ms a text"
            )
    used = server.footprint()
    console.print(f"  {used.rss_bytes / 1e6:.0f} MB resident in {used.processes} processes")


def reviews_table(
    examples: Sequence[Example], trained: Sequence[Prediction], naive: Sequence[Prediction], width: int
) -> Table:
    """Put a dozen reviews beside what each model says of them; wrong labels stand in red."""
    table = Table("review", "true", "trained", "naive", box=None, pad_edge=False)
    table.columns[0].no_wrap, table.columns[0].overflow, table.columns[0].max_width = True, "ellipsis", width
    for example, *answers in list(zip(examples, trained, naive, strict=True))[:SHOWN]:
        cells = [f"[{'green' if a.label == example.label else 'red'}]{a.label} {a.score:.2f}[/]" for a in answers]
        table.add_row(example.text.replace("[", r"\["), example.label, *cells)
    return table


def accuracies(
    examples: Sequence[Example], trained: Sequence[Prediction], naive: Sequence[Prediction]
) -> dict[str, float]:
    """Compare both models and VADER's word list with the truth."""
    vader = SentimentIntensityAnalyzer()
    rated = [
        "positive" if vader.polarity_scores(e.text)["compound"] >= VADER_POSITIVE else "negative" for e in examples
    ]
    truth = [e.label for e in examples]
    given = {
        "trained (LoRA, merged)": [p.label for p in trained],
        "naive (frozen encoder, linear head)": [p.label for p in naive],
        "VADER (word list, not served)": rated,
    }
    return {name: sum(map(str.__eq__, labels, truth)) / len(truth) for name, labels in given.items()}


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main(sys.argv[1:])
    except (ExportError, ServeError, TritextError) as error:
        sys.exit(f"demo: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
