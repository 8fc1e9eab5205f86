"""The run directory: who holds it, who may not, and what a killed supervisor leaves."""

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serve.small_disk import small_disk
from tritext_serve.endpoint import rundir
from tritext_serve.errors import RunDirectoryError

HOLDER = """
import time
from tritext_serve.endpoint import rundir
rundir.claim("demo")
print(flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of running endpoints for this test alone."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "tritext"


def test_it_is_this_users_alone_and_gone_when_it_is_released(base: Path) -> None:
    run, lock = rundir.claim("demo")
    assert run.path == base / "demo"
    assert [p.stat().st_mode & 0o777 for p in (base, run.path, run.envoy, run.logs)] == [0o700] * 4
    assert rundir.runs_as(run) == str(os.getpid())
    rundir.release(run, lock)
    assert not base.exists()


def test_two_endpoints_are_told_apart_by_name() -> None:
    with pytest.raises(RunDirectoryError, match="no endpoint runs: start it with"):
        rundir.find()
    held = [rundir.claim(name) for name in ("one", "two")]
    assert rundir.find("two").name == "two"
    with pytest.raises(RunDirectoryError, match=r"several endpoints run \(one, two\): say which with --endpoint"):
        rundir.find()
    with pytest.raises(RunDirectoryError, match="'three' does not run"):
        rundir.find("three")
    rundir.release(*held[0])
    assert rundir.find().name == "two"
    rundir.release(*held[1])


def test_a_second_one_of_the_name_is_refused_and_a_killed_ones_leavings_are_swept(base: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True)
    if holder.stdout is not None:
        holder.stdout.readline()
    with pytest.raises(RunDirectoryError, match=f"runs already, as process {holder.pid}: stop it with"):
        rundir.claim("demo")
    (base / "demo" / "control.sock").touch()
    (base / "demo" / "logs" / "blue-0.log").touch()
    holder.send_signal(signal.SIGKILL)
    holder.communicate(timeout=10)
    assert rundir.running() == []
    run, lock = rundir.claim("demo")
    assert sorted(p.name for p in run.path.rglob("*")) == ["envoy", "logs", "supervisor.pid"]
    rundir.release(run, lock)


def test_where_there_is_no_room_it_is_refused_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "small", 4096) as folder:
        (folder / "full").write_bytes(bytes(4096))
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
        with pytest.raises(RunDirectoryError, match="No space left on device: make room there, or set XDG_RUNTIME_DIR"):
            rundir.claim("demo")
        assert [path.name for path in folder.iterdir()] == ["full"]


def test_a_path_that_triton_cannot_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "größe").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "größe"))
    with pytest.raises(RunDirectoryError, match="Triton takes no such path: set XDG_RUNTIME_DIR to one in ASCII"):
        rundir.claim("demo")
    assert list((tmp_path / "größe").iterdir()) == []


def test_a_folder_that_others_may_enter_is_refused(base: Path) -> None:
    base.mkdir()
    base.chmod(0o755)
    with pytest.raises(RunDirectoryError, match=f"others may enter it: run `chmod 700 {base}`"):
        rundir.claim("demo")


def test_a_link_in_its_place_is_refused(base: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    base.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunDirectoryError, match="is not a folder of yours"):
        rundir.claim("demo")
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("how", ["open to others", "a link", "another user's"])
def test_endpoints_are_not_looked_for_where_somebody_else_could_have_put_them(
    base: Path, tmp_path: Path, how: str
) -> None:
    """Who asks there would be told by whoever made it where to send the keys."""
    _, lock = rundir.claim("demo")
    if how == "open to others":
        base.chmod(0o777)
    elif how == "a link":
        base.rename(tmp_path / "elsewhere")
        base.symlink_to(tmp_path / "elsewhere")
    elif os.getuid() != 0:
        pytest.skip("MISSING: only root can give a folder to another user")
    else:
        os.chown(base, 12345, -1)
    with pytest.raises(RunDirectoryError, match=r"not a folder of yours|others may enter"):
        rundir.find("demo")
    os.close(lock)


def test_a_lock_whose_file_went_as_it_was_taken_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where another supervisor ends between the opening and the locking."""
    held = rundir.claim("demo")
    lock = fcntl.flock

    def meanwhile(descriptor: int, how: int) -> None:
        rundir.release(*held)
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", meanwhile)
    with pytest.raises(RunDirectoryError, match="was just stopping: try again"):
        rundir.claim("demo")
    monkeypatch.undo()


def test_a_link_in_the_place_of_the_lock_is_not_followed(base: Path, tmp_path: Path) -> None:
    (base / "demo").mkdir(mode=0o700, parents=True)
    base.chmod(0o700)
    precious = tmp_path / "precious"
    precious.write_text("mine", encoding="ascii")
    (base / "demo" / rundir.LOCK_FILE).symlink_to(precious)
    with pytest.raises(RunDirectoryError, match="cannot be locked"):
        rundir.claim("demo")
    assert precious.read_text(encoding="ascii") == "mine"
