"""Where an allowed name may lead: the file that the compose egress reads, in an Envoy on this machine's loopback."""

import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.serve.endpoint.isolation import standins
from tests.serve.endpoint.isolation.endpoints import deployment
from tritext_serve.endpoint import passage
from tritext_serve.endpoint.edge.process import Envoy
from tritext_serve.endpoint.edge.render import BOOTSTRAP
from tritext_serve.endpoint.isolation import containers, prober
from tritext_serve.endpoint.isolation.containers import Ground
from tritext_serve.endpoint.model import Endpoint, Network, OutboundRule
from tritext_serve.errors import PlatformError
from tritext_serve.ports import free_ports

HERE = "localhost"  # a name that every machine knows, with an address that no deployment should get to
GROUND = Ground("127.60")
ADMIN = "admin.sock"


@given(st.ip_addresses(v=4))
def test_what_is_not_the_internets_is_barred(address: object) -> None:
    met = ip_address(str(address))
    barred = any(met in ip_network(prefix) for prefix in passage.INSIDE)
    azures = str(met) == "168.63.129.16"  # a public address by its number, which leads to the machine's own host
    for_examples = any(
        met in ip_network(each) for each in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "192.0.0.0/24")
    )
    assert barred is not met.is_global or for_examples or ((met.is_multicast or azures) and barred)


def test_the_stacks_own_networks_are_barred_whatever_addresses_they_have() -> None:
    assert '"address_prefix": "11.22.0.0"' in rendered(443, loosened=False, ground=Ground("11.22"))


def rendered(port: int, *, loosened: bool, names: Sequence[str] = ("blue",), ground: Ground = GROUND) -> str:
    """Give what compose mounts into the egress, less the name server, whose port is not this machine's to give."""
    rules = (OutboundRule("here", "fqdn", HERE, (port,)),)
    network = Network("allow_only_approved_outbound", rules)
    endpoint = Endpoint("demo", deployments={name: deployment(name) for name in names}, network=network)
    content = json.loads(containers.way_out(endpoint, ground)["egress.json"])
    content["admin"]["address"] = {"pipe": {"path": ADMIN}}
    static = content["static_resources"]
    static["listeners"] = [each for each in static["listeners"] if not each["name"].endswith(("-names", "stats"))]
    if loosened:
        (within,) = (each for each in static["listeners"] if each["name"] == passage.PASSAGE)
        (chain,) = within["filter_chains"]
        router = chain["filters"][0]["typed_config"]["http_filters"][-1]["typed_config"]
        barred, *others = router["upstream_http_filters"]
        assert barred["name"] == "envoy.filters.http.upstream_rbac"
        router["upstream_http_filters"] = others
    return json.dumps(content)


@contextmanager
def standin(folder: Path, port: int) -> Iterator[None]:
    """Serve TLS where the name leads."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=stand-in"
    command = ["openssl", *words.split(), "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    told = json.dumps({"tls": [port], "certificate": str(certificate), "key": str(key), "host": "127.0.0.1"})
    command = [sys.executable, "-I", "-S", standins.__file__, told]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        assert serving.stdout.readline() == "serving\n"
        try:
            yield
        finally:
            serving.terminate()


@pytest.mark.parametrize(("loosened", "word"), [(False, "closed"), (True, "open")])
def test_the_compose_egress_passes_nothing_to_an_address_inside(tmp_path: Path, *, loosened: bool, word: str) -> None:
    (port,) = free_ports(1)
    (tmp_path / BOOTSTRAP).write_text(rendered(port, loosened=loosened), encoding="utf-8")
    with standin(tmp_path, port), running(tmp_path):
        assert prober.probe(asked("blue", port)) == word


def test_a_deployment_that_has_all_its_connections_leaves_the_others_theirs(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    content = json.loads(rendered(port, loosened=True, names=("blue", "green")))
    for cluster in content["static_resources"]["clusters"]:
        if cluster["name"].startswith(passage.PASSAGE):
            cluster["circuit_breakers"]["thresholds"] = [{"max_requests": 1}]
    (tmp_path / BOOTSTRAP).write_text(json.dumps(content), encoding="utf-8")
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    with standin(tmp_path, port), running(tmp_path):
        raw = socket.create_connection((GROUND.doorway("blue"), port), 10)
        with raw, trusting.wrap_socket(raw, server_hostname=HERE):
            assert {name: prober.probe(asked(name, port)) for name in ("blue", "green")} == {
                "blue": "closed",
                "green": "open",
            }
        assert prober.probe(asked("blue", port)) == "open"


def running(folder: Path) -> Envoy:
    """Give an Envoy that is not yet started."""
    try:
        return Envoy(folder)
    except PlatformError as error:
        pytest.skip(f"MISSING: {error}")


def asked(deployment: str, port: int) -> dict[str, object]:
    """Ask for the name as a deployment does."""
    return {"kind": "tls", "host": GROUND.doorway(deployment), "port": port, "name": HERE, "seconds": 10}
