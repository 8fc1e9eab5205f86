"""Calls over gRPC: the only file that imports tritonclient. Texts travel as raw BYTES, numbers as raw arrays."""

from typing import Any

import numpy as np
from tritonclient import grpc as sync_grpc
from tritonclient.grpc import InferInput, InferRequestedOutput, InferResult
from tritonclient.grpc import aio as async_grpc
from tritonclient.utils import InferenceServerException

from tritext._errors import InferenceFailed, TritextError
from tritext._faults import fault
from tritext._settings import Endpoint
from tritext._transports.base import Answer, Call

# gRPC waits a second after a refused connection before it dials again, and fails every call meanwhile: longer
# than our own retries last. These let a retry find a server that has just come back.
_CHANNEL = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1000),
]


class _Client(sync_grpc.InferenceServerClient):  # type: ignore[misc]
    """tritonclient's, which closes itself as it goes, even where it was interrupted before it had anything to close."""

    def close(self) -> None:
        """Close the channel, if it has one."""
        if "_stream" in vars(self):  # the last that is made
            super().close()


class GrpcTransport:
    """One channel, shared by all threads: tritonclient's unary calls are safe to use so."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._client = _Client(**_options(endpoint))

    def infer(self, call: Call) -> Answer:
        """Send one request and wait for its answer."""
        try:
            result = self._client.infer(**_request(call, self._endpoint))
        except InferenceServerException as error:
            raise _fault(error, self._endpoint.describe(call.model, call.version)) from error
        return _answer(result)

    def ready(self, model: str, version: str, timeout: float) -> bool:
        """Ask whether the model takes requests."""
        try:
            return bool(self._client.is_model_ready(model, version, self._endpoint.headers, client_timeout=timeout))
        except InferenceServerException as error:
            raise _fault(error, self._endpoint.describe(model, version)) from error

    def close(self) -> None:
        """Close the channel."""
        self._client.close()


class AsyncGrpcTransport:
    """One channel, bound to the event loop that runs when it is made."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._client = async_grpc.InferenceServerClient(**_options(endpoint))

    async def infer(self, call: Call) -> Answer:
        """Send one request and wait for its answer."""
        try:
            result = await self._client.infer(**_request(call, self._endpoint))
        except InferenceServerException as error:
            raise _fault(error, self._endpoint.describe(call.model, call.version)) from error
        return _answer(result)

    async def ready(self, model: str, version: str, timeout: float) -> bool:
        """Ask whether the model takes requests."""
        headers = self._endpoint.headers
        try:
            return bool(await self._client.is_model_ready(model, version, headers, client_timeout=timeout))
        except InferenceServerException as error:
            raise _fault(error, self._endpoint.describe(model, version)) from error

    async def close(self) -> None:
        """Close the channel."""
        await self._client.close()


def _options(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "url": endpoint.authority,
        "ssl": endpoint.encrypted,
        "root_certificates": None if endpoint.ca_file is None else str(endpoint.ca_file),
        "channel_args": _CHANNEL,
    }


def _request(call: Call, endpoint: Endpoint) -> dict[str, Any]:
    return {
        "model_name": call.model,
        "model_version": call.version,
        "inputs": [_input(name, texts) for name, texts in call.inputs.items()],
        "outputs": [InferRequestedOutput(name, class_count=call.class_count) for name in call.outputs],
        "parameters": call.parameters,
        "timeout": max(1, int(call.timeout * 1_000_000)),  # the server's queue policy counts microseconds
        "client_timeout": call.timeout,
        "headers": endpoint.headers,
    }


def _input(name: str, texts: tuple[str, ...]) -> InferInput:
    tensor = InferInput(name, [len(texts), 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[text.encode()] for text in texts], dtype=np.object_))
    return tensor


def _answer(result: InferResult) -> Answer:
    response = result.get_response()
    try:
        arrays = {output.name: result.as_numpy(output.name) for output in response.outputs}
    except (ValueError, TypeError) as error:
        raise InferenceFailed(f"the answer's bytes do not fit its shapes: {error}") from error
    return Answer(response.model_version, arrays)


def _fault(error: InferenceServerException, where: str) -> TritextError:
    status = str(error.status() or "UNKNOWN").removeprefix("StatusCode.")
    return fault(status, error.message() or "", where)
