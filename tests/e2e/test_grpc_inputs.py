"""What a stranger could send by gRPC: the same refusals as by HTTP, and the same server afterwards."""

from collections.abc import Iterator

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput, service_pb2
from tritonclient.utils import InferenceServerException

from tests.e2e.raw import pack
from tritext_serve.server import Server

pytestmark = pytest.mark.e2e


@pytest.fixture
def triton(server: Server) -> Iterator[InferenceServerClient]:
    """NVIDIA's own client; a good request is answered after every test."""
    client = InferenceServerClient(server.grpc_url.removeprefix("grpc://"))
    yield client
    good = InferInput("text", [1, 1], "BYTES")
    good.set_data_from_numpy(np.array([[b"A wonderful, moving film."]], dtype=np.object_))
    assert client.infer("sentiment", [good]).as_numpy("sentiment").tolist() == [[b"positive"]]
    client.close()


def send_raw(client: InferenceServerClient, raw: bytes, count: int) -> None:
    """Send bytes as the texts' tensor, whatever they hold."""
    request = service_pb2.ModelInferRequest(model_name="sentiment", raw_input_contents=[raw])
    request.inputs.add(name="text", datatype="BYTES", shape=[count, 1])
    client._client_stub.ModelInfer(request, timeout=30)


@pytest.mark.parametrize(
    ("raw", "count"),
    [
        (b"", 1),
        (b"\x05", 1),
        (b"\xff\xff\xff\xff", 1),
        (pack(b"one"), 2),
        (pack(b"one", b"two"), 1),
        (pack(b"caf\xe9"), 1),
        (pack(*[b"x"] * 65), 65),
    ],
    ids=["nothing", "cut length", "length 2^32", "too few", "too many", "latin-1", "batch"],
)
def test_malformed_texts_are_the_clients_fault(triton: InferenceServerClient, raw: bytes, count: int) -> None:
    import grpc

    with pytest.raises(grpc.RpcError) as error:
        send_raw(triton, raw, count)
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("dtype", "shape", "array"),
    [("INT32", [1, 1], np.zeros((1, 1), np.int32)), ("BYTES", [1], np.array([b"x"], dtype=np.object_))],
    ids=["dtype", "shape"],
)
def test_a_wrong_tensor_is_refused(
    triton: InferenceServerClient,
    dtype: str,
    shape: list[int],
    array: np.ndarray[tuple[int, ...], np.dtype[np.object_]],
) -> None:
    wrong = InferInput("text", shape, dtype)
    wrong.set_data_from_numpy(array)
    with pytest.raises(InferenceServerException, match="INVALID_ARGUMENT"):
        triton.infer("sentiment", [wrong])


@pytest.mark.parametrize(
    "call",
    ["get_model_config", "get_inference_statistics", "unload_model"],
)
def test_apis_that_change_or_reveal_the_server_are_closed(triton: InferenceServerClient, call: str) -> None:
    with pytest.raises(InferenceServerException, match="restricted"):
        getattr(triton, call)("sentiment")


@pytest.mark.parametrize(
    "call", ["get_model_repository_index", "get_trace_settings", "get_log_settings", "get_system_shared_memory_status"]
)
def test_and_so_are_those_of_the_whole_server(triton: InferenceServerClient, call: str) -> None:
    with pytest.raises(InferenceServerException, match="restricted"):
        getattr(triton, call)()
