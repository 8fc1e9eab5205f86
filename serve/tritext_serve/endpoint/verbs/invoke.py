"""``tritext endpoint invoke``: texts through the endpoint's own front door, keys and edge included."""

import argparse
import http.client
import json
import ssl
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from rich.console import Console
from rich.table import Table

from tritext_serve.endpoint import control, keys
from tritext_serve.endpoint.verbs.shared import add_endpoint, chosen
from tritext_serve.errors import EndpointError, KeysError
from tritext_serve.front.options import RESERVED_OUTPUTS

HELP = "classify texts through the endpoint"
EPILOG = """\
example:
  tritext endpoint invoke --text "A lovely film."
  tritext endpoint invoke --file reviews.txt --deployment green
"""
TIMEOUT_SECONDS = 60.0
MOST_SHOWN = 60
TARGET_HEADER = "azureml-model-deployment"
_NOT_LABELS = RESERVED_OUTPUTS | {"model_name", "model_version"}


@dataclass(frozen=True, slots=True)
class Door:
    """Where to ask, and with which key.

    Attributes:
        url: Base URL of the endpoint.
        key: What opens it; never shown.
        authority: PEM file of who signed its certificate; None for whom this machine trusts.
    """

    url: SplitResult
    key: str = field(repr=False)
    authority: Path | None = None


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EPILOG
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--text", action="append", metavar="TEXT", help="a text; given again, one more")
    given.add_argument("--file", type=Path, metavar="FILE", help="a text a line, or a request where it ends in .json")
    parser.add_argument("--deployment", metavar="NAME", help="ask this one, whatever the traffic says")
    parser.add_argument("--url", help="ask another endpoint, by its base URL; wants --key-file")
    parser.add_argument("--key-file", type=Path, metavar="FILE", help="a file with the key, or an endpoint's keys.json")
    parser.add_argument("--ca", type=Path, metavar="PEM", help="who signed the endpoint's certificate")
    parser.add_argument("--json", action="store_true", help="print the answer as it came")
    add_endpoint(parser)


def run(args: argparse.Namespace) -> int:
    """Ask, and show what comes.

    Raises:
        EndpointError: the endpoint answers with an error, or with something else than texts' labels, or not at all.
        KeysError: the key cannot be read.
    """
    body, door = request_body(args.text, args.file), _door(args)
    status, deployment, answer = post(door, body, args.deployment)
    if status != http.client.OK:
        raise EndpointError(f"{door.url.geturl()} answers {status}: {error_text(answer)}")
    if args.json:
        sys.stdout.write(answer if answer.endswith("\n") else f"{answer}\n")
    else:
        # A text is shown as it is: brackets and colons in it are no markup.
        Console(highlight=False, markup=False, emoji=False).print(table(_read(answer, door), deployment))
    return 0


def request_body(texts: list[str] | None, file: Path | None) -> bytes:
    """Compose the request: one text as it is, more as a list.

    Raises:
        EndpointError: the file cannot be read, or is empty.
    """
    if file is None:
        given = texts or []
        return json.dumps({"text": given[0] if len(given) == 1 else given}).encode()
    try:
        content = file.read_bytes()
        if file.suffix == ".json":
            return content
        lines = [line for line in content.decode().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise EndpointError(f"{file}: {error}: give a file of texts, a line each") from error
    if not lines:
        raise EndpointError(f"{file}: holds no text: write one a line")
    return json.dumps({"text": lines}).encode()


def post(door: Door, body: bytes, deployment: str | None) -> tuple[int, str, str]:
    """Ask ``/predict``; no redirect is followed, so that the key goes nowhere else.

    Returns:
        Status, the deployment that answered, and the body.

    Raises:
        EndpointError: there is no answer.
    """
    connection = _connect(door)
    headers = {"Authorization": f"Bearer {door.key}", "Content-Type": "application/json"}
    if deployment is not None:
        headers[TARGET_HEADER] = deployment
    try:
        connection.request("POST", f"{door.url.path.rstrip('/')}/predict", body, headers)
        response = connection.getresponse()
        return response.status, response.headers.get(TARGET_HEADER, ""), response.read().decode(errors="replace")
    except ssl.SSLCertVerificationError as error:
        remedy = "say with --ca who signed its certificate"
        raise EndpointError(f"{door.url.geturl()}: {error.verify_message}: {remedy}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise EndpointError(f"{door.url.geturl()} does not answer: {error}: is it up?") from error
    finally:
        connection.close()


def error_text(answer: str) -> str:
    """Say what an error's body says: ``{"error": …, "code": …}`` of the edge, or whatever else it is."""
    try:
        said = json.loads(answer)
        return f"{said['error']} ({said['code']})"
    except (ValueError, KeyError, TypeError):
        return answer.strip()[:500] or "without a word"


def _read(answer: str, door: Door) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(answer)
        list(rows(content))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"{door.url.geturl()} answers something else than texts with their labels and scores"
        raise EndpointError(f"{what}: see it with --json") from error
    return content


def table(answer: Mapping[str, Any], deployment: str) -> Table:
    """Lay out a row for each text."""
    laid_out = Table("text", *_label_names(answer), "score", box=None, pad_edge=False, header_style="dim")
    for text, labels, score in rows(answer):
        laid_out.add_row(text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 1]}…", *labels, f"{score:.3f}")
    if deployment:
        laid_out.caption = f"answered by {deployment}"
    return laid_out


def rows(answer: Mapping[str, Any]) -> Iterator[tuple[str, list[str], float]]:
    """Give each text, its label and its score; an answer to one text holds no lists."""
    columns = [answer["text"], *(answer[name] for name in _label_names(answer)), answer["score"]]
    listed = columns if isinstance(answer["text"], list) else [[column] for column in columns]
    for text, *labels, score in zip(*listed, strict=True):
        yield str(text), [str(label) for label in labels], float(score)


def _label_names(answer: Mapping[str, Any]) -> list[str]:
    return [name for name in answer if name not in _NOT_LABELS]


def _door(args: argparse.Namespace) -> Door:
    if args.url is not None:
        if args.key_file is None:
            raise KeysError(f"{args.url}: the keys of this machine's endpoint are not sent there: give --key-file")
        return Door(_base(args.url), read_key(args.key_file), args.ca)
    where = chosen(args)
    state = control.ask(where.control, {"verb": "show"})
    return Door(_base(state["urls"][0]), read_key(args.key_file or Path(state["keys_file"])), args.ca)


def _base(text: str) -> SplitResult:
    url = urlsplit(text)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise EndpointError(f"{text!r} is no base URL: write it as http://127.0.0.1:8080")
    return url


def read_key(path: Path) -> str:
    """Read the primary key of a ``keys.json``, or the only word of another file.

    Raises:
        KeysError: there is none.
    """
    try:
        content = path.read_text(encoding="utf-8").strip()
        if content.startswith("{"):
            return keys.read(path)["primary"]
    except (OSError, UnicodeDecodeError) as error:
        raise KeysError(f"{path}: {error}: give a file with a key by --key-file") from error
    if len(content.split()) != 1 or not content.isascii():
        raise KeysError(f"{path}: holds no key: write the key into it, and nothing else")
    return content


def _connect(door: Door) -> http.client.HTTPConnection:
    host, port = str(door.url.hostname), door.url.port
    # An endpoint that listens on every address is asked on this machine's own.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    if door.url.scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
    trusted = ssl.create_default_context(cafile=None if door.authority is None else str(door.authority))
    return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_SECONDS, context=trusted)
