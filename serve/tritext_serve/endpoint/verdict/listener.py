"""The sockets that fronts tell their answers to, one a deployment, so that none can speak for another.

A deployment's socket is there only while it is compared: a front that finds none makes no digests.
"""

import contextlib
import logging
import os
import selectors
import socket
import threading
from collections.abc import Callable, Collection
from pathlib import Path

from tritext_serve.errors import WitnessError
from tritext_serve.front.witness import Ticket, Told, unpack

MOST_BYTES = 1 << 18
# A Unix socket's path, its end counted.
MOST_PATH_BYTES = 108
# The thread looks that often whether sockets came or went.
LOOK_SECONDS = 0.2
KEY_BYTES = 32
_LOG = logging.getLogger(__name__)

Take = Callable[[str, Told], None]


class Listener:
    """Takes datagrams in a thread of its own until it is closed."""

    def __init__(self, directory: Path, take: Take) -> None:
        """Make the folder and the key of this run.

        Args:
            directory: For tickets and sockets; made, of this user alone.
            take: Gets the name of the deployment that spoke, and what it said.
        """
        self._directory, self._take, self._key = directory, take, os.urandom(KEY_BYTES)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.malformed = 0
        self._sockets: dict[str, socket.socket] = {}
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="witness", daemon=True)
        self._thread.start()

    def ticket(self, deployment: str, share: float = 1.0) -> Path:
        """Write the file by which a deployment's fronts find their socket.

        Args:
            deployment: Its name.
            share: Which part of all texts they tell of, the same for every deployment.

        Returns:
            What ``ServerOptions.witness`` takes.

        Raises:
            WitnessError: the folder's path is too long for a socket in it.
        """
        path, place = self._directory / f"{deployment}.json", self._place(deployment)
        content = Ticket(str(place), self._key, share).to_json()
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(content)
        return path

    def listen(self, deployments: Collection[str]) -> None:
        """Listen to these and to nobody else.

        Raises:
            WitnessError: a socket cannot be made.
        """
        with self._lock:
            for deployment in self._sockets.keys() - set(deployments):
                self._close(deployment)
            for deployment in sorted(set(deployments) - self._sockets.keys()):
                self._open(deployment)

    def close(self) -> None:
        """Stop listening and remove what was made."""
        self._stopped.set()
        self._thread.join()
        self.listen(())
        self._selector.close()
        for ticket in self._directory.glob("*.json"):
            ticket.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._directory.rmdir()

    def _place(self, deployment: str) -> Path:
        place = self._directory / f"{deployment}.sock"
        if len(os.fsencode(place)) >= MOST_PATH_BYTES:
            raise WitnessError(f"{place}: longer than a socket's path may be: set XDG_RUNTIME_DIR to a shorter path")
        return place

    def _open(self, deployment: str) -> None:
        place = self._place(deployment)
        place.unlink(missing_ok=True)
        ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            ear.bind(str(place))
            place.chmod(0o600)
        except OSError as error:
            ear.close()
            raise WitnessError(f"{place}: {error.strerror}: set XDG_RUNTIME_DIR to a folder of yours") from error
        self._sockets[deployment] = ear
        self._selector.register(ear, selectors.EVENT_READ, deployment)

    def _close(self, deployment: str) -> None:
        ear = self._sockets.pop(deployment)
        self._selector.unregister(ear)
        ear.close()
        self._place(deployment).unlink(missing_ok=True)

    def _listen(self) -> None:
        while not self._stopped.is_set():
            for key, _ in self._selector.select(LOOK_SECONDS):
                with self._lock, contextlib.suppress(OSError):  # closed meanwhile, or empty
                    datagram = key.fileobj.recv(MOST_BYTES)  # type: ignore[union-attr]  # only sockets are registered
                    self._hear(key.data, datagram)

    def _hear(self, deployment: str, datagram: bytes) -> None:
        try:
            self._take(deployment, unpack(datagram))
        except Exception as error:  # whatever a front tells, the thread that hears all of them must outlive it
            self.malformed += 1
            _LOG.warning("the fronts of %s tell what cannot be read: %s", deployment, error)
