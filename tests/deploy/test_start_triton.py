"""The GPU image's start script: the flags it gives, and what they close on a real Triton."""

import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.compose import ROOT
from tests.deploy.engine import run
from tritext_serve import wheel
from tritext_serve.errors import PlatformError
from tritext_serve.server import free_ports

SCRIPT = ROOT / "deploy/docker/start-triton.sh"
# The image's Triton has a flag that the wheel's older one lacks; a test must listen on loopback, and on no models.
SHIM = """#!/bin/sh
count=$#
for flag in "$@"; do
    case $flag in
        --http-max-input-size=*) ;;
        --model-repository=*) set -- "$@" "--model-repository={models}" ;;
        *=0.0.0.0) set -- "$@" "${{flag%=*}}=127.0.0.1" ;;
        *) set -- "$@" "$flag" ;;
    esac
done
shift "$count"
exec "{binary}" "$@"
"""


def environment_with(folder: Path, program: str, **more: str) -> dict[str, str]:
    """Put a program that is called tritonserver first on the path."""
    path = folder / "tritonserver"
    path.write_text(program, encoding="utf-8")
    path.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", **more}


@pytest.fixture
def flags(tmp_path: Path) -> list[str]:
    recorder = environment_with(tmp_path, '#!/bin/sh\nprintf "%s\\n" "$@"\n')
    return run([str(SCRIPT), "--log-verbose=1"], 10, recorder).splitlines()


def test_the_flags_are_the_safe_ones(flags: list[str]) -> None:
    assert {
        "--model-repository=/models",
        "--model-control-mode=none",
        "--disable-auto-complete-config",
        "--strict-readiness=true",
        "--exit-on-error=true",
        "--allow-sagemaker=false",
        "--allow-vertex-ai=false",
        "--trace-config=level=OFF",
        "--http-max-input-size=1048576",
    } <= set(flags)
    assert flags[-1] == "--log-verbose=1"


def test_the_server_gives_up_before_docker_does(flags: list[str]) -> None:
    (seconds,) = (int(flag.partition("=")[2]) for flag in flags if flag.startswith("--exit-timeout-secs="))
    assert seconds < 30  # stop_grace_period in services.yml


def test_the_lock_is_long_and_new_each_time(flags: list[str], tmp_path: Path) -> None:
    recorder = environment_with(tmp_path, '#!/bin/sh\nprintf "%s\\n" "$@"\n')
    again = run([str(SCRIPT)], 10, recorder).splitlines()
    locks = {flag.rpartition("=")[2] for flag in flags + again if "restricted" in flag}
    assert len(locks) == 2
    assert all(len(lock) == 64 for lock in locks)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The script on the wheel's Triton, without models; gives its URL."""
    try:
        parts = wheel.find()
    except PlatformError as error:
        pytest.skip(f"MISSING: {error}")
    (tmp_path / "models").mkdir()
    shim = SHIM.format(models=tmp_path / "models", binary=parts.binary)
    http, grpc, metrics = free_ports(3)
    ports = [f"--http-port={http}", f"--grpc-port={grpc}", f"--metrics-port={metrics}", "--allow-gpu-metrics=false"]
    environment = environment_with(tmp_path, shim, LD_LIBRARY_PATH=":".join(map(str, parts.libraries)))
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([str(SCRIPT), *ports], env=environment, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{http}/v2"
        deadline = time.monotonic() + 30
        while status(f"{url}/health/ready") != 200:
            text = (tmp_path / "log").read_text(encoding="utf-8", errors="replace")
            assert process.poll() is None, text
            assert time.monotonic() < deadline, text
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def status(url: str, data: bytes | None = None) -> int:
    """Give the status of an answer; 0 where there is none."""
    try:
        with urllib.request.urlopen(url, data, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return 0


@pytest.mark.e2e
def test_what_can_change_or_inspect_the_server_is_closed(server: str) -> None:
    assert status(server) == 200
    assert status(f"{server}/models/absent/config") == 403
    assert status(f"{server}/models/stats") == 403
    assert status(f"{server}/logging") == 403
    assert status(f"{server}/trace/setting") == 403
    assert status(f"{server}/systemsharedmemory/status") == 403
    assert status(f"{server}/repository/index", b"{}") == 403
    assert status(f"{server}/repository/models/absent/load", b"{}") == 403
