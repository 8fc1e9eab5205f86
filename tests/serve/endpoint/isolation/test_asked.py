"""Files that ask for walls are never served without them."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.serve.test_repository import make
from tritext_serve.endpoint import rundir
from tritext_serve.endpoint.files.load import load
from tritext_serve.endpoint.isolation.asked import asked
from tritext_serve.endpoint.supervisor.handlers import Handlers
from tritext_serve.endpoint.supervisor.supervisor import Supervisor
from tritext_serve.endpoint.verbs import up
from tritext_serve.errors import IsolationError

NAMES = [{"name": "reviews", "type": "fqdn", "destination": "reviews.example.com"}]
APPROVED = {"isolation_mode": "allow_only_approved_outbound", "outbound_rules": NAMES}


def files(folder: Path, network: Mapping[str, Any] | None = None, **deployment: str) -> list[Path]:
    """Write an endpoint's files; JSON is YAML."""
    model = {"path": str(folder / "models"), "type": "triton_model"}
    make(folder / "models")
    told: dict[str, Mapping[str, Any]] = {
        "endpoint": {"name": "films", "auth_mode": "key", "traffic": {"blue": 100}},
        "blue": {"name": "blue", "endpoint_name": "films", "model": model, "instance_type": "any"} | deployment,
    }
    if network is not None:
        told["network"] = {"name": "space", "managed_network": network}
    for name, content in told.items():
        (folder / f"{name}.yml").write_text(json.dumps(content), encoding="utf-8")
    return [folder / f"{name}.yml" for name in told]


def serve(paths: list[Path]) -> None:
    """Call `up` with these files."""
    parser = argparse.ArgumentParser()
    up.configure(parser)
    up.run(parser.parse_args(list(map(str, paths))))


@pytest.mark.parametrize(
    ("network", "deployment", "field"),
    [
        (APPROVED, {}, "managed_network.isolation_mode: allow_only_approved_outbound"),
        ({"isolation_mode": "allow_internet_outbound"}, {}, "managed_network.isolation_mode: allow_internet_outbound"),
        (
            None,
            {"egress_public_network_access": "disabled"},
            r"egress_public_network_access: disabled \(deployment blue\)",
        ),
    ],
)
def test_up_refuses_what_asks_for_walls_and_names_the_field_and_the_remedy(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    network: Mapping[str, Any] | None,
    deployment: Mapping[str, str],
    field: str,
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(IsolationError, match=rf"{field}.*add --isolate.*tritext endpoint render.*take this out"):
        serve(files(tmp_path, network, **deployment))
    assert rundir.running() == []


def test_an_endpoint_that_runs_without_walls_does_not_become_one_that_asks_for_them(tmp_path: Path) -> None:
    told: list[object] = []
    refused = SimpleNamespace(refused=told.append)
    running = SimpleNamespace(
        plan=SimpleNamespace(walls=None), metrics=refused, apply=lambda endpoint, say: told.append(endpoint)
    )
    with pytest.raises(IsolationError, match=r"managed_network\.isolation_mode"):
        Handlers(cast(Supervisor, running))(
            {"verb": "apply", "files": [str(path) for path in files(tmp_path, APPROVED)]}, lambda text: None
        )
    assert told == ["apply"]  # refused and counted, and nothing was applied


@pytest.mark.parametrize("network", [None, {"isolation_mode": "disabled"}])
def test_files_that_ask_for_nothing_are_not_refused(tmp_path: Path, network: Mapping[str, Any] | None) -> None:
    assert asked(load(files(tmp_path, network)).endpoint) == []
