"""Where an allowed name may lead: the file that the compose egress reads, in an Envoy on this machine's loopback."""

import json
import resource
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.serve.endpoint.isolation import standins
from tests.serve.endpoint.isolation.endpoints import deployment
from tritext_serve.endpoint import passage, passage_names
from tritext_serve.endpoint.edge.process import Envoy
from tritext_serve.endpoint.edge.render import BOOTSTRAP
from tritext_serve.endpoint.isolation import containers, prober
from tritext_serve.endpoint.isolation.containers import Ground
from tritext_serve.endpoint.model import Endpoint, Network, OutboundRule
from tritext_serve.errors import PlatformError
from tritext_serve.ports import steady_ports

HERE = "localhost"  # a name that every machine knows, with an address that no deployment should get to
BELOW = "*.localhost"  # and so is each of these
NEVER = "3600s"
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
    rules = (OutboundRule("here", "fqdn", HERE, (port,)), OutboundRule("below", "fqdn", BELOW, (port,)))
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
    (port,) = steady_ports(1)
    (tmp_path / BOOTSTRAP).write_text(rendered(port, loosened=loosened), encoding="utf-8")
    with standin(tmp_path, port), running(tmp_path):
        assert prober.probe(asked("blue", port)) == word


def test_a_deployment_that_has_all_its_connections_leaves_the_others_theirs(tmp_path: Path) -> None:
    (port,) = steady_ports(1)
    content = json.loads(rendered(port, loosened=True, names=("blue", "green")))
    for cluster in content["static_resources"]["clusters"]:
        if cluster["name"].startswith(passage.PASSAGE):
            cluster["circuit_breakers"]["thresholds"] = [{"max_requests": 1}]
    (tmp_path / BOOTSTRAP).write_text(json.dumps(content), encoding="utf-8")
    with standin(tmp_path, port), running(tmp_path):
        raw = socket.create_connection((GROUND.doorway("blue"), port), 10)
        with raw, trusting().wrap_socket(raw, server_hostname=HERE):
            assert probed(port) == {"blue": "closed", "green": "open"}
        assert prober.probe(asked("blue", port)) == "open"


def test_connections_on_which_one_deployment_says_nothing_leave_the_others_theirs(tmp_path: Path) -> None:
    (port,) = steady_ports(1)
    content = json.loads(rendered(port, loosened=True, names=("blue", "green")))
    for each in content["static_resources"]["listeners"]:
        if "listener_filters_timeout" in each:
            each["listener_filters_timeout"] = NEVER  # as if new ones came as fast as old ones are closed
    (tmp_path / BOOTSTRAP).write_text(json.dumps(content), encoding="utf-8")
    many = 3 * passage.MOST_CONNECTIONS
    with standin(tmp_path, port), running(tmp_path) as envoy, open_files(many + 256), ExitStack() as silent:
        for _ in range(many):
            silent.enter_context(socket.create_connection((GROUND.doorway("blue"), port), 10))
        assert probed(port) == {"blue": "closed", "green": "open"}
        closed = sum(envoy.stats(r"downstream_cx_overflow$").values())
        assert closed >= many - passage.MOST_CONNECTIONS
        silent.close()
        deadline = time.monotonic() + 60
        while probed(port)["blue"] != "open":
            assert time.monotonic() < deadline


def test_names_below_a_wildcard_use_up_a_deployments_own_pace_and_no_others(tmp_path: Path) -> None:
    (port,) = steady_ports(1)
    content = json.loads(rendered(port, loosened=True, names=("blue", "green")))
    for listener in content["static_resources"]["listeners"]:
        for filters in (chain["filters"] for chain in listener["filter_chains"] if len(chain["filters"]) == 2):
            assert filters[0]["typed_config"]["token_bucket"] == passage.PACE.bucket
            filters[0]["typed_config"]["token_bucket"] |= {"max_tokens": 3, "fill_interval": NEVER}
    (tmp_path / BOOTSTRAP).write_text(json.dumps(content), encoding="utf-8")
    with standin(tmp_path, port), running(tmp_path) as envoy:
        said = [prober.probe(asked("blue", port, f"n{number}.{HERE}")) for number in range(5)]
        assert said == ["open"] * 3 + ["closed"] * 2
        assert probed(port) == {"blue": "open", "green": "open"}, "what is named itself"
        assert prober.probe(asked("green", port, f"other.{HERE}")) == "open"
        assert sum(envoy.stats(r"egress_blue\.rate_limited$").values()) == 2


def test_a_table_a_name_and_room_in_it_for_all_that_a_deployment_can_ask_for() -> None:
    content = json.loads(rendered(443, loosened=False, names=("blue", "green")))
    room = {
        each["name"]: each["cluster_type"]["typed_config"]["sub_clusters_config"]["max_sub_clusters"]
        for each in content["static_resources"]["clusters"]
        if "cluster_type" in each
    }
    longest = 2 * passage_names.FORGET_SECONDS
    asked_for = passage.PACE.burst + longest * passage.PACE.per_second
    assert room == {"allowed-localhost-443": 1, "allowed-any.localhost-443": 2 * asked_for}


def test_a_name_that_is_forgotten_ends_no_connection(tmp_path: Path) -> None:
    (port,) = steady_ports(1)
    forget = f'"sub_cluster_ttl": "{passage_names.FORGET_SECONDS}s"'
    text = rendered(port, loosened=True)
    assert forget in text
    (tmp_path / BOOTSTRAP).write_text(text.replace(forget, '"sub_cluster_ttl": "0.2s"'), encoding="utf-8")
    with standin(tmp_path, port), running(tmp_path) as envoy:
        idle = sum(envoy.stats(r"^cluster_manager\.active_clusters$").values())
        raw = socket.create_connection((GROUND.doorway("blue"), port), 30)
        with raw, trusting().wrap_socket(raw, server_hostname=f"held.{HERE}") as held:
            deadline = time.monotonic() + 60
            while sum(envoy.stats(r"^cluster_manager\.cluster_added$").values()) <= idle:
                assert time.monotonic() < deadline
            while sum(envoy.stats(r"^cluster_manager\.active_clusters$").values()) > idle:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            held.sendall(b"GET / HTTP/1.1\r\nHost: held\r\n\r\n")
            assert held.recv(15) == b"HTTP/1.1 200 OK"


@contextmanager
def open_files(count: int) -> Iterator[None]:
    """Let this process have so many."""
    former, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < count:
        pytest.skip(f"MISSING: this user may open {most} files, and {count} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(former, count), most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (former, most))


def running(folder: Path) -> Envoy:
    """Give an Envoy that is not yet started."""
    try:
        return Envoy(folder)
    except PlatformError as error:
        pytest.skip(f"MISSING: {error}")


def trusting() -> ssl.SSLContext:
    """Take any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def asked(deployment: str, port: int, name: str = HERE) -> dict[str, object]:
    """Ask for a name as a deployment does."""
    return {"kind": "tls", "host": GROUND.doorway(deployment), "port": port, "name": name, "seconds": 10}


def probed(port: int) -> dict[str, str]:
    """Try what is named itself from both."""
    return {name: prober.probe(asked(name, port)) for name in ("blue", "green")}
