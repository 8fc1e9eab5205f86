"""What `up` says, and what it does not take."""

import argparse
import errno
import os
import shlex
import socket
from pathlib import Path
from typing import Any

import pytest

from tritext_serve.commands import endpoint
from tritext_serve.commands.endpoint import VERBS
from tritext_serve.endpoint.files.load import Loaded
from tritext_serve.endpoint.model import Endpoint
from tritext_serve.endpoint.verbs import logs, mirror, traffic, up
from tritext_serve.errors import EndpointError, EndpointFileError, PortError, RunDirectoryError
from tritext_serve.ports import steady_ports

HALF = {"memory_bytes": 177_000_000}
STATE: dict[str, Any] = {
    "name": "films",
    "pid": 4711,
    "urls": ["http://127.0.0.1:8080", "http://192.0.2.1:80"],
    "deployments": [
        {
            "name": "blue",
            "traffic": 90,
            "models": {"sentiment": ["2"]},
            "instances": [{"memory_bytes": 177_000_000}] * 2,
        },
        {"name": "green", "traffic": 10, "models": {"sentiment": ["1", "2"]}, "instances": [{"memory_bytes": 0}]},
    ],
}


def parse(module: Any, *words: str) -> argparse.Namespace:
    """Read a verb's arguments."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    module.configure(parser)
    return parser.parse_args(list(words))


def test_the_announcement_names_what_a_user_needs_and_no_key() -> None:
    assert up.announcement(STATE, Path("/run/films/keys.json"), Path("/run/films/authorization"), "tritext") == (
        "endpoint  films\n"
        "url       http://127.0.0.1:8080\n"
        "url       http://192.0.2.1:80\n"
        "blue       90 %   sentiment (version 2), 354 MB\n"
        "green      10 %   sentiment (version 1, 2), 0 MB\n"
        "keys      /run/films/keys.json\n"
        "try       curl http://127.0.0.1:8080/predict -H @/run/films/authorization "
        '-H "Content-Type: application/json" -d \'{"text": "What a lovely film."}\'\n'
        "stop      Ctrl-C, or kill 4711, or tritext endpoint down\n"
    )


def test_the_line_to_paste_is_one_command_for_a_shell() -> None:
    said = up.announcement(STATE | {"urls": ["https://127.0.0.1:8443"]}, Path("k"), Path("a b"), "tritext")
    line = next(line for line in said.splitlines() if line.startswith("try")).removeprefix("try").strip()
    assert shlex.split(line)[:5] == ["curl", "--insecure", "https://127.0.0.1:8443/predict", "-H", "@a b"]


@pytest.mark.parametrize(
    "words",
    [
        *(["--listen", address] for address in ("8080", "h:0", "h:70000")),
        *(["--memory", size] for size in ("much", "0G")),
        ["--rate-limit", "0"],
    ],
)
def test_what_is_no_address_and_no_size_is_refused(words: list[str]) -> None:
    with pytest.raises((argparse.ArgumentError, SystemExit)):
        parse(up, "endpoint.yml", *words)


@pytest.mark.parametrize(("text", "size"), [("2G", 2 << 30), ("800M", 800 << 20), ("1.5gib", 3 << 29), ("4096", 4096)])
def test_sizes_are_read_in_powers_of_1024(text: str, size: int) -> None:
    assert parse(up, "endpoint.yml", "--memory", text).memory == size


def test_a_number_of_lines_is_one() -> None:
    assert parse(logs, "-n", "0").lines == 0
    for word in ("-3", "many", "1.5"):
        with pytest.raises((argparse.ArgumentError, SystemExit)):
            parse(logs, "-n", word)


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOSPC, RunDirectoryError, "No space left on device: make room there, or set XDG_RUNTIME_DIR"),
        (errno.EPIPE, BrokenPipeError, "Broken pipe"),
    ],
)
def test_a_full_run_directory_is_told_with_the_remedy_and_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception], words: str
) -> None:
    def write_in_vain(*arguments: object, isolated: bool) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(up, "load", lambda files: Loaded(Endpoint("films"), ()))
    monkeypatch.setattr(up, "_serve", write_in_vain)
    with pytest.raises(kind, match=words):
        up.run(parse(up, "endpoint.yml", "--listen", f"127.0.0.1:{steady_ports(1)[0]}"))
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_told_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(up, "load", lambda files: Loaded(Endpoint("films"), ()))
    monkeypatch.setattr(up, "_serve", lambda *arguments, isolated: pytest.fail("it has started"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(PortError, match=f"^{where}: Address already in use: choose another with --listen$"):
            up.run(parse(up, "endpoint.yml", "--listen", where))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EndpointFileError, match=r"none\.yml:1: file: is not there"):
        up.run(parse(up, str(tmp_path / "none.yml")))


def test_shares_are_whole_per_cents_by_name() -> None:
    assert parse(traffic, "blue=90", "green=10%").shares == [("blue", 90), ("green", 10)]
    assert parse(mirror, "green=10").share == {"green": 10}
    assert parse(mirror, "off").share == {}
    for word in ("blue", "=5", "blue=", "blue=-5", "blue=1.5", "blue=all"):
        with pytest.raises((argparse.ArgumentError, SystemExit)):
            parse(traffic, word)


def test_a_deployment_that_is_named_twice_gets_neither_share() -> None:
    with pytest.raises(EndpointError, match="blue: named twice: give each deployment one share"):
        traffic.run(parse(traffic, "blue=100", "green=0", "blue=0"))


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_every_verb_has_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    endpoint.configure(parser)
    with pytest.raises(SystemExit):
        parser.parse_args([verb, "--help"])
    assert f"example:\n  tritext endpoint {verb}" in capsys.readouterr().out


def test_a_log_is_followed_line_by_line_also_when_it_is_begun_anew_or_gone(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    assert logs.more(log, 7) == ([], 7)
    log.write_bytes(b"one\ntw")
    assert logs.more(log, 0) == (["one\n"], 4)
    log.write_bytes(b"one\ntwo\n\xff\n")
    assert logs.more(log, 4) == (["two\n", "\ufffd\n"], 10)
    log.write_bytes(b"new\n")
    assert logs.more(log, 10) == (["new\n"], 4)


def test_logs_of_a_deployment_are_those_of_all_its_instances(tmp_path: Path) -> None:
    for name in ("blue-0", "blue-1", "blue-green-0", "edge", "supervisor"):
        (tmp_path / f"{name}.log").write_text("1\n2\n3\n", encoding="ascii")
    assert [path.stem for path in logs.find(tmp_path, "blue")] == ["blue-0", "blue-1"]
    assert [path.stem for path in logs.find(tmp_path, "blue-green")] == ["blue-green-0"]
    assert [path.stem for path in logs.find(tmp_path, "edge")] == ["edge"]
    assert logs.find(tmp_path, "access") == []
    assert logs.last(tmp_path / "edge.log", 2) == ["2\n", "3\n"]
    with pytest.raises(EndpointError, match=r"no log of 'red': there are supervisor, edge, access, blue, blue-green$"):
        logs.find(tmp_path, "red")
