"""What `tritext endpoint invoke` sends and shows, to a small server that says what it was asked."""

import argparse
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tritext_serve.endpoint import keys
from tritext_serve.endpoint.verbs import invoke
from tritext_serve.errors import EndpointError, KeysError

ONE = {"text": "a", "sentiment": "positive", "score": 0.75, "label_id": 1, "model_name": "m", "model_version": "1"}
MANY = {"text": ["a", "b" * 99], "sentiment": ["positive", "negative"], "score": [0.75, 0.5], "tokens": [3, 4]}


class Asked:
    """A server: its next answer, and what it was asked."""

    def __init__(self) -> None:
        self.status, self.answer, self.headers = 200, json.dumps(ONE).encode(), {"azureml-model-deployment": "blue"}
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        asked = self

        class Handler(BaseHTTPRequestHandler):
            """Notes what comes."""

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                asked.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, json.loads(body)))
                self.send_response(asked.status)
                for name, value in ({"content-length": str(len(asked.answer))} | asked.headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(asked.answer)

            def log_message(self, *arguments: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()


@pytest.fixture
def asked() -> Iterator[Asked]:
    """A running server."""
    running = Asked()
    yield running
    running.server.shutdown()
    running.thread.join()
    running.server.server_close()


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """A file that holds a key."""
    path = tmp_path / "key"
    path.write_text("a-key\n")
    return path


def run(asked: Asked, key_file: Path | None, *words: str) -> int:
    """Run the verb."""
    parser = argparse.ArgumentParser()
    invoke.configure(parser)
    key = () if key_file is None else ("--key-file", str(key_file))
    return invoke.run(parser.parse_args(["--url", asked.url, *key, *words]))


def test_one_text_is_sent_as_it_is_with_the_key(
    asked: Asked, key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(asked, key_file, "--text", "a", "--deployment", "blue") == 0
    ((path, headers, body),) = asked.requests
    assert (path, body) == ("/predict", {"text": "a"})
    assert (headers["authorization"], headers["azureml-model-deployment"]) == ("Bearer a-key", "blue")
    shown = capsys.readouterr().out
    assert "a-key" not in shown
    assert [line.split() for line in shown.splitlines()][:2] == [
        ["text", "sentiment", "score"],
        ["a", "positive", "0.750"],
    ]
    assert "answered by blue" in shown


def test_several_texts_and_a_file_are_sent_as_lists(
    asked: Asked, key_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked.answer = json.dumps(MANY).encode()
    texts = tmp_path / "texts.txt"
    texts.write_text("a\n\n  \nb\n")
    run(asked, key_file, "--text", "a", "--text", "b")
    run(asked, key_file, "--file", str(texts))
    assert [body for _, _, body in asked.requests] == [{"text": ["a", "b"]}] * 2
    assert "b" * 59 + "…" in capsys.readouterr().out


def test_a_request_of_ones_own_is_sent_unchanged_and_json_comes_out_unchanged(
    asked: Asked, key_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = tmp_path / "request.json"
    request.write_text('{"text": ["a"], "long_texts": "window"}')
    run(asked, key_file, "--file", str(request), "--json")
    assert asked.requests[0][2] == {"text": ["a"], "long_texts": "window"}
    assert json.loads(capsys.readouterr().out) == ONE


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            b'{"error": "no such deployment", "code": "DeploymentNotFound"}',
            r"answers 404: no such .* \(DeploymentNotFound\)",
        ),
        (b"<html>", "answers 404: <html>"),
        (b"", "answers 404: without a word"),
    ],
)
def test_an_error_is_said_and_fails(asked: Asked, key_file: Path, answer: bytes, words: str) -> None:
    asked.status, asked.answer = 404, answer
    with pytest.raises(EndpointError, match=words):
        run(asked, key_file, "--text", "a")


def test_a_text_of_markup_is_shown_as_it_is(asked: Asked, key_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked.answer = json.dumps(ONE | {"text": "[/b] [red]no :heart:"}).encode()
    assert run(asked, key_file, "--text", "a") == 0
    assert "[/b] [red]no :heart:" in capsys.readouterr().out


@pytest.mark.parametrize("answer", [b"fine", b"[]", b"{}", b'{"text": ["a", "b"], "label": "c", "score": 1}'])
def test_an_answer_of_another_kind_is_said(asked: Asked, key_file: Path, answer: bytes) -> None:
    asked.answer = answer
    with pytest.raises(EndpointError, match="answers something else than texts with their labels and scores: see it"):
        run(asked, key_file, "--text", "a")


def test_a_redirect_does_not_carry_the_key_away(asked: Asked, key_file: Path) -> None:
    asked.status, asked.headers = 307, {"location": f"{asked.url}/elsewhere"}
    with pytest.raises(EndpointError, match="answers 307"):
        run(asked, key_file, "--text", "a")
    assert [path for path, _, _ in asked.requests] == ["/predict"]


def test_another_endpoint_is_never_sent_this_machines_key(asked: Asked) -> None:
    with pytest.raises(KeysError, match="are not sent there: give --key-file"):
        run(asked, None, "--text", "a")
    assert asked.requests == []


def test_keys_are_read_from_both_kinds_of_files(tmp_path: Path, key_file: Path) -> None:
    made = keys.read_or_make(tmp_path / "keys.json")
    assert invoke.read_key(tmp_path / "keys.json") == made["primary"]
    assert invoke.read_key(key_file) == "a-key"


@pytest.mark.parametrize("content", ["", "two words", "schlüssel"])
def test_a_file_without_a_key_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_text(content)
    with pytest.raises(KeysError, match="holds no key"):
        invoke.read_key(tmp_path / "key")
    with pytest.raises(KeysError, match="No such file"):
        invoke.read_key(tmp_path / "none")


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://a", "http://"])
def test_what_is_no_url_is_named(asked: Asked, key_file: Path, url: str) -> None:
    asked.url = url
    with pytest.raises(EndpointError, match="is no base URL"):
        run(asked, key_file, "--text", "a")


def test_an_endpoint_that_is_not_there_is_named(asked: Asked, key_file: Path) -> None:
    asked.url = "http://127.0.0.1:1"
    with pytest.raises(EndpointError, match=r"http://127.0.0.1:1 does not answer: .*refused: is it up"):
        run(asked, key_file, "--text", "a")


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "holds no text"), (b"\xff\xff", "decode"), (None, "No such file")]
)
def test_a_file_without_texts_is_named(tmp_path: Path, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / "texts").write_bytes(content)
    with pytest.raises(EndpointError, match=words):
        invoke.request_body(None, tmp_path / "texts")
