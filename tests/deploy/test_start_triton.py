"""The GPU image's start script: what it refuses, the flags it gives, and what they close on a real Triton."""

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.compose import ROOT
from tests.deploy.engine import run
from tests.export.repositories import make_repository
from tritext_serve import wheel
from tritext_serve.endpoint.watch.watcher import GENTLE_SECONDS, LEAVE_SECONDS
from tritext_serve.errors import PlatformError
from tritext_serve.ports import steady_ports

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


# The image mounts the repository at /models; here another folder is asked about.
PYTHON_SHIM = """#!/bin/sh
count=$#
for word in "$@"; do
    case $word in
        --model-repository=/models) set -- "$@" "--model-repository={models}" ;;
        *) set -- "$@" "$word" ;;
    esac
done
shift "$count"
exec "{python}" "$@"
"""
RECORDER = '#!/bin/sh\nprintf "%s\\n" "$@"\n'


def environment_with(folder: Path, program: str, models: Path, **more: str) -> dict[str, str]:
    """Put a program that is called tritonserver first on the path, and a Python that finds the models."""
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    python = PYTHON_SHIM.format(models=models, python=sys.executable)
    for name, text in (("tritonserver", program), ("python3", python)):
        (programs / name).write_text(text, encoding="utf-8")
        (programs / name).chmod(0o755)
    bare = {name: value for name, value in os.environ.items() if not name.startswith("TRITEXT_")}
    return {**bare, "PATH": f"{programs}:{bare['PATH']}", **more}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A repository as it was published."""
    return make_repository(tmp_path / "models", 2)


@pytest.fixture
def recorder(tmp_path: Path, models: Path) -> dict[str, str]:
    """Where a server prints its flags."""
    return environment_with(tmp_path, RECORDER, models)


@pytest.fixture
def flags(recorder: dict[str, str]) -> list[str]:
    return run([str(SCRIPT), "--log-verbose=1"], 60, recorder).splitlines()


def start(environment: dict[str, str], *flags: str) -> subprocess.CompletedProcess[str]:
    """Run the script to its end."""
    return subprocess.run(
        [str(SCRIPT), *flags], capture_output=True, text=True, timeout=120, env=environment, check=False
    )


def test_what_was_tampered_with_does_not_start(recorder: dict[str, str], models: Path) -> None:
    (models / "m_classifier/2/model.onnx").write_bytes(b"x")
    ended = start(recorder)
    assert (ended.returncode, ended.stdout) == (1, "")
    reason, remedy = ended.stderr.splitlines()
    assert reason.startswith(
        "tritext: refused: m version 2: m_classifier/2/model.onnx is not the file that was certified"
    )
    assert "TRITEXT_ALLOW_UNCERTIFIED=1" in remedy


def test_what_has_no_passing_certificate_does_not_start(recorder: dict[str, str], models: Path) -> None:
    (models / "m/2/certificate.json").write_text('{"passed": false}')
    ended = start(recorder)
    assert ended.returncode == 1
    assert "m version 2: its certificate did not pass" in ended.stderr


def test_what_is_uncertified_starts_with_a_warning_where_that_is_allowed(
    recorder: dict[str, str], models: Path
) -> None:
    (models / "m/2/certificate.json").write_text('{"passed": false}')
    ended = start({**recorder, "TRITEXT_ALLOW_UNCERTIFIED": "1"}, "--log-verbose=1")
    assert ended.returncode == 0
    assert ended.stdout.splitlines()[-1] == "--log-verbose=1"
    assert "tritext: not certified: m version 2: its certificate did not pass" in ended.stderr


@pytest.mark.parametrize(("word", "status"), [("0", 1), ("", 1), ("true", 1), ("1", 0)])
def test_only_one_word_allows_it(recorder: dict[str, str], models: Path, word: str, status: int) -> None:
    shutil.rmtree(models / "m")
    ended = start({**recorder, "TRITEXT_ALLOW_UNCERTIFIED": word})
    assert ended.returncode == status
    assert ("'true': 1 allows" in ended.stderr) is (word == "true")


def test_the_configuration_that_is_asked_for_is_the_one_that_is_checked(recorder: dict[str, str], models: Path) -> None:
    """Only ``configs/old.pbtxt`` names the version that was changed."""
    (models / "m_classifier/1/model.onnx").write_bytes(b"x")
    for model in ("m", "m_classifier"):
        text = (models / model / "config.pbtxt").read_text().replace("versions: 2", "versions: 1")
        (models / model / "configs/old.pbtxt").write_text(text)
    assert start(recorder, "--model-config-name=gpu").returncode == 0
    for words in (["--model-config-name=old"], ["--model-config-name", "old"]):
        ended = start(recorder, *words)
        assert ended.returncode == 1
        assert "m version 1: m_classifier/1/model.onnx is not the file" in ended.stderr


def test_a_second_repository_on_the_command_line_is_checked_too(
    recorder: dict[str, str], models: Path, tmp_path: Path
) -> None:
    other = make_repository(tmp_path / "other", 1)
    assert start(recorder, f"--model-repository={other}").returncode == 0
    (other / "m/1/tokenizer.json").unlink()
    assert "m version 1: m/1/tokenizer.json is missing" in start(recorder, f"--model-repository={other}").stderr


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


def test_the_server_gives_up_before_the_watcher_does_and_that_before_docker(flags: list[str]) -> None:
    (seconds,) = (int(flag.partition("=")[2]) for flag in flags if flag.startswith("--exit-timeout-secs="))
    assert seconds < GENTLE_SECONDS
    assert LEAVE_SECONDS + GENTLE_SECONDS < 10  # what `docker stop` waits


def test_the_lock_is_long_and_new_each_time(flags: list[str], recorder: dict[str, str]) -> None:
    again = run([str(SCRIPT)], 60, recorder).splitlines()
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
    (tmp_path / "models").mkdir()  # not certified, so this start is one that has to be allowed
    shim = SHIM.format(models=tmp_path / "models", binary=parts.binary)
    http, grpc, metrics = steady_ports(3)
    ports = [f"--http-port={http}", f"--grpc-port={grpc}", f"--metrics-port={metrics}", "--allow-gpu-metrics=false"]
    libraries = ":".join(map(str, parts.libraries))
    allowed = {"LD_LIBRARY_PATH": libraries, "TRITEXT_ALLOW_UNCERTIFIED": "1"}
    environment = environment_with(tmp_path, shim, tmp_path / "models", **allowed)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([str(SCRIPT), *ports], env=environment, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{http}/v2"
        deadline = time.monotonic() + 120
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
