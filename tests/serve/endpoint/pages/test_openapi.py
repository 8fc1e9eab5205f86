"""The description as a file: complete, and of one mind with the edge's own tables."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tritext_serve.endpoint.edge.paths import paths
from tritext_serve.endpoint.edge.refusals import REFUSALS
from tritext_serve.endpoint.edge.routes import PAGES
from tritext_serve.endpoint.edge.script import KEYS
from tritext_serve.endpoint.model import Deployment, Endpoint

DESCRIPTION: dict[str, Any] = yaml.safe_load((PAGES / "openapi.yaml").read_text(encoding="utf-8"))
PATHS: dict[str, Any] = DESCRIPTION["paths"]
METHODS = ("get", "post")
OPERATIONS = [(path, method) for path, item in PATHS.items() for method in METHODS if method in item]
# Not told of single operations: method_not_allowed belongs to other methods, and the rest to no operation at all.
ELSEWHERE = {405, 426, 500}


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference within the description."""
    while "$ref" in node:
        found: Any = DESCRIPTION
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def test_every_route_of_the_edge_is_described() -> None:
    endpoint = Endpoint("demo", deployments={"blue": Deployment("blue", "demo", Path("r"), "m")})
    exact = {path.exact for path in paths(endpoint) if path.exact and not path.grpc}
    assert exact - {"/predict/trained"} <= set(PATHS)
    assert {"/v2/models/{model}/infer", "/v2/models/{model}/versions/{version}/infer", "/health/live"} <= set(PATHS)


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_refusal_is_of_the_table_and_has_its_body(path: str, method: str) -> None:
    responses = PATHS[path][method]["responses"]
    known = {refusal.status for refusal in REFUSALS.values()}
    for status, reference in responses.items():
        if status == "200":
            continue
        assert int(status) in known, status
        answer = resolved(reference)
        assert answer["description"]
        schema = answer["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/Error"}


def test_every_status_of_the_table_is_described_somewhere() -> None:
    described = {int(status) for path, method in OPERATIONS for status in PATHS[path][method]["responses"]}
    assert {refusal.status for refusal in REFUSALS.values()} - ELSEWHERE <= described


def test_what_may_be_sent_again_says_when() -> None:
    for name, answer in DESCRIPTION["components"]["responses"].items():
        assert ("retry-after" in answer.get("headers", {})) == (name in ("Busy", "Unavailable")), name


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_a_key_is_wanted_but_for_health(path: str, method: str) -> None:
    operation = PATHS[path][method]
    keyless = operation.get("security") == []
    assert keyless == ("health" in path)
    assert ("401" in operation["responses"]) != keyless


def test_the_bodies_have_the_keys_that_the_edge_takes() -> None:
    schemas = DESCRIPTION["components"]["schemas"]
    assert set(schemas["PredictRequest"]["properties"]) == set(KEYS["PREDICT_KEYS"][1]) - {"text_pair"}
    assert set(schemas["InferRequest"]["properties"]) == set(KEYS["INFER_KEYS"][1])
