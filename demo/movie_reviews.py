"""Fetch the demo's corpus: movie-review sentences with human ratings, as one labelled TSV file.

The sentences come in the source distribution of vaderSentiment (MIT licence), rated by twenty people each
(Hutto and Gilbert, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text",
ICWSM 2014). The sign of the mean rating is the label; the 37 sentences rated exactly zero are left out.

Usage: python demo/movie_reviews.py OUTPUT.tsv
"""

import io
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tritext_export.labelled import Example, write_tsv

REQUIREMENT = Path(__file__).with_name("corpus-requirement.txt")
ARCHIVE = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
RATINGS = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"
EXPECTED = 10_568


def download(folder: Path) -> Path:
    """Have pip fetch the source distribution, hash-checked, and return its path."""
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-binary=:all:", "--no-deps", "--require-hashes")
    subprocess.run((*pip, "--dest", str(folder), "--requirement", str(REQUIREMENT)), check=True)
    return next(folder.glob("vader[sS]entiment-*.tar.gz"))


def unpack(sdist: Path) -> str:
    """Read the ratings file out of the archive inside the source distribution."""
    with tarfile.open(sdist) as outer:
        inner_bytes = _member(outer, ARCHIVE)
    with tarfile.open(fileobj=io.BytesIO(inner_bytes)) as inner:
        return _member(inner, RATINGS).decode("utf-8")


def parse(ratings: str) -> Iterator[Example]:
    """Turn ``id TAB mean rating TAB sentence`` lines into labelled examples."""
    for line in ratings.splitlines():
        if not line.strip():
            continue
        _, mean, text = line.split("\t", 2)
        if float(mean) != 0:
            yield Example(text.strip(), "positive" if float(mean) > 0 else "negative")


def main(output: Path) -> None:
    """Download, parse, check the count, write atomically."""
    with tempfile.TemporaryDirectory() as folder:
        examples = tuple(parse(unpack(download(Path(folder)))))
    if len(examples) != EXPECTED:
        raise SystemExit(f"expected {EXPECTED} rated sentences, the archive holds {len(examples)}")
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_suffix(".partial")
    write_tsv(partial, examples)
    partial.replace(output)


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise SystemExit(f"{name} is not a file in the archive")
    return file.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
