"""How far a job is, and whose job it is: what must be known to go on after a kill. Values and their file's text.

The rows that are scored lie in one file, the rejected ones in another; the journal says how many bytes of each count.
Whatever stands behind these bytes was written by a process that died before it said so, and is cut off. So a row is in
the output exactly once, wherever the job was killed: before the journal says so it is read again, afterwards it is not.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tritext_batch.errors import ResumeError
from tritext_batch.rows import Scored

FORMAT = 2


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes two jobs the same.

    Attributes:
        input: Where the input lies.
        size: Its bytes.
        stamp: What changes with its content: an ETag, or the time of its last change.
        settings: Everything else that the output depends on, by the name under which a user knows it.
    """

    input: str
    size: int
    stamp: str
    settings: dict[str, str] = field(default_factory=dict)

    def differences(self, other: "Identity") -> list[str]:
        """Say in words in what another job differs from this one."""
        found = []
        if self.input != other.input:
            found.append(f"the input was {self.input}")
        elif (self.size, self.stamp) != (other.size, other.stamp):
            found.append(f"{self.input} has changed since ({self.size} bytes then, {other.size} now)")
        for name in sorted(self.settings.keys() | other.settings.keys()):
            then, now = self.settings.get(name), other.settings.get(name)
            if then != now:
                found.append(f"{name} was {then!r} and is {now!r}")
        return found


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is.

    Attributes:
        number: The last row that is dealt with.
        position: Where the next one begins in the input; -1 before the first.
        output: Bytes of the output that count.
        rejected: Bytes of the rejected rows that count.
        labels: How many rows have each label.
        rejections: How many were rejected.
        truncated: How many texts were longer than the model reads.
        models: The model's versions that answered, each with the manifests that it had ("" for none known).
        complete: Whether the whole input is dealt with.
    """

    number: int = 0
    position: int = -1
    output: int = 0
    rejected: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    rejections: int = 0
    truncated: int = 0
    models: dict[str, tuple[str, ...]] = field(default_factory=dict)
    complete: bool = False

    @property
    def rows(self) -> int:
        """How many rows are dealt with."""
        return sum(self.labels.values()) + self.rejections

    @property
    def versions(self) -> tuple[str, ...]:
        """The model's versions that answered."""
        return tuple(self.models)

    def after(self, scored: Scored, manifests: Mapping[str, str] | None = None) -> "Progress":
        """Count a block's share.

        Args:
            scored: The block's.
            manifests: Of the versions that answered it, where they are known.
        """
        labels = dict(self.labels)
        for label, count in scored.labels.items():
            labels[label] = labels.get(label, 0) + count
        models = dict(self.models)
        for version in scored.versions:
            models[version] = tuple(dict.fromkeys((*models.get(version, ()), (manifests or {}).get(version, ""))))
        return Progress(
            number=scored.number,
            position=scored.position,
            output=self.output + len(scored.output),
            rejected=self.rejected + len(scored.rejected),
            labels=labels,
            rejections=self.rejections + scored.rejections,
            truncated=self.truncated + scored.truncated,
            models=models,
        )


def write_journal(identity: Identity, progress: Progress) -> str:
    """Give the text of the journal's file."""
    content = json.dumps(
        {"format": FORMAT, "job": dataclasses.asdict(identity), "progress": dataclasses.asdict(progress)},
        sort_keys=True,  # and in ASCII: a file's name need not be UTF-8
    )
    return f"{content}\n{_digest(content)}\n"


def read_journal(text: str, name: str) -> tuple[Identity, Progress]:
    """Read it back.

    Raises:
        ResumeError: it is damaged, or of another version.
    """
    content, _, digest = text.removesuffix("\n").rpartition("\n")
    if not content or digest != _digest(content):
        raise ResumeError(f"{name}: damaged: begin anew with --overwrite")
    found: dict[str, Any] = json.loads(content)
    if found["format"] != FORMAT:
        raise ResumeError(f"{name}: of another version of tritext: finish the job with that, or --overwrite")
    progress = Progress(**found["progress"])
    models = {version: tuple(manifests) for version, manifests in progress.models.items()}
    return Identity(**found["job"]), dataclasses.replace(progress, models=models)


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()
