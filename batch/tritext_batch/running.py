"""One job from its description to its output. What it decides, others do.

input ──► reader ──► engine (blocks scored, in order) ──► workspace ──► published, the rows last
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from tritext_batch.asking import Asked
from tritext_batch.embedded import serve
from tritext_batch.engines.local import score_here
from tritext_batch.errors import InputError
from tritext_batch.formats import PARQUET, Encoder, Reader, open_encoder, open_reader
from tritext_batch.job import RAY, REPOSITORY, Job
from tritext_batch.journal import Identity, Progress
from tritext_batch.places import Place, place, require_room
from tritext_batch.progress import Watch
from tritext_batch.repositories import bring
from tritext_batch.rows import Scored
from tritext_batch.served import check_model, manifest_of
from tritext_batch.settings import prepare_ray
from tritext_batch.stamps import Stamp
from tritext_batch.summary import Summary, summarise
from tritext_batch.workspace import Workspace, written


@dataclass(frozen=True, slots=True)
class Opened:
    """A job's input, as it was when the job looked at it."""

    source: Place
    stamp: Stamp
    reader: Reader
    encoder: Encoder

    @property
    def total(self) -> int:
        """What positions are a share of."""
        return int(getattr(self.reader, "total", self.stamp.size))


def carry_out(job: Job, watch: Watch, *, overwrite: bool = False) -> Summary:
    """Run a job, or what an earlier run has left of it.

    Args:
        job: What to score.
        watch: Shown how far it is.
        overwrite: Whether an output that exists may be replaced, and another job's unfinished work thrown away.

    Raises:
        BatchError: it stopped; the same job goes on where it did.
    """
    began = datetime.now(UTC)
    target, source = place(job.output_uri), place(job.input_uri)
    stamp = source.stamp()
    _refuse_unwritable(job, target, stamp.size, overwrite=overwrite)
    with source.open() as file:
        opened = _open(job, source, stamp, file)
        identity = Identity(job.input_uri, stamp.size, stamp.mark, job.settings)
        with Workspace(job.work, identity, opened.encoder.header(), overwrite=overwrite) as space:
            before = space.progress.rows
            seconds = 0.0 if space.progress.complete else _score(job, opened, space, watch)
            _publish(job, space, target, overwrite=overwrite)
            summary = summarise(job, before, space.progress, seconds, (began, datetime.now(UTC)))
            space.discard()
    return summary


def _refuse_unwritable(job: Job, target: Place, size: int, *, overwrite: bool) -> None:
    """Refuse before any work what could not be written in the end.

    What is there already does not matter where the journal of an earlier run is: that run may have put it there.
    """
    rows = job.work / "rows"
    with written(job.work, "choose another place with --work"):
        again = overwrite or (job.work / "journal").is_file()
        done = rows.stat().st_size if rows.is_file() else 0
    left = max(0, size - done)  # the output is hardly smaller than the input
    target.require_writable(left, overwrite=again)
    place(job.rejected_uri).require_writable(0, overwrite=again)
    require_room(next(path for path in (job.work, *job.work.absolute().parents) if path.is_dir()), left)


def _open(job: Job, source: Place, stamp: Stamp, file: BinaryIO) -> Opened:
    reader = open_reader(job.input_type, file, job.input_uri, job.column, job.limits)
    return Opened(source, stamp, reader, open_encoder(job.output_type, reader, job.prefix))


def _score(job: Job, opened: Opened, space: Workspace, watch: Watch) -> float:
    """Score what is left; gives the seconds that it took."""
    position = opened.reader.start if space.progress.position < 0 else space.progress.position
    number, before = space.progress.number, space.progress.rows

    def deliver(scored: Scored) -> None:
        space.append(scored, _checked(job, space.progress, repository, scored.versions))
        watch.advance(scored.position, space.progress.rows - before, space.progress.rows)

    repository = bring(job.model.source_uri, job.work, watch) if job.model.source_type == REPOSITORY else None
    _checked(job, space.progress, repository, [job.model.version] if job.model.version else space.progress.versions)
    with _asked(job, repository) as asked:
        began = time.monotonic()
        watch.begin(opened.total, position, before)
        try:
            _engine(job, opened, asked)(position, number, deliver, watch.note)
            if opened.source.stamp() != opened.stamp:
                raise InputError(f"{job.input_uri}: has changed while it was scored: begin anew with --overwrite")
        except BaseException:
            space.commit()
            raise
        space.commit(complete=True)
    return time.monotonic() - began


Engine = Callable[[int, int, Callable[[Scored], None], Callable[[str], None]], None]


def _engine(job: Job, opened: Opened, asked: Asked) -> Engine:
    def here(position: int, number: int, deliver: Callable[[Scored], None], note: Callable[[str], None]) -> None:
        score_here(asked, opened.reader.blocks(position, number), opened.encoder, deliver, note)

    def on_ray(position: int, number: int, deliver: Callable[[Scored], None], note: Callable[[str], None]) -> None:
        prepare_ray(own=not job.environment.address)
        from tritext_batch.engines.cluster import score_on_ray

        score_on_ray(job, asked, opened.reader.blocks(position, number), (position, number), deliver)

    return on_ray if job.environment.engine == RAY else here


def _checked(job: Job, progress: Progress, repository: Path | None, versions: Iterable[str]) -> dict[str, str]:
    """Give the manifests of versions that answer, or will, unless they are of another model than has answered."""
    manifests = {version: manifest_of(repository, job.model.name, version) for version in versions}
    if not job.mixed_versions:
        check_model(job.model.name, progress.models, manifests, job.work)
    return manifests


@contextlib.contextmanager
def _asked(job: Job, repository: Path | None) -> Iterator[Asked]:
    model, environment = job.model, job.environment
    with contextlib.ExitStack() as stack:
        url = model.source_uri if repository is None else stack.enter_context(serve(str(repository)))
        yield Asked(
            url,
            model.name,
            model.version,
            environment.key_file,
            environment.ca_file,
            environment.max_in_flight,
            environment.patience,
        )


def _publish(job: Job, space: Workspace, target: Place, *, overwrite: bool) -> None:
    """Put the rejected rows where they belong, then the output: whoever sees it sees all of it."""
    beside = place(job.rejected_uri)
    if space.progress.rejections and space.rejected_path.exists():
        beside.publish(space.rejected_path, overwrite=True)  # perhaps it was put there before a kill
    elif not space.progress.rejections and overwrite:
        beside.remove()
    if not space.rows_path.exists():
        return  # the last run was killed just behind this
    if job.output_type != PARQUET:
        target.publish(space.rows_path, overwrite=overwrite)
        return
    from tritext_batch.formats.parquet import write_parquet

    target.publish(space.convert(write_parquet), overwrite=overwrite)
    space.rows_path.unlink()
