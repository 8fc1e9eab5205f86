"""The egress' file: what is in it, and that Envoy takes it."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tritext_serve.endpoint.edge.process import binary
from tritext_serve.endpoint.egress import Allowed, Doorway, Egress, render
from tritext_serve.errors import PlatformError

BLUE = Doorway("blue", "10.60.16.3", (Allowed("a.example"), Allowed("*.b.example", (443, 8443))))
GREEN = Doorway("green", "10.60.17.3", (Allowed("c.example"),))


def listeners(egress: Egress) -> dict[str, Any]:
    found = json.loads(render(egress)["egress.json"])["static_resources"]["listeners"]
    return {listener["name"]: listener for listener in found}


def test_each_doorway_has_its_own_listeners_and_names() -> None:
    found = listeners(Egress((BLUE, GREEN)))
    assert set(found) == {"blue-443", "blue-8443", "blue-names", "green-443", "green-names", "passage"}
    names = {
        name: [chain["filter_chain_match"]["server_names"] for chain in found[name]["filter_chains"]]
        for name in found
        if "4" in name
    }
    assert names == {
        "blue-443": [["a.example"], ["*.b.example"]],
        "blue-8443": [["*.b.example"]],
        "green-443": [["c.example"]],
    }


def test_each_doorway_is_bounded_by_itself() -> None:
    (layer,) = json.loads(render(Egress((BLUE, GREEN)))["egress.json"])["layered_runtime"]["layers"]
    bounded = {
        f"envoy.resource_limits.listener.{name}.connection_limit" for name in ("blue-443", "blue-8443", "green-443")
    }
    assert set(layer["static_layer"]) == bounded


def test_there_is_no_chain_for_what_is_not_named() -> None:
    for name, listener in listeners(Egress((BLUE, GREEN))).items():
        assert "default_filter_chain" not in listener
        within = name.endswith("-names") or name == "passage"
        assert within or all(chain["filter_chain_match"] for chain in listener["filter_chains"])


def test_names_that_are_not_in_the_table_are_asked_of_nobody() -> None:
    table = listeners(Egress((BLUE,)))["blue-names"]["listener_filters"][0]["typed_config"]
    assert "client_config" not in table
    domains = table["server_config"]["inline_dns_table"]["virtual_domains"]
    assert {domain["name"]: domain["endpoint"]["address_list"]["address"] for domain in domains} == {
        "*.b.example": [BLUE.address],
        "a.example": [BLUE.address],
    }


def test_the_counters_are_shown_only_where_it_is_said() -> None:
    assert "stats" not in listeners(Egress((BLUE,)))
    assert "stats" in listeners(Egress((BLUE,), stats_address="10.60.3.3"))


@pytest.mark.parametrize("egress", [Egress(()), Egress((BLUE, GREEN), stats_address="127.0.0.1")], ids=["none", "two"])
def test_envoy_takes_it(egress: Egress, tmp_path: Path) -> None:
    try:
        envoy = binary()
    except PlatformError as error:
        pytest.skip(f"MISSING: {error}")
    (tmp_path / "egress.json").write_text(render(egress)["egress.json"], encoding="utf-8")
    command = [str(envoy), "--mode", "validate", "--config-path", str(tmp_path / "egress.json"), "--log-level", "error"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
