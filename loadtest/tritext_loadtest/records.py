"""What became of each request: lines that the processes append to files, read while they are written.

A process writes ``records-N.csv``, a line a request, and ``notes-N.jsonl`` for what is rare: the words of an error, a
wrong label, the end.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

# The most wrong labels, and different errors, that a process spells out; all are counted.
MOST_NOTES = 20


class Outcome(StrEnum):
    """How a request ended."""

    ANSWERED = "answered"
    REJECTED = "rejected"
    FAILED = "failed"
    LATE = "late"
    SHED = "shed"


@dataclass(frozen=True, slots=True)
class Record:
    """One request.

    Attributes:
        intended: When it was to be sent, in seconds after the start.
        lateness: How much later it was sent, in seconds.
        latency: From when it was to be sent to its end, in seconds.
        texts: How many it held.
        outcome: How it ended; shed means that it was never sent, since too many were open.
        wrong: Answers with another label than expected.
        ties: Answers with another label that is as good.
        target: Position of the address it went to.
    """

    intended: float
    lateness: float
    latency: float
    texts: int
    outcome: Outcome
    wrong: int = 0
    ties: int = 0
    target: int = 0

    def to_line(self) -> str:
        """Write it."""
        times = f"{self.intended:.6f},{self.lateness:.6f},{self.latency:.6f}"
        return f"{times},{self.texts},{self.outcome},{self.wrong},{self.ties},{self.target}\n"

    @classmethod
    def from_line(cls, line: str) -> "Record":
        """Read what ``to_line`` wrote."""
        intended, lateness, latency, texts, outcome, wrong, ties, target = line.split(",")
        times = float(intended), float(lateness), float(latency)
        return cls(*times, int(texts), Outcome(outcome), int(wrong), int(ties), int(target))


class Writer:
    """One process's files, flushed line by line so that whoever watches sees them at once."""

    def __init__(self, folder: Path, index: int) -> None:
        self._records = records_path(folder, index).open("w", encoding="utf-8", buffering=1)
        self._notes = notes_path(folder, index).open("w", encoding="utf-8", buffering=1)
        self._noted: dict[str, int] = {}
        self._said: set[tuple[str, str]] = set()

    def record(self, record: Record) -> None:
        """Write a request down."""
        self._records.write(record.to_line())

    def note(self, kind: str, words: str, **more: Any) -> None:
        """Write something rare down, each words of a kind once, and not more than twenty of a kind."""
        if (kind, words) in self._said or self._noted.get(kind, 0) >= MOST_NOTES:
            return
        self._said.add((kind, words))
        self._noted[kind] = self._noted.get(kind, 0) + 1
        self._notes.write(json.dumps({"kind": kind, "words": words} | more) + "\n")

    def close(self) -> None:
        """Write what is left."""
        self._records.close()
        self._notes.close()


class Reader:
    """All processes' files, each read on from where it was left."""

    def __init__(self, folder: Path, processes: int) -> None:
        self._records = [_Tail(records_path(folder, index)) for index in range(processes)]
        self._notes = [_Tail(notes_path(folder, index)) for index in range(processes)]

    def records(self) -> Iterator[Record]:
        """Give the requests that have ended since the last time."""
        for tail in self._records:
            yield from map(Record.from_line, tail.lines())

    def notes(self) -> Iterator[dict[str, Any]]:
        """Give the notes since the last time."""
        for tail in self._notes:
            yield from map(json.loads, tail.lines())


class _Tail:
    """A file that grows: whole lines only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def lines(self) -> Iterator[str]:
        if not self._path.is_file():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                yield line.decode().rstrip("\n")


def records_path(folder: Path, index: int) -> Path:
    """Say where a process writes its requests."""
    return folder / f"records-{index}.csv"


def notes_path(folder: Path, index: int) -> Path:
    """Say where a process writes its notes."""
    return folder / f"notes-{index}.jsonl"
