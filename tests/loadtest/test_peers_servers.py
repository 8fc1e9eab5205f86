"""Servers and environments: what fails is named with its log, nothing is left running; one small real comparison."""

import json
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from tests.conftest import ROOT
from tritext._cli.main import main
from tritext_loadtest.cost import Cost
from tritext_loadtest.course import Standing
from tritext_loadtest.load import Shape
from tritext_loadtest.peers.catalogue import choose
from tritext_loadtest.peers.comparison import compare
from tritext_loadtest.peers.connections import Connections
from tritext_loadtest.peers.contest import run_bench
from tritext_loadtest.peers.environments import Workshop, _sources, tail
from tritext_loadtest.peers.errors import BenchError, PeerError
from tritext_loadtest.peers.files import check_checkpoint, find_served
from tritext_loadtest.peers.process import ServerProcess, free_ports
from tritext_loadtest.peers.report import GRPC, REST
from tritext_loadtest.peers.request import BenchRequest
from tritext_loadtest.peers.routes import many
from tritext_loadtest.peers.targets import BATCH, ENGINE, SINGLE, ServerTarget, Take, over_http
from tritext_loadtest.texts import read_texts

SERVER = """
import http.server, json, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = json.dumps([{"label": text.upper()} for text in body["texts"]]).encode()
        self.send_response(200 if "bad" not in body["texts"] else 418)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
    def log_message(self, *words):
        pass
http.server.ThreadingHTTPServer.request_queue_size = 64
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def start(tmp_path: Path, program: str, *words: str) -> ServerProcess:
    """Start a Python program as a peer."""
    command = [sys.executable, "-c", program, *words]
    return ServerProcess("a peer", command, {}, tmp_path, tmp_path / "peer.log")


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[ServerTarget]:
    """A peer that answers each text in capitals."""
    (port,) = free_ports(1)
    process = start(tmp_path, SERVER, str(port))
    with Connections(port) as connections:
        ask = over_http(connections, many("/"))
        yield ServerTarget("echo", process, ask, ask)
    process.stop()


def test_a_server_is_waited_for_measured_and_ended(echo: ServerTarget) -> None:
    echo.wait(30)
    texts = [f"t{i}" for i in range(70)]
    for shape in echo.shapes:
        taken = echo.take(texts, shape)
        assert taken.labels == tuple(text.upper() for text in texts)
        assert taken.cpu_milliseconds >= 0 < taken.texts_per_second
    assert isinstance(echo.process.cost(), Cost)
    assert echo.process.memory_mib() > 1
    echo.process.stop()
    with pytest.raises(PeerError, match="a peer: ended with status"):
        echo.process.check()


def test_an_error_of_the_server_is_the_peers(echo: ServerTarget) -> None:
    echo.wait(30)
    with pytest.raises(PeerError, match="status 418"):
        echo.take(["fine", "bad"], SINGLE)


def test_a_server_that_dies_at_start_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    process = start(tmp_path, "print('no such model: x.onnx'); raise SystemExit(3)")
    target = ServerTarget("a peer", process, over_http(Connections(9), many("/")), None)
    with pytest.raises(PeerError, match=r"a peer: ended with status 3: no such model: x\.onnx"):
        target.wait(30)


def test_a_server_that_never_answers_is_given_up_and_ended(tmp_path: Path) -> None:
    process = start(tmp_path, "import time; print('thinking', flush=True); time.sleep(600)")
    (port,) = free_ports(1)
    with Connections(port) as connections:
        target = ServerTarget("a peer", process, over_http(connections, many("/")), None)
        with pytest.raises(PeerError, match=r"no answer within 6 s: .*ConnectionRefusedError.*: thinking"):
            target.wait(6)
    process.stop()
    process.stop()


def test_children_of_a_server_end_with_it(tmp_path: Path) -> None:
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
    process = start(tmp_path, child)
    root = psutil.Process(process._popen.pid)
    deadline = time.monotonic() + 30
    while not (children := root.children()) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.stop()
    assert children
    assert not any(m.is_running() and m.status() != psutil.STATUS_ZOMBIE for m in children)


def test_workers_whose_first_process_died_are_ended_too(tmp_path: Path) -> None:
    program = "import subprocess, sys; p = subprocess.Popen(['sleep', '600']); print(p.pid, flush=True); sys.exit(1)"
    process = start(tmp_path, program)
    process._popen.wait(30)
    (worker,) = map(psutil.Process, map(int, (tmp_path / "peer.log").read_text().split()))
    assert worker.is_running()
    process.stop()
    gone, _ = psutil.wait_procs([worker], timeout=10)
    assert gone or worker.status() == psutil.STATUS_ZOMBIE


def test_texts_that_come_twice_are_refused(tmp_path: Path) -> None:
    request = BenchRequest(tmp_path, "m", tmp_path, ["a", "b", "a"], [], Workshop(tmp_path))
    with pytest.raises(BenchError, match="2 different texts where 3 are wanted: give --count 2"):
        run_bench(request)


def test_folders_of_wheels_go_by_the_environment_alone() -> None:
    own = {"UV_FIND_LINKS": "/a,/b"}
    assert (own | _sources(own))["UV_FIND_LINKS"].split(",")[-2:] == ["/a", "/b"], "the user's own are kept"
    assert set(_sources({})) in ({"UV_FIND_LINKS"}, {"UV_TORCH_BACKEND"})


def test_uv_is_given_folders_of_wheels_by_the_environment_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uv = tmp_path / "uv"
    uv.write_text('#!/bin/sh\necho "args: $*"\necho "links: $UV_FIND_LINKS"\n[ "$1" = venv ]\n')
    uv.chmod(0o755)
    monkeypatch.setattr("tritext_loadtest.peers.environments.find_uv", lambda: str(uv))
    monkeypatch.setenv("PIP_FIND_LINKS", "/secret")
    workshop = Workshop(tmp_path / "made", requirements(tmp_path, mosec=["idna"]))
    with pytest.raises(PeerError, match=r"links: [^|]*/secret") as told:
        workshop.make("mosec")
    assert all("/secret" not in line for line in str(told.value).split(" | ") if "args: " in line)


def test_a_connection_that_the_server_closed_is_opened_anew() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        server = threading.Thread(target=serve)
        server.start()
        with Connections(listener.getsockname()[1]) as connections:
            assert [connections.post("/", b"{}") for _ in range(2)] == [b"[]", b"[]"]
        server.join()


def test_a_peer_that_fails_is_left_out_and_the_others_go_on() -> None:
    class Fake:
        shapes = (SINGLE,)

        def __init__(self, name: str, fails_at: int) -> None:
            self.name, self._left = name, fails_at

        def take(self, texts: object, shape: Shape) -> Take:
            self._left -= 1
            if self._left == 0:
                raise PeerError(f"{self.name}: fell over")
            return Take(1.0, 1.0, 1.0, 1.0, ())

    found = compare([Fake("steady", -1), Fake("frail", 3)], ["x"], rounds=4, seed=1)
    assert found.failures == {"frail": "frail: fell over"}
    assert {name: len(takes) for (name, _), takes in found.takes.items()} == {"steady": 4}


def test_single_text_turns_may_send_fewer_texts() -> None:
    sent: list[tuple[int, int]] = []

    class Counting:
        name = "counting"
        shapes = (SINGLE, BATCH)

        def take(self, texts: Sequence[str], shape: Shape) -> Take:
            sent.append((shape.texts_per_request, len(texts)))
            return Take(1.0, 1.0, 1.0, 1.0, ())

    compare([Counting()], [str(n) for n in range(100)], rounds=1, seed=1, singles=40)
    assert sorted(sent[2:]) == [(1, 40), (BATCH.texts_per_request, 100)]


def requirements(tmp_path: Path, **environments: list[str]) -> Path:
    """Write a file of requirements."""
    file = tmp_path / "requirements.toml"
    lines = [f"{name} = {json.dumps(packages)}" for name, packages in environments.items()]
    file.write_text("\n".join(["[environments]", *lines]) + "\n", encoding="utf-8")
    return file


def test_a_peer_that_does_not_install_is_named_with_the_reason(tmp_path: Path) -> None:
    missing = str(tmp_path / "nowhere-1.0-py3-none-any.whl")
    workshop = Workshop(tmp_path / "made", requirements(tmp_path, mosec=[missing]))
    with pytest.raises(PeerError, match=r"mosec: does not install: .*nowhere"):
        workshop.make("mosec")
    with pytest.raises(PeerError, match=r"requirements\.toml has no environment of that name"):
        workshop.make("other")


def test_an_installation_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path / "made", requirements(tmp_path, mosec=["idna"]), timeout=0.001)
    with pytest.raises(PeerError, match=r"mosec: not installed within 0\.001 s"):
        workshop.make("mosec")


def test_the_tail_of_a_log_is_one_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert tail(log) == "it left no log"
    log.write_text("")
    assert tail(log) == "its log is empty"
    log.write_text("a\n\n  b \nc\n")
    assert tail(log, 3) == "b | c"


@pytest.mark.parametrize("lacking", ["config.json", "tokenizer.json", "model.safetensors"])
def test_an_incomplete_checkpoint_is_named(tmp_path: Path, lacking: str) -> None:
    for name in {"config.json", "tokenizer.json", "model.safetensors"} - {lacking}:
        (tmp_path / name).write_text('{"id2label": {"0": "a", "1": "b"}}')
    with pytest.raises(BenchError, match=f"no {lacking}: --checkpoint wants a whole checkpoint"):
        check_checkpoint(tmp_path)


def test_a_repository_without_the_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no model 'sentiment' that tritext wrote"):
        find_served(tmp_path, "sentiment")


def test_what_the_command_refuses(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["bench", "--repository", str(tmp_path), "--texts", str(corpus)]
    (tmp_path / "r.json").write_text("{}")
    cases = {
        "needs --checkpoint too": common,
        "no such peer": [*common, "--checkpoint", str(tmp_path), "--peers", "nobody"],
        "no model 'sentiment'": [*common, "--checkpoint", str(tmp_path)],
        "no report of a comparison": ["bench", "--from", str(tmp_path / "r.json")],
        "gone.json": ["bench", "--from", str(tmp_path / "gone.json")],
        "--texts is needed": ["bench"],
    }
    for words, arguments in cases.items():
        assert main(arguments) == 1
        assert words in capsys.readouterr().err


def borrowed(tmp_path: Path) -> Workshop:
    """Real environments with FastAPI of their own, and torch and the engine borrowed from this one for time."""
    pins = Workshop(tmp_path)
    fastapi = [f"{package}=={pins.version('fastapi', package)}" for package in ("fastapi", "uvicorn")]
    file = requirements(
        tmp_path, export=["idna", "onnxruntime-is-borrowed"][:1], fastapi=fastapi, mosec=["/nowhere.whl"]
    )
    workshop = Workshop(tmp_path / "environments", file)
    for name in ("export", "fastapi"):
        packages = next((workshop.make(name) / "lib").iterdir()) / "site-packages"
        (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return workshop


@pytest.mark.e2e
@pytest.mark.slow
def test_a_small_comparison(model_repository: Path, corpus: Path, tmp_path: Path) -> None:
    merge = [sys.executable, "demo/merged.py", str(tmp_path / "merged")]
    subprocess.run(merge, check=True, cwd=ROOT, timeout=120)
    told: list[tuple[str, Standing]] = []
    request = BenchRequest(
        model_repository,
        "sentiment",
        tmp_path / "merged",
        read_texts(corpus, 32),
        choose(["fastapi", "mosec"]),
        borrowed(tmp_path),
        quick=True,
        rounds=2,
        latency_seconds=0.5,
    )
    found = run_bench(request, lambda what, standing: told.append((what, standing)))
    assert list(found["failures"]) == ["mosec"]
    assert "does not install" in found["failures"]["mosec"]
    rows = {(row["name"], row["texts_a_request"]): row for row in found["rows"]}
    fastapi = "FastAPI + transformers, checkpoint, torch, documented"
    assert set(rows) == {(n, s) for n in (GRPC, REST, fastapi, ENGINE) for s in (1, 32)}
    assert {row["agreement"] for row in rows.values()} == {1.0}
    assert set(found["ratios"]) == {"vs_fastapi", "vs_best_peer", "of_engine_limit_batch", "of_engine_limit_single"}
    assert found["ratios"]["vs_fastapi"] > 1.0
    assert {len(found["latencies"][name]) for name in (GRPC, REST, fastapi)} == {3}
    assert told[0][0] == "environment of export"
    assert {(one.stage, one.stages) for _, one in told} == {(number, 5) for number in range(1, 6)}
    last = {one.stage: one for _, one in told}
    assert [(one.step, one.steps) for one in last.values()] == [(n, n) for n in (5, 3, 8, 16, 9)], "all was foreseen"
    assert 0 < last[5].left < 20
