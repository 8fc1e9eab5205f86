"""Small repositories as `tritext export` lays them out, with contents that nobody loads."""

import random
from collections.abc import Callable, Mapping
from pathlib import Path

FRONT, CLASSIFIER = "films", "films_classifier"


def write_repository(folder: Path, seed: int = 1, *, weights: int = 40_000, versions: int = 1) -> Path:
    """Write a repository; another seed gives other weights and another configuration, and the same tokenizer.

    Args:
        folder: Where; made if it is missing.
        seed: Of what differs.
        weights: Bytes of each model.
        versions: How many.
    """
    draw = random.Random(seed)
    for version in map(str, range(1, versions + 1)):
        _write(folder / FRONT / version / "manifest.json", f'{{"seed": {seed}}}'.encode())
        _write(folder / FRONT / version / "certificate.json", b'{"passed": true}')
        _write(folder / FRONT / version / "tokenizer.json", b"{}" * 3000)
        _write(folder / CLASSIFIER / version / "model.onnx", draw.randbytes(weights))
    for model in (FRONT, CLASSIFIER):
        _write(folder / model / "config.pbtxt", f'name: "{model}" # {seed}'.encode())
        _write(folder / model / "configs" / "gpu.pbtxt", b"platform: 'x'")
    _write(folder / FRONT / "labels.txt", b"negative\npositive\n")
    _write(folder / CLASSIFIER / "warmup" / "ones_8", b"\1" * 64)
    _write(folder / ".lock", b"")
    _write(folder / "README.md", b"not part of any model")
    return folder


def contents(repository: Path) -> Mapping[str, bytes]:
    """Read every file that is part of a model, by its path."""
    files = (path for model in (FRONT, CLASSIFIER) for path in (repository / model).rglob("*") if path.is_file())
    return {path.relative_to(repository).as_posix(): path.read_bytes() for path in files}


class Unseen:
    """Progress that adds up what it hears."""

    def __init__(self) -> None:
        """Have heard nothing."""
        self.stages: list[tuple[str, int, list[int]]] = []

    def stage(self, what: str, total: int) -> Callable[[int], None]:
        """Begin a stage."""
        steps: list[int] = []
        self.stages.append((what, total, steps))
        return steps.append


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
