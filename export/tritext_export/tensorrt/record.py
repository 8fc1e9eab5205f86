"""What is known of an engine, as JSON beside it: evidence in, the record's text out, and the record read back. Pure.

A record lists engines by their sha256. There is one; while one engine replaces another there are two, so that whoever
reads record and engine at any moment, killed or not, finds the one in the other.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from tritext_export.certificate import Certificate
from tritext_export.errors import EngineError
from tritext_export.tensorrt.profiles import Profile

SCHEMA = 1
RECORD_SUFFIX = ".json"
Proved = Literal["engine", "graph", "nothing"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for an engine's labels.

    Attributes:
        proved: ``engine``: it ran, and gave the certified graph's labels. ``graph``: it did not run; the graph that it
            was built from is the certified one, or its fp16 form has given the same labels on a CPU. ``nothing``:
            nobody has compared anything.
        device: What it ran on; None where it did not.
        reason: Why it did not run; "" where it did.
        certificate: The comparison; None where there was none.
        milliseconds: A text's cost by what ran it, see ``timing``.
        profiles_run: Numbers of the profiles that it ran with: those that the texts' lengths reach.
    """

    proved: Proved
    device: str | None = None
    reason: str = ""
    certificate: Certificate | None = None
    milliseconds: Mapping[str, float] = field(default_factory=dict)
    profiles_run: Sequence[int] = ()

    @property
    def lines(self) -> tuple[str, str]:
        """Say in two lines what was compared, and what ran."""
        if self.certificate is not None:
            subject = "engine" if self.proved == "engine" else "fp16 graph on the CPU"
            compared = f"{subject}, {self.certificate.line}"
        elif self.proved == "nothing":
            compared = "labels were not compared (--unproved)"
        else:
            compared = "labels were not compared; the graph is the certified one"
        ran = f"the engine ran on {self.device}" if self.device else f"the engine did not run: {self.reason}"
        return compared, ran


@dataclass(frozen=True, slots=True)
class Built:
    """What an engine is of.

    Attributes:
        model: The front's name.
        version: Its version.
        precision: What it computes in.
        library: What built it; it runs with no other.
        profiles: The shapes it takes.
        graph: Path of the certified graph in its repository.
        graph_sha256: Its hash.
        parsed_sha256: Hash of what the library was given: the graph in its precision.
        created: UTC time, ISO 8601.
    """

    model: str
    version: int
    precision: str
    library: str
    profiles: Sequence[Profile]
    graph: str
    graph_sha256: str
    parsed_sha256: str
    created: str


def to_entry(built: Built, evidence: Evidence, size: int) -> dict[str, Any]:
    """Describe an engine of ``size`` bytes as JSON's own types, the verdict first."""
    certificate = evidence.certificate
    return {
        "passed": evidence.proved != "nothing",
        "proved": evidence.proved,
        "ran": evidence.device is not None,
        "device": evidence.device or "none",
        "reason": evidence.reason,
        "line": "; ".join(evidence.lines),
        "bytes": size,
        **asdict(built),
        "profiles_run": list(evidence.profiles_run),
        "milliseconds": dict(evidence.milliseconds),
        "certificate": certificate.to_json() if certificate else None,
    }


def to_text(engines: Mapping[str, Mapping[str, Any]]) -> str:
    """Write a record of engines by their sha256."""
    return json.dumps({"schema": SCHEMA, "engines": engines}, indent=2, ensure_ascii=False) + "\n"


def find_entry(text: str, digest: str) -> dict[str, Any]:
    """Find an engine in a record.

    Args:
        text: The record.
        digest: The engine's sha256.

    Raises:
        EngineError: it is not in there, or the record cannot be read.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EngineError(f"its record is not valid JSON ({error})") from error
    engines = content.get("engines") if isinstance(content, dict) else None
    entry = engines.get(digest) if isinstance(engines, dict) else None
    if not isinstance(entry, dict):
        raise EngineError(f"its record is of another engine: its sha256 is {digest[:12]}…")
    return entry
