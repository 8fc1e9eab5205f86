"""Where clients connect: what is refused before anything starts, and how a URL is written."""

import argparse
import socket
import subprocess
from pathlib import Path

import pytest

from tests.certificates import Certificates, make_certificates
from tritext_serve.endpoint.edge.model import Listener, Tls
from tritext_serve.endpoint.model import Endpoint
from tritext_serve.endpoint.verbs import listening
from tritext_serve.errors import EndpointError, PortError

ENDPOINT = Endpoint("films", "disabled")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


def parse(*words: str) -> argparse.Namespace:
    """Read the arguments."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    listening.configure(parser)
    return parser.parse_args(list(words))


def chosen(*words: str) -> tuple[Listener, ...]:
    """Choose by them."""
    return listening.listeners(parse(*words), ENDPOINT)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("127.0.0.1:80", "http://127.0.0.1:80"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("::1:8080", "http://[::1]:8080"),
        ("0.0.0.0:65535", "http://0.0.0.0:65535"),
    ],
)
def test_an_address_becomes_a_url_that_clients_can_read(text: str, url: str) -> None:
    assert [each.url for each in chosen("--listen", text)] == [url]


@pytest.mark.parametrize(
    "text", ["8080", "localhost:8080", "films.example:80", "127.0.0.1:0", "127.0.0.1:70000", ":80"]
)
def test_what_envoy_cannot_listen_on_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentError, match="is not an address and a port, such as"):
        parse("--listen", text)


def test_a_port_that_is_taken_is_told_with_the_flag_that_chose_it() -> None:
    free = Listener("127.0.0.1", 65535)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for flag, those in (("listen", [Listener("127.0.0.1", port)]), ("public", [free, Listener("127.0.0.1", port)])):
            with pytest.raises(PortError, match=rf":{port}: Address already in use: choose another with --{flag}$"):
                listening.check(those)


def test_a_chain_and_its_own_key_are_taken(made: Certificates) -> None:
    (listener,) = chosen("--tls-cert", str(made.certificate), "--tls-key", str(made.key))
    assert listener.tls == Tls(made.certificate, made.key)
    assert listener.url == "https://127.0.0.1:8080"


def test_what_is_no_such_pair_is_refused_with_its_reason(made: Certificates, tmp_path: Path) -> None:
    junk, locked = tmp_path / "junk.pem", tmp_path / "locked.pem"
    junk.write_text("hello", encoding="ascii")
    lock = ["openssl", "ec", "-in", str(made.key), "-aes256", "-passout", "pass:secret", "-out", str(locked)]
    subprocess.run(lock, check=True, capture_output=True, timeout=30)
    for certificate, key in (
        (junk, made.key),
        (made.certificate, junk),
        (made.ca, made.key),
        (made.certificate, locked),
    ):
        with pytest.raises(
            EndpointError, match=r": give a certificate chain and its own key, both PEM and in the clear$"
        ):
            chosen("--tls-cert", str(certificate), "--tls-key", str(key))
    with pytest.raises(EndpointError, match=r"none\.pem: no such file: give a PEM file"):
        chosen("--tls-cert", str(tmp_path / "none.pem"), "--tls-key", str(made.key))
    with pytest.raises(EndpointError, match="TLS needs both"):
        chosen("--tls-key", str(made.key))


def test_no_public_address_where_the_file_allows_none() -> None:
    with pytest.raises(EndpointError, match="the endpoint's file says `public_network_access: disabled`"):
        chosen("--public", "127.0.0.1:8443")
