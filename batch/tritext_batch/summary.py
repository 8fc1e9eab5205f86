"""What a finished job says of itself: counts and rates, for people and as JSON. Pure."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from tritext_batch.job import Job
from tritext_batch.journal import Progress

_UNASKED = ", which had no row to answer"


@dataclass(frozen=True, slots=True)
class Summary:
    """One job's figures.

    Attributes:
        name: The job's, if it has one.
        input: Where it came from.
        output: Where it went.
        rows: Rows of the input, rejected ones included.
        labels: How many rows have each label.
        rejected: How many rows were rejected.
        rejected_rows: Where they are; None where none is.
        truncated: How many texts were longer than the model reads.
        model: The model's name.
        model_source: The URL that was asked, or the repository that was served.
        model_versions: The versions that answered.
        rows_this_run: Rows that this run scored, where it went on with an earlier one's.
        started: When this run began, its embedded server's start and its pull included; UTC, ISO 8601.
        finished: When the output was there.
        seconds: How long this run scored.
        rows_per_second: Of this run.
    """

    name: str
    input: str
    output: str
    rows: int
    labels: dict[str, int]
    rejected: int
    rejected_rows: str | None
    truncated: int
    model: str
    model_source: str
    model_versions: tuple[str, ...]
    rows_this_run: int
    started: str
    finished: str
    seconds: float
    rows_per_second: float

    def as_json(self) -> dict[str, object]:
        """Give it as a JSON object's content."""
        return asdict(self)

    def lines(self) -> list[tuple[str, str]]:
        """Give it as words with their headings."""
        labels = ", ".join(f"{label} {count:,}" for label, count in self.labels.items()) or "none"
        found = [
            ("rows", f"{self.rows:,} in {self.seconds:,.1f} s, {self.rows_per_second:,.0f} a second"),
            ("labels", labels),
            ("truncated", f"{self.truncated:,}"),
            ("rejected", f"{self.rejected:,}" + (f" ({self.rejected_rows})" if self.rejected else "")),
            ("model", self.model + (f" version {', '.join(self.model_versions)}" if self.model_versions else _UNASKED)),
            ("output", self.output),
        ]
        if self.rows_this_run != self.rows:
            found[0] = (
                "rows",
                f"{self.rows:,}, of which {self.rows_this_run:,} in this run: "
                f"{self.seconds:,.1f} s, {self.rows_per_second:,.0f} a second",
            )
        return found


def summarise(job: Job, before: int, progress: Progress, seconds: float, span: tuple[datetime, datetime]) -> Summary:
    """Sum a job up.

    Args:
        job: What was asked for.
        before: Rows that earlier runs had dealt with.
        progress: How far it is now.
        seconds: How long this run scored.
        span: When this run began, and when the output was there.
    """
    started, finished = (moment.astimezone(UTC).isoformat(timespec="seconds") for moment in span)
    rows = progress.rows - before
    return Summary(
        name=job.name,
        input=job.input_uri,
        output=job.output_uri,
        rows=progress.rows,
        labels=dict(sorted(progress.labels.items())),
        rejected=progress.rejections,
        rejected_rows=job.rejected_uri if progress.rejections else None,
        truncated=progress.truncated,
        model=job.model.name,
        model_source=job.model.source_uri,
        model_versions=progress.versions,
        rows_this_run=rows,
        started=started,
        finished=finished,
        seconds=round(seconds, 3),
        rows_per_second=round(rows / seconds, 1) if seconds > 0 else 0.0,
    )
