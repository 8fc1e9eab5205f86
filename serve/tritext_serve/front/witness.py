"""What a front tells of its answers while two deployments are compared: digests of texts, never the texts.

::

    texts ──► keyed digests, 8 bytes each ──► those of the sample ──► rows (digest, label, score) ──► a datagram

Every front of an endpoint digests with the same key, which is made anew for each run, so the same text has the same
digest on both sides and is sampled on both or on neither. Nothing waits for the listener: rows that it has no room for
go with the next batch's or are dropped and counted, and where nobody listens no digest is made.
"""

import json
import socket
import struct
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tritext_serve.front.long_texts import LongTexts
from tritext_serve.front.options import Options, OptionsError
from tritext_serve.front.pipeline import Outcome
from tritext_serve.front.tally import Tally
from tritext_serve.front.texts import TextInput

PARAMETER = "witness"
ROW = np.dtype([("digest", "<u8"), ("label_id", "<i4"), ("score", "<f4")])
Rows = npt.NDArray[Any]
# One datagram's most; also what may wait for room. 128 KiB, below what Linux lets a socket send at once.
MOST_ROWS = 8192
# How long nobody is spoken to after nobody was there.
DEAF_SECONDS = 1.0
_MAGIC, _PREFIX = b"ttw1", struct.Struct("<4sI")


class Told(NamedTuple):
    """One datagram.

    Attributes:
        model: The front that tells.
        version: Its version.
        labels: Its label names, by label id.
        rows: What it answered, ``ROW`` [texts].
    """

    model: str
    version: int
    labels: tuple[str, ...]
    rows: Rows


@dataclass(frozen=True, slots=True)
class Ticket:
    """Where a front tells what it answers, and of which texts.

    Attributes:
        socket: Path of a Unix datagram socket.
        key: What texts are digested with.
        share: Which part of all texts is sampled, from 0 to 1.
    """

    socket: str
    key: bytes
    share: float = 1.0

    def to_json(self) -> str:
        """Write it as ``read_ticket`` reads it; whoever can read it can test whether a text they guess was asked."""
        return json.dumps({"socket": self.socket, "key": self.key.hex(), "share": self.share})


def read_ticket(path: Path) -> Ticket:
    """Read a ticket.

    Raises:
        OptionsError: there is none, or it makes no sense.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        ticket = Ticket(str(content["socket"]), bytes.fromhex(content["key"]), float(content["share"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OptionsError(f"{path}: {error}: start the endpoint again") from error
    if not (0 < ticket.share <= 1 and 0 < len(ticket.key) <= blake2b.MAX_KEY_SIZE):
        raise OptionsError(f"{path}: share is {ticket.share}, the key has {len(ticket.key)} bytes: start it again")
    return ticket


class Witness:
    """Tells a listener what one front answers, if there is one."""

    def __init__(self, ticket: Ticket, header: bytes, usual: LongTexts, count: Callable[[str, int], None]) -> None:
        """Tell nothing yet.

        Args:
            ticket: Whom to tell.
            header: What each datagram begins with.
            usual: How long texts are taken where a request does not say.
            count: Told how many texts were ``sent``, ``dropped`` or met nobody (``unheard``).
        """
        self._ticket, self._header, self._usual, self._count = ticket, header, usual, count
        self._hasher = blake2b(digest_size=8, key=ticket.key)
        self._socket: socket.socket | None = None
        self._deaf_until = 0.0
        self._waiting: list[bytes] = []

    def tell(self, texts: Sequence[TextInput], ways: Sequence[LongTexts], outcome: Outcome) -> None:
        """Tell what became of a batch of texts, those without an answer left out.

        Args:
            texts: Single texts, or pairs.
            ways: How each is taken if it is long; none where all are as usual.
            outcome: One row a text.
        """
        if not texts:
            return
        if time.monotonic() < self._deaf_until:
            self._count("unheard", len(texts))
            return
        digests = [self._digest(text) for text in texts]
        if ways:
            digests = [self._mark(digest, way) for digest, way in zip(digests, ways, strict=True)]
        rows = sample(np.frombuffer(b"".join(digests), "<u8"), outcome, self._ticket.share)
        if rows:
            self._send(rows)

    def close(self) -> None:
        """Let go of the listener."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _digest(self, text: TextInput) -> bytes:
        hasher = self._hasher.copy()
        hasher.update((text if isinstance(text, str) else f"{len(text[0])}:{text[0]}{text[1]}").encode())
        return hasher.digest()

    def _mark(self, digest: bytes, way: LongTexts) -> bytes:
        """Tell a text that is taken otherwise than usual from the same text as usual: their answers may differ."""
        return digest if way == self._usual else self._digest(f"{digest.hex()}{way}")

    def _send(self, rows: bytes) -> None:
        data = b"".join((self._header, *self._waiting, rows))
        try:
            if self._socket is None:
                self._socket = _connect(self._ticket.socket)
            self._socket.send(data)
        except BlockingIOError:
            self._keep(rows)
        except OSError:  # nobody listens, or no more
            self.close()
            self._deaf_until = time.monotonic() + DEAF_SECONDS
            self._count("unheard", _texts(rows, *self._waiting))
            self._waiting = []
        else:
            self._count("sent", _texts(rows, *self._waiting))
            self._waiting = []

    def _keep(self, rows: bytes) -> None:
        """Keep what there was no room for, up to a bound."""
        if _texts(rows, *self._waiting) <= MOST_ROWS // 2:
            self._waiting.append(rows)
        else:
            self._count("dropped", _texts(rows))


