"""Calls over HTTP: the only file that imports httpx. KServe v2 JSON both ways, without Triton's binary extension."""

import asyncio
import json
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import numpy as np

from tritext._errors import DeadlineExceeded, InferenceFailed, TritextError
from tritext._faults import fault
from tritext._settings import Endpoint
from tritext._transports.base import Answer, Array, Call

_DTYPES: dict[str, Any] = {
    "BOOL": np.bool_,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    "INT32": np.int32,
    "INT64": np.int64,
}


class HttpTransport:
    """One connection pool, shared by all threads."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._client = httpx.Client(**_options(endpoint))

    def infer(self, call: Call) -> Answer:
        """Send one request and wait for its answer."""
        where = self._endpoint.describe(call.model, call.version)
        url = _url(self._endpoint, call.model, call.version, "infer")
        return _answer(self._send("POST", url, call.timeout, where, _body(call)), where)

    def ready(self, model: str, version: str, timeout: float) -> bool:
        """Ask whether the model takes requests."""
        where = self._endpoint.describe(model, version)
        return _readiness(self._send("GET", _url(self._endpoint, model, version, "ready"), timeout, where), where)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _send(self, method: str, url: str, timeout: float, where: str, body: bytes | None = None) -> "_Reply":
        remaining = _Remaining(timeout)
        content = bytearray()
        with (
            _translated(where),
            self._client.stream(method, url, content=body, extensions={"timeout": remaining}) as response,
        ):
            for piece in response.iter_bytes():
                content += piece
                remaining.check(where)
            return _Reply(response.status_code, response.headers.get("retry-after"), bytes(content))


class AsyncHttpTransport:
    """One connection pool, bound to the event loop that runs when it is first used."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        # asyncio.timeout bounds every request as a whole, which httpx cannot
        self._client = httpx.AsyncClient(**_options(endpoint), timeout=None)  # noqa: S113

    async def infer(self, call: Call) -> Answer:
        """Send one request and wait for its answer."""
        where = self._endpoint.describe(call.model, call.version)
        url = _url(self._endpoint, call.model, call.version, "infer")
        return _answer(await self._send("POST", url, call.timeout, where, _body(call)), where)

    async def ready(self, model: str, version: str, timeout: float) -> bool:
        """Ask whether the model takes requests."""
        where = self._endpoint.describe(model, version)
        return _readiness(await self._send("GET", _url(self._endpoint, model, version, "ready"), timeout, where), where)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _send(self, method: str, url: str, timeout: float, where: str, body: bytes | None = None) -> "_Reply":
        with _translated(where):
            async with asyncio.timeout(timeout):
                response = await self._client.request(method, url, content=body)
        return _Reply(response.status_code, response.headers.get("retry-after"), response.content)


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    retry_after: str | None
    content: bytes


class _Remaining(Mapping[str, float]):
    """httpx times each phase of a request by itself; this gives every phase what the earlier ones have left.

    httpcore asks for ``pool``, ``connect``, ``write`` and ``read`` as each of them begins. A body that trickles in is
    stopped by ``check``, up to one read later.
    """

    def __init__(self, timeout: float) -> None:
        self._deadline = time.monotonic() + timeout

    def __getitem__(self, phase: str) -> float:
        return max(0.001, self._deadline - time.monotonic())

    def __iter__(self) -> Iterator[str]:
        return iter(("pool", "connect", "write", "read"))

    def __len__(self) -> int:
        return 4

    def check(self, where: str) -> None:
        if time.monotonic() > self._deadline:
            raise DeadlineExceeded(f"{where}: the answer took too long to arrive: {DeadlineExceeded.advice}")


def _options(endpoint: Endpoint) -> dict[str, Any]:
    own = endpoint.ca_file is not None
    return {
        "headers": endpoint.headers,
        "verify": ssl.create_default_context(cafile=endpoint.ca_file) if own else True,
        "limits": httpx.Limits(max_connections=None, max_keepalive_connections=100),  # callers bound themselves
    }


def _url(endpoint: Endpoint, model: str, version: str, verb: str) -> str:
    return f"{endpoint}/v2/models/{model}/{f'versions/{version}/' if version else ''}{verb}"


def _body(call: Call) -> bytes:
    parameters = {"classification": call.class_count} if call.class_count else {}
    document = {
        "inputs": [
            {"name": name, "shape": [len(texts), 1], "datatype": "BYTES", "data": texts}
            for name, texts in call.inputs.items()
        ],
        "outputs": [{"name": name, "parameters": parameters} for name in call.outputs],
        # The server counts microseconds.
        "parameters": {"timeout": max(1, int(call.timeout * 1_000_000)), **call.parameters},
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode()


def _answer(reply: _Reply, where: str) -> Answer:
    if reply.status != httpx.codes.OK:
        raise _refusal(reply, where)
    try:
        document = json.loads(reply.content)
        arrays = {output["name"]: _array(output) for output in document["outputs"]}
        return Answer(str(document["model_version"]), arrays)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        start = reply.content[:80]
        raise InferenceFailed(f"{where}: not an answer of Triton's: {start!r} ({error!r}): check the url") from error


def _array(output: dict[str, Any]) -> Array:
    if output["datatype"] == "BYTES":
        array: Array = np.array([text.encode() for text in output["data"]], dtype=np.object_)
    else:
        array = np.array(output["data"], dtype=_DTYPES[output["datatype"]])
    return array.reshape(output["shape"])


def _readiness(reply: _Reply, where: str) -> bool:
    if reply.status == httpx.codes.BAD_REQUEST:  # Triton: "Model version not ready", for unknown models too
        return False
    if reply.status != httpx.codes.OK:
        raise _refusal(reply, where)
    return True


def _refusal(reply: _Reply, where: str) -> TritextError:
    words = reply.content.decode(errors="replace")
    try:
        words = str(json.loads(words)["error"])
    except (ValueError, KeyError, TypeError):
        words = words[:500]  # a gateway's own page
    return fault(reply.status, words, where, _seconds(reply.retry_after))


def _seconds(retry_after: str | None) -> float | None:
    """Read a ``Retry-After`` header: a number of seconds, or a date."""
    if not retry_after:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None


@contextmanager
def _translated(where: str) -> Iterator[None]:
    """Turn what a connection fails with into our errors."""
    try:
        yield
    except (httpx.TimeoutException, TimeoutError) as error:
        raise fault("DEADLINE_EXCEEDED", "no answer in time", where) from error
    except httpx.HTTPError as error:
        raise fault("UNAVAILABLE", f"{type(error).__name__}: {error}", where) from error
