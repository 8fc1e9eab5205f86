"""One job, whoever described it: a job file or the command line. Values, and what is wrong with them."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tritext_batch.errors import JobFileError, OutputError
from tritext_batch.formats import KINDS, check_pair, kind_of
from tritext_batch.formats.grouping import Limits
from tritext_batch.places import local_path, same_place

ENDPOINT, REPOSITORY = "endpoint", "repository"
LOCAL, RAY = "local", "ray"


@dataclass(frozen=True, slots=True)
class Model:
    """What answers.

    Attributes:
        name: The front model's name.
        source_type: ``endpoint``, a server that runs, or ``repository``, which the job serves itself.
        source_uri: The server's URL, or where the repository lies.
        version: The version to ask; empty to let the server choose.
    """

    name: str = "sentiment"
    source_type: str = REPOSITORY
    source_uri: str = "model_repository"
    version: str = ""


@dataclass(frozen=True, slots=True)
class Environment:
    """Where and how the job runs; nothing of it changes the output.

    Attributes:
        engine: ``local``, this process alone, or ``ray``.
        address: Of the Ray cluster; empty for one on this machine.
        workers: How many Ray workers ask the model; 0 for one a CPU of the cluster.
        key_file: File of the API key, on each machine that asks.
        ca_file: Certificates to trust, on each machine that asks.
        max_in_flight: Most requests in flight, of each worker.
        patience: Seconds to wait for a server that is away or full.
        work: Folder for what is not done yet; None for one beside the output.
    """

    engine: str = LOCAL
    address: str = ""
    workers: int = 0
    key_file: Path | None = None
    ca_file: Path | None = None
    max_in_flight: int = 32
    patience: float = 300.0
    work: Path | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be scored.

    Attributes:
        input_uri: A path or URI.
        output_uri: A path or URI.
        input_type: One of ``KINDS``.
        output_type: What the input may become, of ``KINDS``.
        name: For messages and the summary.
        column: The column, or key, of the text.
        prefix: What the new columns' names begin with.
        mixed_versions: Whether answers of several versions of the model may stand in one output.
        model: What answers.
        environment: Where and how.
        limits: What bounds its memory.
    """

    input_uri: str
    output_uri: str
    input_type: str
    output_type: str
    name: str = ""
    column: str = "text"
    prefix: str = ""
    mixed_versions: bool = False
    model: Model = field(default_factory=Model)
    environment: Environment = field(default_factory=Environment)
    limits: Limits = field(default_factory=Limits)

    @property
    def settings(self) -> dict[str, str]:
        """What the output depends on beside the input and what answers, by the names that users know."""
        return {
            "input type": self.input_type,
            "output type": self.output_type,
            "column": self.column,
            "prefix": self.prefix,
            "model": self.model.name,
            "longest row": str(self.limits.row_bytes),
        }

    @property
    def work(self) -> Path:
        """The folder of what is not done yet."""
        if self.environment.work is not None:
            return self.environment.work
        if (path := local_path(self.output_uri)) is not None:
            return path.with_name(path.name + ".partial")
        digest = hashlib.sha256(self.output_uri.encode()).hexdigest()[:12]
        return Path(f"score-{digest}.partial")

    @property
    def rejected_uri(self) -> str:
        """Where the rejected rows go."""
        return self.output_uri + ".rejected.jsonl"


def infer_type(given: str | None, uri: str, key: str, kinds: Iterable[str] = KINDS) -> str:
    """Take the format that was given, or that the name's suffix tells.

    Args:
        given: What was said.
        uri: The input or the output.
        key: Which of the two.
        kinds: What to offer where neither says it.

    Raises:
        JobFileError: neither says it.
    """
    kind = given or kind_of(uri)
    if kind is None or kind not in KINDS:
        # Behind a URI's question mark there may be a SAS, which place() refuses without showing it.
        shown = uri.partition("?")[0] if "://" in uri else uri
        what = f"{key}_type {given!r}" if given else f"{key} {shown!r}: its suffix says no format"
        raise JobFileError(f"{what}: give --{key}-type (in a job file {key}_type) as one of {', '.join(kinds)}")
    return kind


def check(job: Job, marks: Mapping[str, str] | None = None) -> Job:
    """Return the job if its parts fit together.

    Args:
        job: What was asked for.
        marks: Where each key stands, to begin a message with; nothing for a command line.

    Raises:
        JobFileError: naming the key, its value and the remedy.
    """

    def where(key: str) -> str:
        return (marks or {}).get(key, "")

    try:
        check_pair(job.input_type, job.output_type)
    except OutputError as error:
        raise JobFileError(f"{where('output_type')}{error}") from error
    if same_place(job.input_uri, job.output_uri):
        raise JobFileError(f"{where('output_uri')}the output is the input: {job.output_uri}: name another")
    if same_place(job.input_uri, job.rejected_uri):
        raise JobFileError(
            f"{where('output_uri')}the input is where the rejected rows go: {job.rejected_uri}: name another output"
        )
    if job.model.source_type == REPOSITORY and job.environment.engine == RAY:
        raise JobFileError(
            f"{where('source_type')}workers on several machines ask one endpoint: give its URL "
            "(--url, or source_type: endpoint), not a repository"
        )
    if job.model.version and not (job.model.version.isdecimal() and int(job.model.version) > 0):
        raise JobFileError(f"{where('version')}model version {job.model.version!r}: give a whole number from 1")
    return job
