"""What only gRPC does."""

import gc
import socket
import sys
from pathlib import Path

import grpc as grpcio
import pytest

from tests.client.fake_triton import FakeGrpc
from tests.client.transports.conftest import Door
from tritext import AccessDenied, Client, ConfigurationError, InferenceFailed
from tritext._settings import Endpoint
from tritext._transports.base import Call
from tritext._transports.grpc import GrpcTransport

CALL = Call("sentiment", "3", ("four",), ("score",), 9.0)


def test_the_request(grpc: Door) -> None:
    grpc.infer(CALL)
    request, _, time_left = grpc.fake.requests[0]
    assert (request.model_name, request.model_version) == ("sentiment", "3")
    assert (request.inputs[0].name, request.inputs[0].datatype, list(request.inputs[0].shape)) == (
        "text",
        "BYTES",
        [1, 1],
    )
    assert request.parameters["timeout"].int64_param == 9_000_000
    assert 8.0 < time_left < 9.1  # gRPC rounds up


def test_the_status_of_a_gateway(grpc: Door) -> None:
    with pytest.raises(AccessDenied, match="TRITEXT_API_KEY"):
        grpc.infer(Call("m", "", ("refuse:UNAUTHENTICATED:Client authentication failed.",), ("score",), 5.0))


def test_an_answer_whose_bytes_do_not_fit(grpc: Door) -> None:
    with pytest.raises(InferenceFailed, match="do not fit"):
        grpc.infer(Call("sentiment", "", ("short",), ("score",), 5.0))


def test_tls(by_loop: bool, certificate: tuple[Path, Path]) -> None:
    pem, key = certificate
    credentials = grpcio.ssl_server_credentials([(key.read_bytes(), pem.read_bytes())])
    with FakeGrpc(credentials) as fake:
        door = Door(f"grpcs://127.0.0.1:{fake.port}", by_loop, fake)
        assert door.infer(CALL, ca_file=pem).model_version == "7"
        with pytest.raises(ConfigurationError, match="CERTIFICATE_VERIFY_FAILED"):
            door.infer(CALL)


def test_a_server_that_comes_back_is_found_by_the_retries() -> None:
    """By itself gRPC would fail every call of the first second after a refused connection."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with Client(f"grpc://127.0.0.1:{port}", retries=3) as client:
        assert client.ready() is False
        with FakeGrpc(port=port):
            client.wait_until_ready(0.7)
            assert client.classify("four").label == "so: so"


def test_an_interruption_while_a_channel_is_opened_is_nothing_but_that(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(grpcio, "insecure_channel", interrupted)
    ignored: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", ignored.append)
    with pytest.raises(KeyboardInterrupt) as told:
        GrpcTransport(Endpoint("grpc", "127.0.0.1:1"))
    del told  # and with it what was half made
    gc.collect()
    assert ignored == []
