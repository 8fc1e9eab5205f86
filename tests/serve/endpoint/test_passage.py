"""Where an allowed name may lead: the file that the compose egress reads, in an Envoy on this machine's loopback."""

import json
import subprocess
import sys
from collections.abc import Iterator
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
    for_examples = any(
        met in ip_network(each) for each in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "192.0.0.0/24")
    )
    assert barred is not met.is_global or for_examples or (met.is_multicast and barred)


def rendered(port: int, *, loosened: bool) -> str:
    """Give what compose mounts into the egress, less the name server, whose port is not this machine's to give."""
    rules = (OutboundRule("here", "fqdn", HERE, (port,)),)
    network = Network("allow_only_approved_outbound", rules)
    endpoint = Endpoint("demo", deployments={"blue": deployment("blue")}, network=network)
    content = json.loads(containers.way_out(endpoint, GROUND)["egress.json"])
    content["admin"]["address"] = {"pipe": {"path": ADMIN}}
    static = content["static_resources"]
    static["listeners"] = [each for each in static["listeners"] if each["name"] not in ("blue-names", "stats")]
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
    try:
        envoy = Envoy(tmp_path)
    except PlatformError as error:
        pytest.skip(f"MISSING: {error}")
    asked = {"kind": "tls", "host": GROUND.doorway("blue"), "port": port, "name": HERE, "seconds": 10}
    with standin(tmp_path, port), envoy:
        assert prober.probe(asked) == word
