"""What can be wrong with a repository that an endpoint is told to take, each with the row of the table of faults."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Breakage:
    """One way to break a repository.

    Attributes:
        row: Its row in the table of faults.
        name: In a test's name.
        spoil: Breaks a copy of a repository, where a file that is changed must be replaced: it may be a link.
        says: The refusal, a pattern.
    """

    row: int
    name: str
    spoil: Callable[[Path], None]
    says: str


def _graph(repository: Path) -> Path:
    return max(repository.glob("sentiment_classifier/*/model.onnx"), key=lambda path: int(path.parent.name))


def _replace(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def _one_bit(repository: Path) -> None:
    path = _graph(repository)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    _replace(path, bytes(content))


def _cut(repository: Path) -> None:
    path = _graph(repository)
    _replace(path, path.read_bytes()[:-1000])


def _configuration(repository: Path) -> None:
    _replace(repository / "sentiment_classifier" / "config.pbtxt", b'name: "sentiment_classifier"\nbackend: [\n')


BREAKAGES = (
    Breakage(35, "a bit of the graph is another", _one_bit, r"model\.onnx.*sha256"),
    Breakage(35, "the graph is cut", _cut, r"model\.onnx"),
    Breakage(37, "a configuration that cannot be read", _configuration, r"config\.pbtxt"),
)
