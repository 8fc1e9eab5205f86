"""The socket between an endpoint's supervisor and the other verbs: one JSON object a line each way.

::

    {"verb": "traffic", "traffic": {"blue": 90, "green": 10}}  ──►
    ◄── {"progress": "starting green"}        any number of these
    ◄── {"ok": true, "protocol": 2, …}  or  {"ok": false, "error": "…"}
"""

import contextlib
import json
import logging
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from tritext_serve.errors import EndpointError, RunDirectoryError, ServeError

MOST_BYTES = 1 << 20
PROTOCOL = 2  # another number where an older or newer verb would take an answer or a request otherwise
Say = Callable[[str], None]
Handler = Callable[[Mapping[str, Any], Say], Mapping[str, Any]]
_LOG = logging.getLogger(__name__)


class ControlServer:
    """Answers verbs until it is closed, each connection in a thread of its own."""

    def __init__(self, path: Path, handler: Handler) -> None:
        """Listen at once; the folder around the socket keeps others out.

        Args:
            path: Where the socket is to be.
            handler: Takes a request and a function that says how far it is, and gives the answer.

        Raises:
            RunDirectoryError: the socket cannot be made there.
        """
        try:
            self._server = _Server(str(path), handler)
        except OSError as error:
            raise RunDirectoryError(f"{path}: {error}: set XDG_RUNTIME_DIR to a shorter path of yours") from error
        path.chmod(0o600)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def ask(path: Path, request: Mapping[str, Any], say: Say | None = None, timeout: float = 600.0) -> dict[str, Any]:
    """Ask a supervisor for something.

    Args:
        path: Its socket.
        request: With the verb under ``"verb"``.
        say: Is told how far it is.
        timeout: Seconds between two lines of the answer.

    Returns:
        The answer, without ``"ok"`` and ``"protocol"``.

    Raises:
        EndpointError: the supervisor refuses, ended meanwhile, or is another version's.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(str(path))
            connection.sendall(json.dumps(dict(request)).encode() + b"\n")
            with connection.makefile("rb") as lines:
                for line in lines:
                    answer = json.loads(line)
                    if "progress" not in answer:
                        return _checked(answer, request.get("verb"))
                    if say is not None:
                        say(str(answer["progress"]))
    except (OSError, ValueError) as error:
        raise EndpointError(f"{path}: the supervisor does not answer: {error}: see `tritext endpoint logs`") from error
    raise EndpointError("the supervisor ended before it answered: see `tritext endpoint logs`")


def _checked(answer: dict[str, Any], verb: object) -> dict[str, Any]:
    if answer.pop("ok", False) is not True:
        raise EndpointError(str(answer.get("error", "the supervisor refused and gave no reason")))
    if answer.pop("protocol", 1) != PROTOCOL and verb != "down":  # which any version may
        raise EndpointError("another version of tritext has started this endpoint: use that one, or start it again")
    return answer


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, path: str, handler: Handler) -> None:
        self.handle_verb = handler
        super().__init__(path, _Connection)


class _Connection(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        with contextlib.suppress(OSError):  # the verb was interrupted: what it asked for is done all the same
            for line in iter(lambda: self.rfile.readline(MOST_BYTES), b""):
                self._send(self._answer(line))

    def _answer(self, line: bytes) -> Mapping[str, Any]:
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise ValueError("it is not an object")  # one kind of mistake for the caller
        except (ValueError, RecursionError) as error:
            return {"ok": False, "error": f"a request is one JSON object a line: {error}"}
        handler = cast(_Server, self.server).handle_verb
        try:
            return {"ok": True, "protocol": PROTOCOL} | dict(handler(request, self._say))
        except ServeError as error:
            return {"ok": False, "error": str(error)}
        except Exception as error:  # the supervisor must outlive any verb
            _LOG.exception("verb %r failed", request.get("verb"))
            return {"ok": False, "error": f"{type(error).__name__}: {error}: see `tritext endpoint logs`"}

    def _say(self, words: str) -> None:
        with contextlib.suppress(OSError):
            self._send({"progress": words})

    def _send(self, answer: Mapping[str, Any]) -> None:
        self.wfile.write(json.dumps(answer).encode() + b"\n")
        self.wfile.flush()
