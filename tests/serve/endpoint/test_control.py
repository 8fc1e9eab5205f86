"""The control socket: requests and answers, refusals, nonsense, and a supervisor that is gone."""

import json
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tritext_serve.endpoint.control import ControlServer, Say, ask
from tritext_serve.errors import EndpointError, RunDirectoryError


def answer(request: Mapping[str, Any], say: Say) -> Mapping[str, Any]:
    """What this test's supervisor does."""
    if request.get("verb") == "refuse":
        raise EndpointError("blue: no instance is well: insist with --force")
    if request.get("verb") == "fail":
        raise ZeroDivisionError("by zero")
    say("starting blue …")
    return {"said": request.get("words")}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The socket of a server that runs."""
    path = tmp_path_factory.mktemp("run") / "control.sock"
    server = ControlServer(path, answer)
    yield path
    server.close()


def raw(path: Path, line: bytes) -> dict[str, Any]:
    """Send bytes and read one answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        connection.sendall(line)
        with connection.makefile("rb") as lines:
            content: dict[str, Any] = json.loads(lines.readline())
            return content


def test_it_answers_and_says_how_far_it_is(path: Path) -> None:
    said: list[str] = []
    assert ask(path, {"verb": "speak", "words": "ä\n"}, said.append) == {"said": "ä\n"}
    assert said == ["starting blue …"]


@pytest.mark.parametrize("version", [b"", b', "protocol": 1', b', "protocol": 3'])
def test_a_supervisor_of_another_version_can_only_be_stopped(tmp_path: Path, version: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "control.sock"))
        listener.listen()

        def serve() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(b'{"ok": true' + version + b"}\n")

        with ThreadPoolExecutor(1) as pool:
            served = pool.submit(serve)
            with pytest.raises(EndpointError, match="another version of tritext has started this endpoint"):
                ask(tmp_path / "control.sock", {"verb": "show"}, timeout=30)
            assert ask(tmp_path / "control.sock", {"verb": "down"}, timeout=30) == {}
            served.result(30)


def test_only_its_owner_may_ask(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_refusal_arrives_in_its_own_words(path: Path) -> None:
    with pytest.raises(EndpointError, match=r"^blue: no instance is well: insist with --force$"):
        ask(path, {"verb": "refuse"})


def test_a_verb_that_fails_does_not_take_the_supervisor_with_it(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(EndpointError, match="ZeroDivisionError: by zero"):
        ask(path, {"verb": "fail"})
    assert "verb 'fail' failed" in caplog.text
    assert ask(path, {"words": 1}) == {"said": 1}


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=50, deadline=None
)
@given(st.binary(max_size=300).map(lambda data: data.replace(b"\n", b"") + b"\n"))
def test_no_bytes_get_anything_but_an_answer(path: Path, line: bytes) -> None:
    assert "ok" in raw(path, line) or "progress" in raw(path, line)


def test_whoever_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EndpointError, match="does not answer"):
        ask(tmp_path / "none.sock", {"verb": "show"})


def test_a_path_too_long_for_a_socket_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="set XDG_RUNTIME_DIR to a shorter path"):
        ControlServer(tmp_path / ("x" * 120), answer)
