"""``tritext endpoint render``, as it is run: files in, the compose stack's folder out."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.export.repositories import publish_version

ENDPOINT = """
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json
name: demo
auth_mode: key
public_network_access: disabled
traffic: {{{name}: {share}}}
"""
DEPLOYMENT = """
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
name: {name}
endpoint_name: demo
model: {{path: models, type: triton_model}}
instance_type: Standard_F4s_v2
instance_count: 1
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An endpoint's files beside a published repository."""
    publish_version(tmp_path / "models", canary={"text": "Are you well?", "label_id": 1})
    for name in ("blue", "green", "red"):
        (tmp_path / f"{name}.yml").write_text(DEPLOYMENT.format(name=name), encoding="utf-8")
    return tmp_path


def render(folder: Path, *more: str, name: str = "blue", share: int = 100) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    (folder / "endpoint.yml").write_text(ENDPOINT.format(name=name, share=share), encoding="utf-8")
    words = ["endpoint", "render", "endpoint.yml", f"{name}.yml", "--output", "rendered", *more]
    return subprocess.run(
        [sys.executable, "-m", "tritext", *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def test_what_it_writes_is_for_its_owner_alone_and_holds_no_key_in_the_open(folder: Path) -> None:
    done = render(folder)
    assert done.returncode == 0, done.stderr
    rendered = folder / "rendered"
    files = {str(path.relative_to(rendered)) for path in rendered.rglob("*") if path.is_file()}
    assert files == {
        "authorization", "compose.env", "egress/egress.json", "ingress/bootstrap.json", "ingress/cds.json",
        "ingress/lds.json", "ingress/metrics.json", "ingress/rds.json", "keys.json",
    }  # fmt: skip
    for path in (rendered, *rendered.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    key = (rendered / "authorization").read_text(encoding="utf-8").removeprefix("Authorization: Bearer ").strip()
    assert key in (rendered / "ingress/rds.json").read_text(encoding="utf-8")
    assert key not in done.stdout + done.stderr


def test_what_compose_must_know_is_in_its_environment(folder: Path) -> None:
    assert render(folder, "--subnet", "10.9").returncode == 0
    lines = (folder / "rendered/compose.env").read_text(encoding="utf-8").splitlines()
    told = dict(line.split("=", 1) for line in lines)
    owner = "1000:1000" if os.geteuid() == 0 else f"{os.geteuid()}:{os.getegid()}"
    assert told == {
        "TRITEXT_RENDERED": str(folder / "rendered"),
        "TRITEXT_SUBNET": "10.9",
        "TRITEXT_USER": owner,
        "TRITEXT_REPOSITORY": str(folder / "models"),
    }
    assert '"10.9.0.2"' in (folder / "rendered/ingress/lds.json").read_text(encoding="utf-8")


@pytest.mark.skipif(os.geteuid() != 0, reason="MISSING: only root gives files away: run the tests as root")
def test_roots_files_belong_to_whom_the_envoys_run_as(folder: Path) -> None:
    assert render(folder, "--owner", "1234:5678").returncode == 0
    for name in ("ingress", "egress"):
        for path in (folder / "rendered" / name, *(folder / "rendered" / name).iterdir()):
            assert (path.stat().st_uid, path.stat().st_gid) == (1234, 5678)
    assert (folder / "rendered/keys.json").stat().st_uid == 0


def test_rendering_again_keeps_the_keys_and_writes_what_changed_alone(folder: Path) -> None:
    assert render(folder).returncode == 0
    ingress = folder / "rendered/ingress"
    before = {path.name: path.stat().st_ino for path in ingress.iterdir()}
    assert render(folder, share=0).returncode == 0
    after = {path.name: path.stat().st_ino for path in ingress.iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"metrics.json", "rds.json"}


def test_a_deployment_that_its_container_could_not_judge_is_refused(folder: Path) -> None:
    manifest = folder / "models/m/1/manifest.json"
    content = json.loads(manifest.read_text(encoding="utf-8"))
    del content["canary"]
    manifest.write_text(json.dumps(content), encoding="utf-8")
    assert "m version 1: manifest.json has no canary" in render(folder).stderr
    assert not (folder / "rendered/ingress").exists()


@pytest.mark.parametrize(
    ("name", "words", "told"),
    [
        ("red", [], "deployment red: the compose files have the services blue and green"),
        ("blue", ["--owner", "0:0"], "is not UID:GID of somebody who is not root"),
        ("blue", ["--subnet", "10.300"], "is not the first half of an address"),
        ("blue", ["--output", "/proc/nowhere"], "choose another with --output"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(folder: Path, name: str, words: list[str], told: str) -> None:
    done = render(folder, *words, name=name)
    assert done.returncode != 0
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "rendered").exists()
