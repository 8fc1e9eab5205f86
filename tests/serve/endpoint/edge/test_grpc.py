"""KServe by gRPC through the same port: only what exists, and the codes of the table."""

from collections.abc import Callable, Iterator

import grpc
import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from tests.serve.endpoint.edge.test_routing import wait_for
from tests.serve.endpoint.edges import RunningEdge

pytestmark = pytest.mark.e2e
Code = grpc.StatusCode


@pytest.fixture
def client(edge_endpoint: RunningEdge) -> Iterator[InferenceServerClient]:
    """A client without a key of its own."""
    made = InferenceServerClient(edge_endpoint.grpc)
    yield made
    made.close()


def tensor(text: bytes = b"A wonderful film.", count: int = 1) -> list[InferInput]:
    """The input of some texts."""
    made = InferInput("text", [count, 1], "BYTES")
    made.set_data_from_numpy(np.array([[text]] * count, dtype=np.object_))
    return [made]


def code_of(call: Callable[[], object]) -> grpc.StatusCode:
    """Give the status of a call that must fail."""
    with pytest.raises(InferenceServerException) as caught:
        call()
    return getattr(Code, caught.value.status().removeprefix("StatusCode."))


def test_a_text_gets_its_label(client: InferenceServerClient, edge_endpoint: RunningEdge) -> None:
    for more in ({}, {"azureml-model-deployment": "green"}):
        answer = client.infer("sentiment", tensor(), headers=edge_endpoint.headers | more)
        assert answer.as_numpy("sentiment").tolist() == [[b"positive"]]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"headers": {}}, Code.UNAUTHENTICATED),
        ({"headers": {"authorization": "Bearer wrong"}}, Code.UNAUTHENTICATED),
        ({"model_name": "nope"}, Code.NOT_FOUND),
        ({"model_version": "99"}, Code.NOT_FOUND),
        ({"target": "red"}, Code.NOT_FOUND),
        ({"inputs": tensor(count=65)}, Code.INVALID_ARGUMENT),
        ({"inputs": tensor(b"\xff")}, Code.INVALID_ARGUMENT),
        ({"inputs": tensor(b"a" * (1 << 20))}, Code.RESOURCE_EXHAUSTED),
        ({"timeout": 1}, Code.DEADLINE_EXCEEDED),
    ],
)
def test_refusals(
    client: InferenceServerClient, edge_endpoint: RunningEdge, more: dict[str, object], code: grpc.StatusCode
) -> None:
    headers = edge_endpoint.headers | ({"azureml-model-deployment": more.pop("target")} if "target" in more else {})
    asked = {"model_name": "sentiment", "inputs": tensor(), "headers": headers} | more
    assert code_of(lambda: client.infer(**asked)) is code
    assert client.infer("sentiment", tensor(), headers=edge_endpoint.headers).as_numpy("score") is not None


def test_only_inference_health_and_metadata_are_there(
    client: InferenceServerClient, edge_endpoint: RunningEdge
) -> None:
    headers = edge_endpoint.headers
    assert client.is_server_live(headers=headers)
    assert client.is_server_ready(headers=headers)
    assert client.is_model_ready("sentiment", headers=headers)
    assert client.get_model_metadata("sentiment", headers=headers).name == "sentiment"
    for call in (
        client.get_server_metadata,
        client.get_model_repository_index,
        client.get_inference_statistics,
        client.get_system_shared_memory_status,
        client.get_trace_settings,
        client.get_log_settings,
    ):
        assert code_of(lambda call=call: call(headers=headers)) is Code.UNIMPLEMENTED  # type: ignore[misc]
    assert code_of(lambda: client.load_model("sentiment", headers=headers)) is Code.UNIMPLEMENTED
    assert code_of(lambda: client.get_model_config("sentiment", headers=headers)) is Code.UNIMPLEMENTED


def test_an_ill_deployment_is_unavailable(client: InferenceServerClient, edge_endpoint: RunningEdge) -> None:
    headers = edge_endpoint.headers | {"azureml-model-deployment": "green"}

    def is_unavailable() -> bool:
        try:
            client.infer("sentiment", tensor(), headers=headers)
        except InferenceServerException as error:
            return bool(error.status() == "StatusCode.UNAVAILABLE")
        return False

    edge_endpoint.health.ill.add("green/0")
    try:
        wait_for(is_unavailable)
    finally:
        edge_endpoint.health.ill.clear()
    wait_for(lambda: not is_unavailable())
