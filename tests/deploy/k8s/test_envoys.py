"""The Envoys' files for a cluster, read by a real Envoy: keys change in place, and the way out ends at the list."""

import contextlib
import functools
import http.client
import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.deploy.k8s.kustomized import TREE
from tritext_serve.endpoint.edge import process
from tritext_serve.endpoint.kubernetes.__main__ import main
from tritext_serve.endpoint.kubernetes.egress import allowed, beyond_the_policy, egress
from tritext_serve.endpoint.kubernetes.ingress import CLIENTS_PORT, DRAIN_PORT, FOLDER, STATS_PORT, ingress
from tritext_serve.endpoint.model import Deployment, Endpoint, Network, OutboundRule
from tritext_serve.errors import IsolationError
from tritext_serve.ports import steady_ports

ZONE = "tritext.svc.cluster.local"
RULE = OutboundRule("reviews", "fqdn", "localhost")
KEYS = {"primary": "old-key", "secondary": "spare-key"}


def endpoint(*rules: OutboundRule, **more: str) -> Endpoint:
    deployments = {name: Deployment(name, "films", Path("nowhere"), "sentiment") for name in ("blue", "green")}
    network = Network("allow_only_approved_outbound", rules)
    return Endpoint("films", more.get("access", "disabled"), {"blue": 100}, {}, deployments, network)  # type: ignore[arg-type]


@contextmanager
def envoy(bootstrap: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run Envoy until its port answers, and no longer than the test."""
    # Without a hot restart there is no region of shared memory, which would stay, and no other Envoy's to meet.
    command = [str(process.binary()), "--config-path", str(bootstrap), "--concurrency", "1", "--disable-hot-restart"]
    log = bootstrap.with_name("envoy.log")
    with log.open("wb") as output:
        running = subprocess.Popen([*command, "--log-level", "warning"], stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 90
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert running.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield running
    finally:
        running.terminate()
        running.wait(30)


def test_envoy_takes_the_ingress_files(tmp_path: Path) -> None:
    for access in ("disabled", "enabled"):
        files = ingress(endpoint(RULE, access=access), KEYS, ZONE)
        for name, text in files.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        process.validate(tmp_path)
        assert ("8443" in files["lds.json"]) is (access == "enabled")


def test_each_request_may_go_to_any_pod_and_each_pods_watcher_is_asked() -> None:
    files = ingress(endpoint(RULE), KEYS, ZONE)
    clusters = {each["name"]: each for each in json.loads(files["cds.json"])["resources"]}
    assert set(clusters) == {"blue", "blue_grpc", "green", "green_grpc"}
    for name, cluster in clusters.items():
        assert (cluster["type"], cluster["lb_policy"]) == ("STRICT_DNS", "LEAST_REQUEST")
        (target,) = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
        address = target["endpoint"]["address"]["socket_address"]
        assert address["address"] == f"{name.removesuffix('_grpc')}-triton.{ZONE}"
        assert address["port_value"] == (8001 if name.endswith("_grpc") else 8000)
        (check,) = cluster["health_checks"]
        assert check["http_health_check"]["path"] == f"/health/{name.removesuffix('_grpc')}/0"
        assert target["endpoint"]["health_check_config"]["port_value"] == 8003
    assert all(key not in text for key in KEYS.values() for name, text in files.items() if name != "rds.json")


def mount(folder: Path, files: dict[str, str]) -> None:
    """Put files into a folder as the kubelet does: names link through ..data, whose change is one rename."""
    new = folder / f"..{time.monotonic_ns()}"
    new.mkdir()
    for name, text in files.items():
        (new / name).write_text(text, encoding="utf-8")
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(Path("..data") / name)
    (folder / "..data_tmp").symlink_to(new.name)
    (folder / "..data_tmp").replace(folder / "..data")


def status(port: int, key: str) -> int:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/predict", b'{"text": "x"}', headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_secret_that_changes_changes_the_keys_of_a_running_ingress_and_it_can_be_drained(tmp_path: Path) -> None:
    port, stats, drain = steady_ports(3)
    folder = tmp_path / "mounted"
    folder.mkdir()

    def written(key: str) -> dict[str, str]:
        files = ingress(endpoint(RULE), {"primary": key}, ZONE)
        moved = {"../../tmp/admin.sock": "admin.sock", FOLDER: str(folder), "0.0.0.0": "127.0.0.1"}
        ports = {CLIENTS_PORT: port, STATS_PORT: stats, DRAIN_PORT: drain}
        moved |= {f'"port_value": {old}': f'"port_value": {new}' for old, new in ports.items()}
        return {name: functools.reduce(lambda t, m: t.replace(*m), moved.items(), text) for name, text in files.items()}

    mount(folder, written("old-key"))
    with envoy(folder / "bootstrap.json", port):
        assert status(port, "old-key") == 503  # let in; no name server here knows a pod
        assert status(port, "new-key") == 401
        mount(folder, written("new-key"))
        deadline = time.monotonic() + 60
        while status(port, "new-key") == 401 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert (status(port, "old-key"), status(port, "new-key")) == (401, 503)
        assert (kept(port), status(drain, "new-key")) == (True, 404)
        hook = next(yaml.safe_load_all((TREE / "base/ingress.yaml").read_text(encoding="utf-8")))
        *command, _ = hook["spec"]["template"]["spec"]["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
        told = [word.replace(f"/{DRAIN_PORT}", f"/{drain}") for word in command]
        assert told != command
        subprocess.run([*told, "1"], check=True, timeout=30, capture_output=True)
        deadline = time.monotonic() + 60
        while kept(port) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not kept(port)


def kept(port: int) -> bool:
    """Ask whether the edge is alive, and whether it keeps the connection."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", "/health/live")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b'{"status":"live"}')
        return answer.getheader("connection") != "close"


