"""A job's folder: wherever the process dies, whoever goes on leaves every row once and in order."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tritext_batch import workspace
from tritext_batch.errors import OutputError, ResumeError
from tritext_batch.journal import Identity
from tritext_batch.rows import Scored
from tritext_batch.workspace import Workspace

IDENTITY = Identity("in", 1, "e")
HEADER = b"text\tlabel\n"
ROWS = 20


def block(number: int) -> Scored:
    """Row ``number``; every third is rejected."""
    line = f"row {number}\n".encode()
    if number % 3:
        return Scored(number, number, line, b"", {"a": 1})
    return Scored(number, number, b"", line, {}, 1)


def work(folder: Path, rows: int, *, commit: bool) -> int:
    """Go on as a job does, for so many rows; gives the last one's number."""
    with Workspace(folder, IDENTITY, HEADER) as space:
        first = space.progress.number + 1
        for number in range(first, min(first + rows, ROWS + 1)):
            space.append(block(number))
        if commit:
            space.commit()
        return space.progress.number


# A run before a kill: how many rows it appends, whether it commits, what else reached the disk behind the journal's
# bytes, and whether a new journal was half written.
RUN = st.tuples(st.integers(0, 8), st.booleans(), st.binary(max_size=20), st.booleans())


@settings(deadline=None, max_examples=60)
@given(st.lists(RUN, max_size=6), st.sampled_from([0.0, 3600.0]))
def test_killed_anywhere_every_row_is_there_once(runs: list[tuple[int, bool, bytes, bool]], pause: float) -> None:
    folder = Path(tempfile.mkdtemp()) / "out.partial"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workspace, "COMMIT_SECONDS", pause)
        patch.setattr(os, "fsync", lambda descriptor: None)  # these processes are killed, their machine stays up
        for rows, commit, behind, half in runs:
            work(folder, rows, commit=commit)
            for name in ("rows", "rejected"):
                with (folder / name).open("ab") as file:
                    file.write(behind)
            if half:
                (folder / ".journal.partial").write_bytes(b'{"format": 1, "jo')
        work(folder, ROWS, commit=True)
    expected = [block(number) for number in range(1, ROWS + 1)]
    assert (folder / "rows").read_bytes() == HEADER + b"".join(each.output for each in expected)
    assert (folder / "rejected").read_bytes() == b"".join(each.rejected for each in expected)
    shutil.rmtree(folder.parent)


def test_another_jobs_folder_is_refused_unless_it_may_go(tmp_path: Path) -> None:
    work(tmp_path / "p", 3, commit=True)
    other = Identity("in", 2, "e")
    with pytest.raises(ResumeError, match=r"not this one: in has changed since \(1 bytes then, 2 now\): .*--overwrite"):
        Workspace(tmp_path / "p", other, HEADER)
    with Workspace(tmp_path / "p", other, HEADER, overwrite=True) as space:
        assert space.progress.rows == 0
    assert (tmp_path / "p" / "rows").read_bytes() == HEADER


def test_overwrite_does_not_throw_away_the_same_jobs_work(tmp_path: Path) -> None:
    work(tmp_path / "p", 3, commit=True)
    with Workspace(tmp_path / "p", IDENTITY, HEADER, overwrite=True) as space:
        assert space.progress.rows == 3


def test_two_processes_do_not_work_on_one_job(tmp_path: Path) -> None:
    space = Workspace(tmp_path / "p", IDENTITY, HEADER)
    with pytest.raises(ResumeError, match="another process works on this job"):
        Workspace(tmp_path / "p", IDENTITY, HEADER)
    space.close()
    Workspace(tmp_path / "p", IDENTITY, HEADER).close()


def test_rows_that_have_gone_missing_are_noticed(tmp_path: Path) -> None:
    work(tmp_path / "p", 3, commit=True)
    (tmp_path / "p" / "rows").write_bytes(HEADER)
    with pytest.raises(ResumeError, match=r"has 11 bytes, the journal counts 23: begin anew with --overwrite"):
        Workspace(tmp_path / "p", IDENTITY, HEADER)


def test_a_journal_that_is_no_text_is_damaged(tmp_path: Path) -> None:
    work(tmp_path / "p", 3, commit=True)
    (tmp_path / "p" / "journal").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ResumeError, match="damaged: begin anew with --overwrite"):
        Workspace(tmp_path / "p", IDENTITY, HEADER)


def test_a_full_disk_is_told_and_what_was_counted_stays(tmp_path: Path) -> None:
    work(tmp_path / "p", 3, commit=True)
    rows = (tmp_path / "p" / "rows").read_bytes()
    with Workspace(tmp_path / "p", IDENTITY, HEADER) as space:
        with Path("/dev/full").open("ab") as full:
            os.dup2(full.fileno(), space._files[0].fileno())
        with pytest.raises(OutputError, match="No space left on device: mend that, and the same command goes on"):
            space.append(Scored(4, 4, b"x" * (1 << 20), b"", {"a": 1}))
    assert (tmp_path / "p" / "rows").read_bytes() == rows
    work(tmp_path / "p", ROWS, commit=True)
    assert (tmp_path / "p" / "rows").read_bytes() == HEADER + b"".join(block(n).output for n in range(1, ROWS + 1))


def test_a_disk_that_is_full_at_the_beginning_is_told(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "lock").touch()
    (tmp_path / "p" / "rows").symlink_to("/dev/full")
    with pytest.raises(OutputError, match="No space left on device"):
        Workspace(tmp_path / "p", IDENTITY, HEADER)


def test_a_folder_of_other_files_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "rows").write_text("mine")
    with pytest.raises(OutputError, match=r"holds 'rows', which no job has put there: name another with --work"):
        Workspace(tmp_path, IDENTITY, HEADER, overwrite=True)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("rows", "mine")]


def test_what_somebody_puts_beside_a_jobs_work_stays(tmp_path: Path) -> None:
    work(tmp_path / "p", ROWS, commit=True)
    (tmp_path / "p" / "notes").mkdir()
    with Workspace(tmp_path / "p", IDENTITY, HEADER) as space:
        (tmp_path / "p" / "repository").symlink_to(tmp_path)
        (tmp_path / "p" / ".repository.pulled" / "1").mkdir(parents=True)
        space.discard()
    assert [path.name for path in tmp_path.rglob("*")] == ["p", "notes"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Not a directory: choose another place with --work"):
        Workspace(tmp_path / "file" / "p", IDENTITY, HEADER)
