"""The way out of the cluster, by a real Envoy: it ends at the list, and nobody inside can use up what others need."""

import contextlib
import json
import re
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.deploy.k8s.test_envoys import RULE, endpoint, envoy
from tritext_serve.endpoint.kubernetes.egress import PROXY_PORT, egress
from tritext_serve.endpoint.kubernetes.ingress import STATS_PORT
from tritext_serve.endpoint.model import OutboundRule
from tritext_serve.ports import steady_ports


@contextmanager
def listener() -> Iterator[int]:
    """Somebody outside who says hello to whoever connects."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            try:
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.sendall(b"hello")
            except OSError:
                return

        threading.Thread(target=greet, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def connect(proxy: int, target: str, pod: str = "127.0.0.1") -> tuple[int, bytes]:
    """Ask the proxy for a connection from an address: its status, and what comes from the other end."""
    with socket.create_connection(("127.0.0.1", proxy), timeout=10, source_address=(pod, 0)) as asked:
        asked.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nX-Forwarded-For: 127.9.9.9\r\n\r\n".encode())
        reader = asked.makefile("rb")
        code = int(reader.readline().split()[1])
        while reader.readline().strip():
            pass
        return code, reader.read(5) if code == 200 else b""


@contextmanager
def way_out(folder: Path, *rules: OutboundRule, **loosened: int | str) -> Iterator[tuple[int, int]]:
    """Run the egress: its port, and that of its counters."""
    proxy, stats, admin = steady_ports(3)
    text = egress(endpoint(*rules))["egress.json"].replace("0.0.0.0", "127.0.0.1")
    for old, new in ((PROXY_PORT, proxy), (STATS_PORT, stats), (9901, admin)):
        text = text.replace(f'"port_value": {old}', f'"port_value": {new}')
    for name, value in loosened.items():
        assert f'"{name}": ' in text
        text = re.sub(rf'"{name}": [^,\n]+', f'"{name}": {json.dumps(value)}', text)
    (folder / "egress.json").write_text(text, encoding="utf-8")
    with envoy(folder / "egress.json", proxy):
        yield proxy, stats


def test_the_egress_connects_to_what_is_allowed_and_to_nothing_else(tmp_path: Path) -> None:
    with listener() as outside:
        rules = (replace(RULE, ports=(outside,)), replace(RULE, name="more", destination="*.localhost"))
        with way_out(tmp_path, *rules) as (proxy, stats):
            assert connect(proxy, f"localhost:{outside}") == (200, b"hello")
            for name in (
                f"127.0.0.1:{outside}",
                f"evil.example:{outside}",
                "localhost:22",
                f"localhost.evil:{outside}",
            ):
                assert connect(proxy, name)[0] == 403, name
            plain = f"GET http://localhost:{outside}/ HTTP/1.1\r\nHost: localhost:{outside}\r\n\r\n"
            with socket.create_connection(("127.0.0.1", proxy), timeout=10) as asked:
                asked.sendall(plain.encode())
                assert b"200" not in asked.recv(64)
            with urllib.request.urlopen(f"http://127.0.0.1:{stats}/stats/prometheus", timeout=10) as answer:
                assert b"envoy_" in answer.read()
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(f"http://127.0.0.1:{stats}/config_dump", timeout=10)


def test_a_pod_that_asks_for_ever_new_names_shuts_out_no_other_name_and_no_other_pod(tmp_path: Path) -> None:
    with listener() as outside:
        rules = (
            replace(RULE, ports=(outside,)),
            replace(RULE, name="more", destination="*.localhost", ports=(outside,)),
        )
        with way_out(tmp_path, *rules, max_tokens=3, fill_interval="3600s") as (proxy, _):
            said = [connect(proxy, f"n{number}.localhost:{outside}")[0] for number in range(5)]
            assert said == [200] * 3 + [429] * 2
            assert connect(proxy, f"localhost:{outside}") == (200, b"hello")
            assert connect(proxy, f"more.localhost:{outside}", "127.0.0.2") == (200, b"hello")


def test_a_full_table_below_a_wildcard_leaves_the_other_rules_theirs(tmp_path: Path) -> None:
    with listener() as outside:
        below = [replace(RULE, name=name, destination=f"*.{name}.localhost", ports=(outside,)) for name in ("a", "b")]
        with way_out(tmp_path, replace(RULE, ports=(outside,)), *below, max_sub_clusters=1) as (proxy, _):
            asked = ("x.a.localhost", "y.a.localhost", "x.b.localhost", "localhost", "x.a.localhost")
            assert [connect(proxy, f"{name}:{outside}")[0] for name in asked] == [200, 503, 200, 200, 200]


def test_connections_on_which_nothing_is_said_are_bounded_and_end_and_the_counters_are_read_all_the_while(
    tmp_path: Path,
) -> None:
    with listener() as outside, way_out(
        tmp_path, replace(RULE, ports=(outside,)), max_active_downstream_connections=8
    ) as (proxy, stats), contextlib.ExitStack() as silent:  # fmt: skip
        for _ in range(9):
            silent.enter_context(socket.create_connection(("127.0.0.1", proxy), timeout=10))
        with urllib.request.urlopen(f"http://127.0.0.1:{stats}/stats/prometheus", timeout=10) as answer:
            assert "envoy_listener_downstream_global_cx_overflow" in answer.read().decode()
        deadline = time.monotonic() + 60
        while not let(proxy, f"localhost:{outside}"):  # the nine are there all the while, and say nothing
            assert time.monotonic() < deadline
            time.sleep(0.2)


def let(proxy: int, target: str) -> bool:
    """Ask whether there is room for a connection."""
    try:
        return connect(proxy, target)[0] == 200
    except (OSError, IndexError):  # closed before a word
        return False