def open_witness(parameters: Mapping[str, str], model: str, options: Options, tally: Tally) -> Witness | None:
    """Open the witness that the launcher wants, if it wants one.

    Args:
        parameters: Of the front's staged configuration.
        model: The front's name.
        options: What the front knows of its version.
        tally: What counts the texts told.

    Raises:
        OptionsError: the ticket cannot be read.
    """
    if PARAMETER not in parameters:
        return None
    ticket = read_ticket(Path(parameters[PARAMETER]))
    return Witness(ticket, pack_header(model, options.version, options.labels), options.long_texts, tally.count_told)


def sample(digests: npt.NDArray[np.uint64], outcome: Outcome, share: float) -> bytes:
    """Take the rows of the texts that are in the sample and have an answer; at most one datagram's.

    Args:
        digests: Of each text, UINT64 [texts].
        outcome: One row a text.
        share: Which part of all digests is in the sample.
    """
    answers = outcome.answers
    rows = np.empty(len(digests), ROW)
    rows["digest"], rows["label_id"], rows["score"] = digests, answers.label_ids, answers.score
    if share < 1 or outcome.failures:
        rows = rows[_in_sample(digests, outcome.failures, share)]
    return rows[: MOST_ROWS // 2].tobytes()


def pack_header(model: str, version: int, labels: Sequence[str]) -> bytes:
    """Write what a front's every datagram begins with."""
    said = json.dumps({"model": model, "version": version, "labels": list(labels)}).encode()
    return _PREFIX.pack(_MAGIC, len(said)) + said


def unpack(datagram: bytes) -> Told:
    """Read a datagram.

    Raises:
        ValueError: it is none of a front's.
    """
    if len(datagram) < _PREFIX.size:
        raise ValueError(f"a datagram of {len(datagram)} bytes")
    magic, length = _PREFIX.unpack_from(datagram)
    start = _PREFIX.size + length
    if magic != _MAGIC or start > len(datagram) or (len(datagram) - start) % ROW.itemsize:
        raise ValueError("not a front's datagram")
    try:
        said = json.loads(datagram[_PREFIX.size : start])
        model, version, labels = str(said["model"]), int(said["version"]), tuple(map(str, said["labels"]))
    except (KeyError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"a front's datagram whose header makes no sense: {error!r}") from error
    return Told(model, version, labels, np.frombuffer(datagram, ROW, offset=start))


def _in_sample(digests: npt.NDArray[np.uint64], failures: Collection[int], share: float) -> npt.NDArray[np.bool_]:
    """Which texts are told, BOOL [texts]; by the digest alone where they have an answer."""
    told: npt.NDArray[np.bool_] = (digests >> np.uint64(32)) < round(share * (1 << 32))
    told[list(failures)] = False
    return told


def _texts(*rows: bytes) -> int:
    return sum(map(len, rows)) // ROW.itemsize


def _connect(path: str) -> socket.socket:
    speaker = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        speaker.connect(path)
    except OSError:
        speaker.close()
        raise
    return speaker
