"""`tritext score --engine ray` on a cluster of two nodes: the same output as of one process, by both nodes."""

import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.batch.ray_cluster import COMMAND, Cluster, ray_cluster, score, write_rows
from tests.batch.stand_in import stand_in
from tests.conftest import ROOT
from tritext_serve.ports import steady_ports

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="MISSING ray: pip install 'tritext[ray]'"),
]
ROWS = 20 * 1024


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two nodes with a CPU each."""
    with ray_cluster(tmp_path_factory.mktemp("ray")) as running:
        yield running


def test_two_workers_write_what_one_process_writes(tmp_path: Path, cluster: Cluster) -> None:
    write_rows(tmp_path / "in.jsonl", ROWS)
    assert score(tmp_path, cluster, 2, latency=0.05).clients == 2
    with stand_in() as url:
        words = [str(tmp_path / "in.jsonl"), str(tmp_path / "here.jsonl"), "--url", url]
        subprocess.run([*COMMAND, *words], cwd=ROOT, capture_output=True, timeout=100, check=True)
    for name in ("{}.jsonl", "{}.jsonl.rejected.jsonl"):
        assert (tmp_path / name.format(2)).read_bytes() == (tmp_path / name.format("here")).read_bytes()
    assert len((tmp_path / "2.jsonl").read_bytes().splitlines()) == ROWS


def test_a_cluster_that_is_not_there_is_named(tmp_path: Path) -> None:
    [port] = steady_ports(1)
    (tmp_path / "in.txt").write_text("a\n")
    words = [str(tmp_path / "in.txt"), str(tmp_path / "out.tsv"), "--url", "grpc://127.0.0.1:1", "--engine", "ray"]
    command = [*COMMAND, *words, "--address", f"127.0.0.1:{port}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 1
    assert f"--address 127.0.0.1:{port}: [Errno 111] Connection refused: is `ray start --head`" in done.stderr
    assert "RAY_AUTH_TOKEN" in done.stderr
    assert "Traceback" not in done.stderr
