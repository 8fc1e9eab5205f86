"""What is written is read back, damage is noticed, and another job is told apart in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritext_batch.errors import ResumeError
from tritext_batch.journal import Identity, Progress, read_journal, write_journal
from tritext_batch.rows import Scored

IDENTITY = Identity("in.txt", 10, "e1", {"column": "text", "model": "sentiment"})
COUNTS = st.integers(0, 10**12)
PROGRESS = st.builds(
    Progress, COUNTS, COUNTS, COUNTS, COUNTS, st.dictionaries(st.text(), COUNTS), COUNTS, COUNTS,
    st.dictionaries(st.text(), st.lists(st.text()).map(tuple)), st.booleans(),
)  # fmt: skip


@given(PROGRESS)
def test_what_is_written_is_read_back(progress: Progress) -> None:
    assert read_journal(write_journal(IDENTITY, progress), "journal") == (IDENTITY, progress)


@given(st.data())
def test_damage_is_noticed(data: st.DataObject) -> None:
    text = write_journal(IDENTITY, Progress(3, 30))
    at = data.draw(st.integers(0, len(text) - 2))
    damaged = text[:at] + data.draw(st.sampled_from(["", "\n", "x"])) + text[at + 1 :]
    if damaged != text:
        with pytest.raises(ResumeError, match=r"journal: damaged: begin anew with --overwrite"):
            read_journal(damaged, "journal")


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (Identity("b.txt", 10, "e1", IDENTITY.settings), "the input was in.txt"),
        (Identity("in.txt", 11, "e1", IDENTITY.settings), "in.txt has changed since (10 bytes then, 11 now)"),
        (Identity("in.txt", 10, "e2", IDENTITY.settings), "in.txt has changed since (10 bytes then, 10 now)"),
        (Identity("in.txt", 10, "e1", {"column": "t", "model": "sentiment"}), "column was 'text' and is 't'"),
    ],
)
def test_another_job_is_told_apart(other: Identity, words: str) -> None:
    assert IDENTITY.differences(other) == [words]
    assert IDENTITY.differences(IDENTITY) == []


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 3), st.sampled_from("12"))))
def test_blocks_add_up(blocks: list[tuple[int, int, int, str]]) -> None:
    progress = Progress(output=7)
    for good, bad, cut, version in blocks:
        labels = {"a": good} if good else {}
        progress = progress.after(Scored(1, 2, b"x" * good, b"y" * bad, labels, bad, cut, (version,)))
    assert progress.rows == sum(good + bad for good, bad, _, _ in blocks)
    assert (progress.output, progress.rejected) == (7 + sum(b[0] for b in blocks), sum(b[1] for b in blocks))
    assert progress.truncated == sum(b[2] for b in blocks)
    assert set(progress.versions) == {b[3] for b in blocks}
