"""What one worker of a cluster does, in this process; the cluster itself is in tests/e2e."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.batch.stand_in import label_of
from tritext_batch.asking import Asked
from tritext_batch.engines.spans import from_columns
from tritext_batch.errors import ModelError
from tritext_batch.job import Job
from tritext_batch.rows import Scored

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="MISSING ray: pip install 'tritext[ray]'")


@contextmanager
def told(folder: Path, url: str) -> Iterator[list[Scored]]:
    """Have a worker score the first block of ``in.txt``; gives what the driver makes of its answer."""
    from tritext_batch.engines.cluster import Worker

    worker = Worker(Job(str(folder / "in.txt"), str(folder / "out.tsv"), "text", "tsv"), Asked(url, "sentiment"))
    try:
        span = {"position": np.array([0]), "number": np.array([0]), "blocks": np.array([1])}
        yield list(from_columns(worker(span)))
    finally:
        worker._runner.run(worker._open.aclose())
        worker._runner.close()


def test_a_worker_answers_with_its_share_of_the_output(tmp_path: Path, stand_in_url: str) -> None:
    (tmp_path / "in.txt").write_bytes(b"one\n\xff\nthree")
    with told(tmp_path, stand_in_url) as (scored,):
        assert scored.output.decode().split("\n")[0] == f"one\t{label_of('one')}\t0.750000\t1"
        assert (scored.number, scored.rejections, scored.versions) == (3, 1, ("1",))


def test_workers_are_told_where_files_lie_from_anywhere() -> None:
    from tritext_batch.engines.cluster import _from_anywhere

    job, asked = _from_anywhere(Job("in.txt", "out.tsv", "text", "tsv"), Asked("u", "m", key_file=Path("k")))
    assert job.input_uri == str(Path.cwd() / "in.txt")
    assert (asked.key_file, asked.ca_file) == (Path.cwd() / "k", None)
    assert _from_anywhere(Job("az://c/in.txt", "out.tsv", "text", "tsv"), asked)[0].input_uri == "az://c/in.txt"


def test_an_input_that_a_workers_machine_lacks_is_named(tmp_path: Path, stand_in_url: str) -> None:
    with (
        pytest.raises(ModelError, match=r"^a worker on \S+: .*in.txt: No such file or directory"),
        told(tmp_path, stand_in_url),
    ):
        pass
