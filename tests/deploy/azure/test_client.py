"""What is rendered, as Azure's own client reads it, and what it would send."""

import pytest

from tests.deploy.azure.conftest import Verdicts
from tests.deploy.azure.files import RENDERED, SOURCES


def test_the_client_has_nothing_against_any_file(verdicts: Verdicts) -> None:
    good = {name: said["problem"] for name, said in verdicts.items() if not name.startswith("wrong/")}
    assert set(good.values()) == {None}, good
    assert len(good) == len(SOURCES) + len(list(RENDERED.glob("*.yml"))) >= 8


def test_the_endpoint_is_closed_without_traffic_and_somebody_of_its_own(verdicts: Verdicts) -> None:
    body = verdicts["rendered/endpoint.yml"]["body"]
    assert body["properties"]["publicNetworkAccess"] == "disabled"
    assert body["properties"]["traffic"] == body["properties"]["mirrorTraffic"] == {}
    (identity,) = body["identity"]["userAssignedIdentities"]
    assert identity.endswith("/userAssignedIdentities/sentiment-endpoint")


@pytest.mark.parametrize("name", ["blue", "green"])
def test_a_deployment_names_image_routes_and_mount(verdicts: Verdicts, name: str) -> None:
    body = verdicts[f"rendered/deployment-{name}.yml"]["body"]
    assert body["image"] == "filmregistry.azurecr.io/tritext:0.9.0"
    assert {route: (said["path"], said["port"]) for route, said in body["routes"].items()} == {
        "livenessRoute": ("/v2/health/live", 8000),
        "readinessRoute": ("/v2/health/ready", 8000),
        "scoringRoute": ("/", 8000),
    }
    assert body["mount"] == "/var/tritext"
    properties = body["properties"]
    assert properties["environmentVariables"] == {"TRITEXT_MODELS": "/var/tritext/sentiment/1"}
    assert properties["requestSettings"] == {"maxConcurrentRequestsPerInstance": 64, "requestTimeout": "PT5S"}
    assert body["sku"]["capacity"] == 1


def test_the_workspace_lets_nothing_leave_but_by_a_rule(verdicts: Verdicts) -> None:
    assert verdicts["rendered/workspace.yml"]["body"] == {"mode": "AllowOnlyApprovedOutbound", "access": "Disabled"}
