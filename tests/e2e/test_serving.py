"""The server's life: `tritext serve` from start to stop, as a user drives it, and what it leaves behind."""

import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import onnxruntime
import psutil
import pytest

from tests.conftest import load_json, server_options
from tests.e2e.raw import infer, output, text_input
from tritext_export.repository import write_atomically
from tritext_serve.errors import (
    CanaryError,
    PortError,
    RepositoryError,
    ServerDiedError,
    StartError,
    WrongAnswerError,
)
from tritext_serve.flags import Address
from tritext_serve.ports import check_ports, steady_ports
from tritext_serve.server import Server
from tritext_serve.sizing import Sizing

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
COMMAND = (sys.executable, "-m", "tritext", "serve")
SHARED_MEMORY = Path("/dev/shm")
ADJECTIVES = ("best", "dullest", "silliest", "loveliest", "worst", "least likeable", "finest")


class Served:
    """A `tritext serve` in a process of its own."""

    def __init__(self, repository: Path, *arguments: str) -> None:
        http, grpc, metrics = map(str, steady_ports(3))
        ports = ("--http-port", http, "--grpc-port", grpc, "--metrics-port", metrics)
        self.http_url = f"http://127.0.0.1:{http}"
        self.process = subprocess.Popen(
            [*COMMAND, str(repository), *ports, "--instances", "1", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.members: list[psutil.Process] = []

    def announcement(self) -> str:
        """Wait until it says that it serves."""
        lines = []
        if self.process.stdout is None:
            return ""
        for line in self.process.stdout:
            lines.append(line)
            if line.startswith("stop"):
                break
        self.members = psutil.Process(self.process.pid).children(recursive=True)
        return "".join(lines)

    def end(self, number: signal.Signals) -> int:
        """Send a signal and wait."""
        self.process.send_signal(number)
        self.process.communicate(timeout=60)
        return self.process.returncode

    def left_behind(self) -> list[object]:
        """Processes, regions and folders that should be gone."""
        _, alive = psutil.wait_procs(self.members, timeout=60)
        mine = f"tritext-serve-{self.process.pid}-*"
        return [*alive, *SHARED_MEMORY.glob(mine), *Path(tempfile.gettempdir()).glob(mine)]

    @property
    def regions(self) -> list[Path]:
        """Its shared-memory regions."""
        return list(SHARED_MEMORY.glob(f"tritext-serve-{self.process.pid}-*"))


@pytest.fixture
def served(model_repository: Path) -> Iterator[Served]:
    """A running command, ended whatever happens."""
    running = Served(model_repository)
    yield running
    if running.process.poll() is None:
        running.end(signal.SIGTERM)
    for stream in (running.process.stdout, running.process.stderr):
        if stream is not None:
            stream.close()


def test_it_announces_itself_with_a_line_that_works(served: Served) -> None:
    said = served.announcement()
    assert "sentiment (version 1), sentiment_naive (version 1)" in said
    line = re.search(r"^try +(tritext .*)$", said, re.MULTILINE)
    assert line is not None
    command = f"{sys.executable} -m {line[1]}"
    result = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=60, check=True)
    assert "positive" in result.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_and_leaves_nothing(served: Served, number: signal.Signals) -> None:
    served.announcement()
    assert len(served.members) > 2
    assert served.regions != []
    assert served.end(number) == 0
    assert served.left_behind() == []


def test_a_killed_launcher_takes_the_server_with_it_and_is_swept_up_after(
    served: Served, model_repository: Path
) -> None:
    served.announcement()
    assert served.regions != []
    assert served.end(signal.SIGKILL) == -signal.SIGKILL
    _, alive = psutil.wait_procs(served.members, timeout=60)
    assert alive == []
    with Server(model_repository, server_options(instances={"": 1})):
        pass
    assert served.left_behind() == []


def test_interrupted_while_starting_it_leaves_nothing(served: Served) -> None:
    deadline = time.monotonic() + 30
    while not served.members and time.monotonic() < deadline:
        served.members = psutil.Process(served.process.pid).children(recursive=True)
        time.sleep(0.02)
    assert served.end(signal.SIGINT) == 0
    assert served.left_behind() == []


def test_a_dead_server_is_reported_with_its_status(model_repository: Path) -> None:
    with Server(model_repository, server_options(instances={"": 1})) as server:
        psutil.Process(server.pid).kill()
        with pytest.raises(ServerDiedError, match="ended with status -9"):
            server.wait()


@pytest.mark.parametrize("flag", ["http", "grpc", "metrics"])
def test_a_port_in_use_is_named_with_its_flag(model_repository: Path, flag: str) -> None:
    options = server_options()
    port = getattr(options.address, flag)
    words = f"127.0.0.1:{port}: Address already in use: .*--{flag}-port"
    with socket.create_server(("127.0.0.1", port)), pytest.raises(PortError, match=words):
        Server(model_repository, options).start()


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1"])
def test_a_host_that_is_not_this_machine_is_named(host: str) -> None:
    with pytest.raises(PortError, match=f"{host}:.*give an address of this machine with --host"):
        check_ports(Address(host, *steady_ports(3)))


def test_instances_of_an_unknown_model_are_refused(model_repository: Path) -> None:
    with pytest.raises(RepositoryError, match="--instances sentimant=…: no such model; there are sentiment, "):
        Server(model_repository, server_options(instances={"sentimant": 1}))


@pytest.mark.parametrize("words", [("--http-port", "99999"), ("--threads", "0"), ("--instances", "m=0")])
def test_numbers_that_make_no_sense_are_refused_by_the_command(words: tuple[str, str]) -> None:
    result = subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2
    assert f"{words[1].rpartition('=')[2]!r} is not" in result.stderr


def test_the_command_reports_errors_in_one_line(tmp_path: Path) -> None:
    result = subprocess.run([*COMMAND, str(tmp_path / "no")], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    assert re.fullmatch(r"tritext serve: .*/no: no such directory: make one with `tritext export`\n", result.stderr)


def test_a_model_that_does_not_load_is_named_with_the_reason(model_repository: Path, tmp_path: Path) -> None:
    repository = damaged(model_repository, tmp_path, "sentiment_classifier/1/model.onnx", b"<html>not found</html>")
    options = server_options(instances={"": 1}, allow_uncertified=True)
    with pytest.raises(StartError, match=r"sentiment version 1: .*InvalidProtobuf"):
        Server(repository, options).start()
    options = server_options(instances={"": 1}, allow_uncertified=True, engine="triton")
    with pytest.raises(StartError, match=r"sentiment_classifier version 1: .*InvalidProtobuf"):
        Server(repository, options).start()


def test_other_files_than_those_certified_are_refused_unless_they_are_allowed(
    model_repository: Path, tmp_path: Path
) -> None:
    repository = damaged(model_repository, tmp_path, "sentiment/1/certificate.json", b'{"passed": true}')
    words = "sentiment version 1: sentiment/1/certificate.json is not the file that was certified"
    result = subprocess.run([*COMMAND, str(repository)], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith(f"tritext serve: {words}")
    served = Served(repository, "--allow-uncertified")
    assert "sentiment (version 1)" in served.announcement()
    served.process.send_signal(signal.SIGTERM)
    _, said = served.process.communicate(timeout=60)
    assert f"not certified: {words}" in " ".join(said.split())


def test_another_label_than_at_export_does_not_pass_the_canary(model_repository: Path, tmp_path: Path) -> None:
    repository = damaged(model_repository, tmp_path, "sentiment/1/manifest.json", None)
    path = repository / "sentiment" / "1" / "manifest.json"
    write_atomically(path, path.read_text().replace('"label_id": 1', '"label_id": 0'))
    with pytest.raises(WrongAnswerError, match="the files are not those that were certified"):
        Server(repository, server_options(instances={"": 1})).start()


def test_a_version_without_a_canary_is_refused(model_repository: Path, tmp_path: Path) -> None:
    repository = damaged(model_repository, tmp_path, "sentiment/1/manifest.json", b"{}")
    options = server_options(instances={"": 1}, allow_uncertified=True)
    with pytest.raises(CanaryError, match=r"manifest\.json has no canary"):
        Server(repository, options).start()


def test_code_in_a_repository_is_refused_before_anything_starts(model_repository: Path, tmp_path: Path) -> None:
    repository = damaged(model_repository, tmp_path, "sentiment/1/libtriton_python.so", b"\x7fELF")
    with pytest.raises(RepositoryError, match=r"libtriton_python\.so: a model repository holds"):
        Server(repository, server_options())


def test_the_demos_memory_stays_under_its_bound(server: Server) -> None:
    for _ in range(20):
        status, _ = infer(server.http_url, "sentiment", [text_input(*["a film of some length " * 8] * 32)])
        assert status == 200
    assert server.footprint().rss_bytes <= 700e6


def test_both_engines_give_the_same_answers_and_one_of_them_a_classifier_to_call(
    server: Server, model_repository: Path
) -> None:
    texts = [f"The {word} film of the year, {'again and ' * word.count('l')}again." for word in ADJECTIVES]
    names = load_json(model_repository / "sentiment" / "1" / "manifest.json")["inputs"]
    ids = [{"name": name, "shape": [1, 3], "datatype": "INT64", "data": [1, 1, 1]} for name in names]
    with Server(model_repository, server_options(instances={"": 1}, engine="triton")) as other:
        answers = [infer(each.http_url, "sentiment", [text_input(*texts)])[1] for each in (server, other)]
        assert [infer(each.http_url, "sentiment_classifier", ids)[0] for each in (server, other)] == [404, 200]
        assert other.footprint().processes > server.footprint().processes
    assert output(answers[0], "label_id") == output(answers[1], "label_id")
    assert output(answers[0], "scores") == pytest.approx(output(answers[1], "scores"), abs=1e-5)


def test_a_device_that_is_not_there_is_named_with_the_remedy(model_repository: Path) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("MISSING: an onnxruntime without CUDA")
    words = (
        "has .*CPUExecutionProvider, not CUDAExecutionProvider: install onnxruntime-gpu .* or serve with --device cpu"
    )
    with pytest.raises(StartError, match=words):
        Server(model_repository, server_options(instances={"": 1}, device="cuda")).start()


def test_the_repository_is_served_unchanged_by_triton_itself(model_repository: Path, tmp_path: Path) -> None:
    """No view, no rewriting: Triton on the exported folder, auto-complete off, as the Triton image would run it."""
    from tritext_serve import staging, wheel
    from tritext_serve.flags import triton_flags
    from tritext_serve.server import environment

    parts = wheel.find()
    stage = staging.build(parts, (), lambda model: Sizing(1, 1))
    http, grpc, metrics = steady_ports(3)
    flags = triton_flags(
        Address("127.0.0.1", http, grpc, metrics), model_repository, stage.backends, parts.caches, locked_by="x"
    )
    assert "--disable-auto-complete-config" in flags
    with (tmp_path / "log").open("wb") as log:
        triton = subprocess.Popen(
            [str(parts.binary), *flags], env=environment(parts, stage), stdout=log, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + 120
        while triton.poll() is None and time.monotonic() < deadline:
            try:
                status, answer = infer(f"http://127.0.0.1:{http}", "sentiment", [text_input("A wonderful film.")])
            except OSError:
                time.sleep(0.1)
                continue
            if status == 200:
                break
            time.sleep(0.1)
        assert triton.poll() is None, (tmp_path / "log").read_text()[-2000:]
        assert output(answer, "sentiment") == ["positive"]
    finally:
        members = psutil.Process(triton.pid).children(recursive=True)
        triton.terminate()
        triton.wait(30)
        psutil.wait_procs(members, timeout=10)
        staging.remove(stage)


def damaged(source: Path, target: Path, file: str, content: bytes | None) -> Path:
    """Copy a repository's first model and put something else in place of a file."""
    import shutil

    for model in ("sentiment", "sentiment_classifier"):
        shutil.copytree(source / model, target / "repository" / model)
    if content is not None:
        (target / "repository" / file).write_bytes(content)
    return target / "repository"