def test_private_endpoints_and_tags_are_names_that_are_let_through() -> None:
    resource = "/subscriptions/0/resourceGroups/r/providers/Microsoft.Storage/storageAccounts/filmmodels"
    rules = (OutboundRule("models", "private_endpoint", f"{resource}#blob", address="10.60.5.4"), RULE)
    assert allowed(endpoint(*rules)) == ["filmmodels.blob.core.windows.net:443", "localhost:443"]
    assert beyond_the_policy(endpoint(RULE)) == []
    assert beyond_the_policy(endpoint(*rules, replace(RULE, name="more", ports=(443, 8443)))) == [
        "filmmodels.blob.core.windows.net is a private endpoint: let its address into the policy egress, or nobody "
        "reaches it",
        "localhost:8443: the policy egress lets port 443 alone: add 8443 to it",
    ]
    open_to_all = replace(endpoint(), network=Network("disabled"))
    with pytest.raises(IsolationError, match="deployment blue: isolation_mode disabled"):
        egress(open_to_all)


def test_a_deployment_without_manifests_is_refused() -> None:
    red = replace(endpoint(), deployments={"red": Deployment("red", "films", Path("nowhere"), "sentiment")})
    with pytest.raises(IsolationError, match="deployment red: deploy/k8s has manifests for blue and green"):
        ingress(red, KEYS, ZONE)


@pytest.mark.slow
def test_the_command_writes_the_keys_for_their_owner_alone(
    model_repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = {
        "endpoint": {"name": "films", "auth_mode": "key", "traffic": {"blue": 100}},
        "blue": {
            "name": "blue", "endpoint_name": "films", "instance_type": "Standard_F4s_v2", "instance_count": 1,
            "model": {"path": str(model_repository), "type": "triton_model"}, "tags": {"tritext_model": "sentiment"},
        },
        "network": {"name": "w", "managed_network": {
            "isolation_mode": "allow_only_approved_outbound",
            "outbound_rules": [{"name": "reviews", "type": "fqdn", "destination": "reviews.example.com"}],
        }},
    }  # fmt: skip
    files = [tmp_path / f"{name}.yml" for name in texts]
    for file, content in zip(files, texts.values(), strict=True):
        file.write_text(json.dumps(content), encoding="utf-8")
    output, secrets = tmp_path / "envoy", tmp_path / "secrets"
    assert main([*map(str, files), "--output", str(output), "--secrets", str(secrets)]) == 0
    assert "for films: blue" in capsys.readouterr().out
    key = (secrets / "authorization").read_text(encoding="utf-8").split()[-1]
    assert key in (secrets / "rds.json").read_text(encoding="utf-8")
    assert all(each.stat().st_mode & 0o077 == 0 for each in (secrets, *secrets.iterdir()))
    written = {str(each.relative_to(output)): each.read_text(encoding="utf-8") for each in output.rglob("*.json")}
    assert set(written) == {"ingress/bootstrap.json", "ingress/cds.json", "ingress/lds.json", "egress/egress.json"}
    assert all(key not in text for text in written.values())
    assert "reviews.example.com:443" in written["egress/egress.json"]
    assert main([*map(str, files[:2]), "--output", str(output), "--secrets", str(secrets)]) == 1
    assert "allow_only_approved_outbound" in capsys.readouterr().err
