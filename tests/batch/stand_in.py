"""A stand-in for a server: real gRPC in a process of its own, an invented model, and a latency as it was recorded.

``python -m tests.batch.stand_in --port 8001 --latency 0.05`` prints a line when it is up. A request takes its latency
whatever else runs, so this server is never the limit. The label of a text is told by its length. A text like
``refuse:INVALID_ARGUMENT:words`` is refused; one like ``fail:3:UNAVAILABLE`` is refused so often and then answered.
"""

import argparse
import asyncio
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

LABELS = ("negative", "positive")
SCORE = 0.75


@contextmanager
def stand_in(latency: float = 0.0, version: str = "1", port: int = 0, record: Path | None = None) -> Iterator[str]:
    """Run one in a process of its own; gives its URL."""
    words = ["--latency", str(latency), "--version", version, "--port", str(port)]
    words += [] if record is None else ["--record", str(record)]
    command = [sys.executable, "-m", "tests.batch.stand_in", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def label_of(text: str) -> str:
    """The label that this model gives a text."""
    return LABELS[len(text.encode()) % len(LABELS)]


def texts_of(raw: bytes) -> list[bytes]:
    """Take a BYTES tensor apart."""
    texts, at = [], 0
    while at < len(raw):
        (size,) = struct.unpack_from("<I", raw, at)
        texts.append(raw[at + 4 : at + 4 + size])
        at += 4 + size
    return texts


class StandIn(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]  # the generated class has no types
    """The service."""

    def __init__(self, latency: float, version: str, record: Path | None) -> None:
        self._latency, self._version = latency, version
        self._record = None if record is None else record.open("a", buffering=1)
        self._refused: Counter[bytes] = Counter()

    async def ModelReady(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """It is."""
        return service_pb2.ModelReadyResponse(ready=True)

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Answer after the latency."""
        await asyncio.sleep(self._latency)
        texts = texts_of(request.raw_input_contents[0])
        if self._record is not None:
            self._record.write(f"{time.monotonic()} {context.peer()} {len(texts)}\n")
        if not request.parameters["background"].bool_param:
            await context.abort(grpc.StatusCode.INTERNAL, "a job's requests must let others pass")
        for text in texts:
            await self._refuse(text, context)
        response = service_pb2.ModelInferResponse(model_name=request.model_name, model_version=self._version)
        for output in request.outputs:
            name = output.name
            if output.parameters["classification"].int64_param:
                self._add(response, name, "BYTES", len(LABELS), b"".join(map(_entry, range(len(LABELS)))), 1)
            else:
                self._add(response, name, *_column(name, texts), len(texts))
        return response

    def _add(self, response: Any, name: str, kind: str, width: int, raw: bytes, rows: int) -> None:
        response.outputs.add(name=name, datatype=kind, shape=[rows, width])
        response.raw_output_contents.append(raw)

    async def _refuse(self, text: bytes, context: Any) -> None:
        verb, _, rest = text.decode().partition(":")
        if verb == "refuse":
            status, _, words = rest.partition(":")
            await context.abort(getattr(grpc.StatusCode, status), words)
        if verb == "fail":
            times, _, status = rest.partition(":")
            if self._refused[text] < int(times):
                self._refused[text] += 1
                await context.abort(getattr(grpc.StatusCode, status), "for now")


def _entry(index: int) -> bytes:
    words = f"0.5:{index}:{LABELS[index]}".encode()
    return struct.pack("<I", len(words)) + words


def _column(name: str, texts: list[bytes]) -> tuple[str, int, bytes]:
    match name:
        case "label_id":
            return "INT32", 1, np.array([len(t) % len(LABELS) for t in texts], np.int32).tobytes()
        case "score":
            return "FP32", 1, np.full(len(texts), SCORE, np.float32).tobytes()
        case "tokens":
            return "INT32", 1, np.array([len(t) for t in texts], np.int32).tobytes()
        case _:
            return "BOOL", 1, np.array([len(t) > 1000 for t in texts], np.bool_).tobytes()


async def serve(port: int, latency: float, version: str, record: Path | None) -> None:
    """Serve until the process is told to end."""
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1)])
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(StandIn(latency, version, record), server)
    chosen = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    sys.stdout.write(f"grpc://127.0.0.1:{chosen}\n")
    sys.stdout.flush()
    await server.wait_for_termination()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds of each request")
    parser.add_argument("--version", default="1", help="the model's version")
    parser.add_argument("--record", type=Path, help="write a line for each request: moment, client, texts")
    args = parser.parse_args()
    asyncio.run(serve(args.port, args.latency, args.version, args.record))


if __name__ == "__main__":
    main()
