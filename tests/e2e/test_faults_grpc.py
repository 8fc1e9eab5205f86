"""The same rows by gRPC: codes that match the statuses, and the next good call answered."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from tests.e2e.faults import NO_KEY
from tests.e2e.raw import pack
from tests.e2e.test_faults import AGAIN_SECONDS, rises
from tests.serve.endpoint.edges import RunningEdge

pytestmark = pytest.mark.e2e
SECONDS = 20.0
CODES = grpc.StatusCode
COUNTED = "http.edge.downstream_rq_total"
STILL_BUSY = (CODES.DEADLINE_EXCEEDED, CODES.RESOURCE_EXHAUSTED)


class Caller:
    """Calls ModelInfer as a client of the edge does."""

    def __init__(self, edge: RunningEdge) -> None:
        """Connect, with room for requests that are too large."""
        self.key = edge.key
        self.channel = grpc.insecure_channel(edge.grpc, options=[("grpc.max_send_message_length", 64 << 20)])
        self.stub = service_pb2_grpc.GRPCInferenceServiceStub(self.channel)

    def infer(self, raw: bytes = b"\1\0\0\0x", count: int = 1, seconds: float = SECONDS, **changes: Any) -> Any:
        """Send one tensor of texts; ``changes`` are to the request or, where they are named so, to the tensor."""
        tensor = {"name": "text", "datatype": "BYTES", "shape": [count, 1]}
        tensor |= {name: changes.pop(name) for name in list(changes) if name in tensor}
        metadata = changes.pop("metadata", (("authorization", f"Bearer {self.key}"),))
        parameters, compression = changes.pop("parameters", {}), changes.pop("compression", None)
        request = service_pb2.ModelInferRequest(model_name="sentiment", raw_input_contents=[raw])
        for name, value in changes.items():
            setattr(request, name, value)
        request.inputs.add(**tensor)
        for name, value in parameters.items():
            request.parameters[name].int64_param = value
        return self.stub.ModelInfer(request, timeout=seconds, metadata=metadata, compression=compression)


def answers_again(caller: Caller) -> Any:
    """Wait out what the calls before have left behind; then the next good call must be answered."""
    deadline = time.monotonic() + AGAIN_SECONDS
    while True:
        try:
            return caller.infer(pack(b"A wonderful film."))
        except grpc.RpcError as error:
            if error.code() not in STILL_BUSY or time.monotonic() > deadline:
                raise


@pytest.fixture
def caller(edge_endpoint: RunningEdge) -> Iterator[Caller]:
    """A client; a good call is answered after every test."""
    made = Caller(edge_endpoint)
    grpc.channel_ready_future(made.channel).result(SECONDS)
    yield made
    answer = answers_again(made)
    assert answer.model_name == "sentiment"
    assert any(b"positive" in raw for raw in answer.raw_output_contents)
    made.channel.close()


@pytest.mark.parametrize(
    ("row", "code", "call"),
    [
        (2, CODES.INVALID_ARGUMENT, {"raw": b"", "count": 0}),
        (3, CODES.INVALID_ARGUMENT, {"raw": b""}),
        (4, CODES.RESOURCE_EXHAUSTED, {"raw": pack(b"x" * 10_000_000)}),
        (6, CODES.INVALID_ARGUMENT, {"raw": pack(b"caf\xe9")}),
        (8, CODES.INVALID_ARGUMENT, {"datatype": "INT32"}),
        (8, CODES.INVALID_ARGUMENT, {"datatype": "NONSENSE"}),
        (9, CODES.INVALID_ARGUMENT, {"shape": [1]}),
        (9, CODES.INVALID_ARGUMENT, {"shape": [2, 1]}),
        (10, CODES.INVALID_ARGUMENT, {"shape": [-1, 1]}),
        (11, CODES.INVALID_ARGUMENT, {"raw": pack(*[b"x"] * 65), "count": 65}),
        (12, CODES.INVALID_ARGUMENT, {"name": "texts"}),
        (16, CODES.NOT_FOUND, {"model_name": "nothing"}),
        (16, CODES.NOT_FOUND, {"model_version": "99"}),
        (16, CODES.INVALID_ARGUMENT, {"model_version": "abc"}),
        (19, CODES.INVALID_ARGUMENT, {"raw": b"\x09\0\0\0good"}),
        (25, CODES.DEADLINE_EXCEEDED, {"parameters": {"timeout": 1}}),
        (
            26,
            CODES.DEADLINE_EXCEEDED,
            # Far more than can be computed so soon, and long enough for the call to arrive.
            {"raw": pack(*(b"long %d " % n * 400 for n in range(64))), "count": 64, "seconds": 0.5},
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else getattr(value, "name", ""),
)
def test_a_bad_call_gets_its_code(
    edge_endpoint: RunningEdge, caller: Caller, row: int, code: grpc.StatusCode, call: dict[str, Any]
) -> None:
    with rises(edge_endpoint, COUNTED), pytest.raises(grpc.RpcError) as error:
        caller.infer(**call)
    assert error.value.code() == code, f"row {row}: {error.value.details()}"
    assert "triton" not in error.value.details().lower()
    assert "stub" not in error.value.details().lower()


@pytest.mark.parametrize(
    "metadata",
    [(), (("authorization", "Bearer wrong"),), (("x-api-key", "primary-" + "k" * 35),)],
    ids=["no key", "wrong key", "another header"],
)
def test_a_call_without_a_key_is_unauthenticated(
    edge_endpoint: RunningEdge, caller: Caller, metadata: tuple[tuple[str, str], ...]
) -> None:
    with rises(edge_endpoint, NO_KEY), pytest.raises(grpc.RpcError) as error:
        caller.infer(metadata=metadata)
    assert error.value.code() == CODES.UNAUTHENTICATED


def test_an_unknown_deployment_is_not_found(edge_endpoint: RunningEdge, caller: Caller) -> None:
    metadata = (("authorization", f"Bearer {caller.key}"), ("azureml-model-deployment", "purple"))
    with rises(edge_endpoint, COUNTED), pytest.raises(grpc.RpcError) as error:
        caller.infer(metadata=metadata)
    assert error.value.code() == CODES.NOT_FOUND


@pytest.mark.parametrize(
    ("method", "request_type"),
    [
        ("RepositoryIndex", service_pb2.RepositoryIndexRequest),
        ("RepositoryModelUnload", service_pb2.RepositoryModelUnloadRequest),
        ("SystemSharedMemoryRegister", service_pb2.SystemSharedMemoryRegisterRequest),
        ("ModelStatistics", service_pb2.ModelStatisticsRequest),
        ("ModelConfig", service_pb2.ModelConfigRequest),
        ("TraceSetting", service_pb2.TraceSettingRequest),
        ("LogSettings", service_pb2.LogSettingsRequest),
    ],
)
def test_other_methods_do_not_exist(edge_endpoint: RunningEdge, caller: Caller, method: str, request_type: Any) -> None:
    metadata = (("authorization", f"Bearer {caller.key}"),)
    with rises(edge_endpoint, COUNTED), pytest.raises(grpc.RpcError) as error:
        getattr(caller.stub, method)(request_type(), timeout=SECONDS, metadata=metadata)
    assert error.value.code() == CODES.UNIMPLEMENTED


def test_a_tensor_whose_lengths_lie_does_not_spoil_its_neighbours(caller: Caller) -> None:
    """Row 19: Triton itself refuses every request that shares a batch with such a one."""

    def send(number: int) -> str:
        try:
            caller.infer(b"\5\0\0\0good" if number % 2 else pack(b"good"))
        except grpc.RpcError as error:
            return str(error.code().name)
        return "OK"

    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(send, range(400)))
    assert (set(codes[::2]), set(codes[1::2])) == ({"OK"}, {"INVALID_ARGUMENT"})


def test_a_compressed_call_is_refused(caller: Caller) -> None:
    """Row 20."""
    with pytest.raises(grpc.RpcError) as error:
        caller.infer(pack(b"long " * 400), compression=grpc.Compression.Gzip)
    assert error.value.code() == CODES.INVALID_ARGUMENT


def test_a_passed_deadline_is_called_so_whoever_notices_it_first(caller: Caller) -> None:
    """Row 26: the edge and Triton are both told it, and Triton's own word for it is another."""
    texts = pack(*(b"long %d " % count * 400 for count in range(16)))
    for milliseconds in range(5, 45, 2):
        with pytest.raises(grpc.RpcError) as error:
            caller.infer(texts, count=16, seconds=milliseconds / 1000)
        assert error.value.code() == CODES.DEADLINE_EXCEEDED, error.value.details()
