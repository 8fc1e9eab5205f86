"""HTTP/1.1 by hand: bytes out, every answer that comes back in.

What keeps HTTP's framing goes down connections that are kept for as long as the server keeps them. What may break it
gets a connection of its own: where no answer comes in a while the sending side is closed, and then the server has no
reason to wait for more.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.mutations import Case

SHARED_CONNECTIONS, OWN_CONNECTIONS = 6, 40
WHILE_SECONDS = 0.5
PATIENCE = 60.0
Place = tuple[str, int]
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")


@dataclass
class Answer:
    """One answer.

    Attributes:
        status: Its status.
        headers: By lower-case name; of those that come twice, the last.
        body: What followed.
    """

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def content(self) -> Any:
        """Its JSON; None where it has none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass
class Exchange:
    """A case and what it got.

    Attributes:
        case: What was sent.
        answers: What came back, as a rule one answer; none where the connection was closed instead.
        hung: Whether neither came in time.
    """

    case: Case
    answers: list[Answer] = field(default_factory=list)
    hung: bool = False


def exchange(
    cases: Iterable[Case], host: str, port: int, *, own: int = OWN_CONNECTIONS, seconds: float = WHILE_SECONDS
) -> list[Exchange]:
    """Send every case and take in what comes back.

    Args:
        cases: In any order; those with a body share connections.
        host: The edge's address.
        port: Its port.
        own: How many of the connections that are not shared may be open at once.
        seconds: After how long without an answer their sending side is closed.
    """
    return asyncio.run(_exchange_all(list(cases), (host, port), own, seconds))


async def _exchange_all(cases: Sequence[Case], place: Place, at_once: int, seconds: float) -> list[Exchange]:
    own = [Exchange(case) for case in cases if case.body is None]
    shared = [Exchange(case) for case in cases if case.body is not None]
    kept, singles = iter(shared), iter(own)

    async def work_alone() -> None:
        for one in singles:
            await _alone(one, place, seconds)

    workers = [_keep(kept, place) for _ in range(SHARED_CONNECTIONS)]
    await asyncio.gather(*workers, *(work_alone() for _ in range(at_once)))
    return own + shared


async def _alone(one: Exchange, place: Place, seconds: float) -> None:
    reader, writer = await asyncio.open_connection(*place)
    try:
        writer.write(one.case.raw)
        raw = await _first_answer(reader, seconds)
        writer.write_eof()
        one.answers = await _parse(raw + await asyncio.wait_for(reader.read(-1), PATIENCE))
    except TimeoutError:
        one.hung = True
    except OSError:
        pass  # closed on us with bytes unread: a refusal without words
    finally:
        await _close(writer)


async def _first_answer(reader: asyncio.StreamReader, seconds: float) -> bytes:
    """Read until an answer is whole, or the connection at its end, or nothing has come for a while."""
    raw = b""
    while not await _parse(raw):
        try:
            more = await asyncio.wait_for(reader.read(1 << 16), seconds)
        except TimeoutError:
            break
        if not more:
            break
        raw += more
    return raw


async def _keep(exchanges: Iterator[Exchange], place: Place) -> None:
    """Send one after the other, down one connection for as long as it lasts."""
    writer = None
    for one in exchanges:
        if writer is None:
            reader, writer = await asyncio.open_connection(*place)
        try:
            writer.write(one.case.raw)
            one.answers = [await asyncio.wait_for(read(reader), PATIENCE)]
        except TimeoutError:
            one.hung = True
        except (OSError, EOFError):
            pass  # no answer, which the oracle does not let pass
        if not one.answers or one.answers[0].headers.get("connection") == "close":
            await _close(writer)
            writer = None
    if writer is not None:
        await _close(writer)


async def _parse(raw: bytes) -> list[Answer]:
    reader = asyncio.StreamReader(limit=1 << 20)
    reader.feed_data(raw)
    reader.feed_eof()
    answers = []
    try:
        while not reader.at_eof():
            answers.append(await read(reader))
    except (EOFError, ValueError):
        pass  # no HTTP/1 from here on: frames, or the rest of what HEAD would have had
    return answers


async def read(reader: asyncio.StreamReader) -> Answer:
    """Read one answer, past those that only say that more will come.

    Raises:
        EOFError: There is none, or not all of it.
        ValueError: It is not HTTP/1.
    """
    head = await reader.readuntil(b"\r\n\r\n")
    found = STATUS.match(head)
    if found is None:
        raise ValueError(f"not an answer: {head[:80]!r}")
    if found[1].startswith(b"1"):
        return await read(reader)
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:] if line)
    answer = Answer(int(found[1]), {name.lower(): value.strip() for name, _, value in lines})
    if answer.headers.get("transfer-encoding") == "chunked":
        answer.body = await _chunks(reader)
    elif answer.status not in (204, 304):
        answer.body = await reader.readexactly(int(answer.headers.get("content-length", 0)))
    return answer


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")
    return body


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
