"""Keep-alive HTTP connections to one server, shared by threads: light, so that the client takes little of the cores."""

import http.client
import threading
from types import TracebackType
from typing import Self

from tritext_loadtest.peers.errors import PeerError

TIMEOUT_SECONDS = 60.0


class Connections:
    """As many connections as there are requests in flight."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()

    def post(self, path: str, body: bytes) -> bytes:
        """Send a JSON body and give the answer's.

        Raises:
            PeerError: the server refuses it, or cannot be reached.
        """
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is not None:
            try:
                return self._send(connection, path, body)
            except (ConnectionError, http.client.BadStatusLine):
                connection.close()  # the server closed it while nobody asked; a fresh one says whether it is gone
        fresh = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_SECONDS)
        try:
            return self._send(fresh, path, body)
        except (OSError, http.client.HTTPException) as error:
            fresh.close()
            raise PeerError(f"port {self._port}{path}: {type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Close those that are idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, connection: http.client.HTTPConnection, path: str, body: bytes) -> bytes:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
        if response.status != http.client.OK:
            connection.close()
            raise PeerError(
                f"port {self._port}{path}: status {response.status}: {answer[:200].decode(errors='replace')}"
            )
        if response.will_close:
            connection.close()
        else:
            with self._lock:
                self._idle.append(connection)
        return answer
