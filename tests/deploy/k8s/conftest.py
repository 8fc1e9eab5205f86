"""Every way to put deploy/k8s together, built once."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.deploy.k8s import kustomized
from tests.deploy.k8s.schemas import Manifest

# A user's overlays: green beside blue, the public let in, KEDA and the Prometheus operator.
FULL = """\
resources: [../../base, ../../green]
components: [../../components/cpu, ../../components/public, ../../components/monitoring]
"""
KEDA = "resources: [../cpu]\ncomponents: [../../components/keda]\n"


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of deploy/k8s that builds without a model."""
    return kustomized.copy(tmp_path_factory.mktemp("k8s") / "k8s")


@pytest.fixture(scope="session")
def built(tree: Path) -> Mapping[str, list[Manifest]]:
    """Manifests by overlay."""
    written = {name: kustomized.overlay(tree, name, text) for name, text in {"full": FULL, "keda": KEDA}.items()}
    folders = {"cpu": tree / "overlays/cpu", "gpu": tree / "overlays/gpu", "kserve": tree / "kserve", **written}
    return {name: kustomized.build(folder) for name, folder in folders.items()}
