"""REST and KServe through the edge to a real Triton."""

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.raw import output, pack, text_input
from tests.serve.endpoint.edge.test_routing import TARGET, refused
from tests.serve.endpoint.edges import RunningEdge
from tritext_serve.endpoint.edge.refusals import REFUSALS

pytestmark = pytest.mark.e2e
GOOD, BAD = "A wonderful film.", "A dreadful bore."


@pytest.fixture(scope="module")
def client(edge_endpoint: RunningEdge) -> Iterator[httpx.Client]:
    """A client with a key."""
    with httpx.Client(base_url=edge_endpoint.url, headers=edge_endpoint.headers, timeout=30, trust_env=False) as made:
        yield made


def test_a_text_gets_its_label(client: httpx.Client) -> None:
    answer = client.post("/predict", json={"text": GOOD})
    content = answer.json()
    assert (answer.status_code, answer.headers[TARGET]) == (200, "blue")
    assert set(content) >= {"text", "sentiment", "score", "scores", "label_id", "tokens", "truncated"}
    assert (content["text"], content["sentiment"], content["model_name"]) == (GOOD, "positive", "sentiment")
    assert content["score"] == pytest.approx(max(content["scores"]))
    assert client.post("/score", json={"text": GOOD}).json() == content


def test_a_list_of_texts_gets_lists(client: httpx.Client) -> None:
    content = client.post("/predict", json={"text": [GOOD, BAD]}).json()
    assert content["sentiment"] == ["positive", "negative"]
    assert (len(content["scores"]), len(content["tokens"])) == (4, 2)


def test_variants_are_other_models(client: httpx.Client) -> None:
    asked = {path: client.post(path, json={"text": GOOD}).json() for path in ("/predict/naive", "/predict/trained")}
    assert [content["model_name"] for content in asked.values()] == ["sentiment_naive", "sentiment"]


def test_long_texts_are_taken_as_the_request_says(client: httpx.Client) -> None:
    long = "word " * 700
    assert client.post("/predict", json={"text": long}).json()["truncated"] is True
    answer = client.post("/predict", json={"text": long, "long_texts": "refuse"})
    refused(answer, "unprocessable")
    assert "702 tokens" in answer.json()["error"]
    refused(client.post("/predict", json={"text": GOOD, "long_texts": "sideways"}), "invalid_request")


def test_kserve_infers_in_json_and_in_binary(client: httpx.Client) -> None:
    body = {"inputs": [text_input(GOOD, BAD)], "outputs": [{"name": "sentiment"}]}
    content = client.post("/v2/models/sentiment/infer", json=body).json()
    assert output(content, "sentiment") == ["positive", "negative"]
    raw = pack(GOOD.encode(), BAD.encode())
    tensor = {"name": "text", "shape": [2, 1], "datatype": "BYTES", "parameters": {"binary_data_size": len(raw)}}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": False}}).encode()
    headers = {"inference-header-content-length": str(len(head)), "content-type": "application/octet-stream"}
    answer = client.post("/v2/models/sentiment/infer", content=head + raw, headers=headers)
    assert output(answer.json(), "sentiment") == ["positive", "negative"]


def test_metadata_and_health(client: httpx.Client, edge_endpoint: RunningEdge) -> None:
    assert client.get("/v2").json()["name"] == "triton"
    assert client.get("/v2/models/sentiment").json()["name"] == "sentiment"
    assert client.get("/v2/models/sentiment/ready").status_code == 200
    with httpx.Client(base_url=edge_endpoint.url, trust_env=False) as stranger:
        assert stranger.get("/health/live").json() == {"status": "live"}
        for path in ("/health/ready", "/v2/health/ready", "/v2/health/live"):
            assert stranger.get(path).status_code == 200


def test_what_is_not_there(client: httpx.Client) -> None:
    body = {"inputs": [text_input(GOOD)]}
    for path in ("/v2/models/nope/infer", "/v2/models/sentiment/versions/99/infer"):
        refused(client.post(path, json=body), "model_not_found")
    for path in (
        "/v2/models/sentiment/generate",
        "/v2/models/sentiment/generate_stream",
        "/v2/models/sentiment/config",
        "/v2/models/stats",
        "/v2/models/sentiment/versions/abc/infer",
        "/v2/models/.hidden/infer",
        "/v2/models/" + "a" * 65 + "/infer",
        "/v2/repository/index",
        "/v2/repository/models/sentiment/load",
        "/v2/systemsharedmemory/region/x/register",
        "/v2/trace/setting",
        "/v2/logging",
        "/metrics",
        "/predict/",
        "/predict/../v2/logging",
    ):
        for method in ("GET", "POST"):
            refused(client.request(method, path, json={} if method == "POST" else None), "not_found")


def test_other_methods_are_told_which_would_do(client: httpx.Client) -> None:
    for path, allowed in (
        ("/predict", "POST"),
        ("/v2/models/sentiment/infer", "POST"),
        ("/v2/models/sentiment", "GET"),
        ("/v2", "GET"),
        ("/health/live", "GET, HEAD"),
        ("/health/ready", "GET"),
    ):
        for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"} - set(allowed.split(", ")):
            answer = client.request(method, path)
            refused(answer, "method_not_allowed")
            assert answer.headers["allow"] == allowed


def test_the_bodies_that_triton_takes_or_answers_with_500(client: httpx.Client) -> None:
    headers = {"content-type": "application/json"}
    for path in ("/predict", "/v2/models/sentiment/infer"):
        for body, code in (
            (b"", "empty_body"),
            (b"{", "invalid_json"),
            (b"null", "invalid_request"),
            (b"[]", "invalid_request"),
            (b"{}", "invalid_request"),
            (b'{"text": "\xff"}', "invalid_utf8"),
            (b'{"text": "\\ud800"}', "invalid_utf8"),
        ):
            refused(client.post(path, content=body, headers=headers), code)
        refused(client.post(path, content=b"{}", headers={"content-type": "text/plain"}), "unsupported_media_type")
        refused(client.post(path, content=b"{}", headers=headers | {"content-encoding": "br"}), "content_encoding")
    for changes in ({"shape": [2, 1]}, {"shape": [0, 1]}, {"datatype": "FP32"}, {"name": "nope"}, {"data": [1]}):
        answer = client.post("/v2/models/sentiment/infer", json={"inputs": [text_input(GOOD, **changes)]})
        refused(answer, "invalid_request")
    answer = client.post(
        "/v2/models/sentiment/infer", json={"inputs": [text_input(GOOD)], "parameters": {"timeout": 1}}
    )
    refused(answer, "deadline_exceeded")
    assert client.post("/predict", json={"text": GOOD}).status_code == 200


def test_the_pages_are_there_for_everybody(edge_endpoint: RunningEdge) -> None:
    for path, kind in (("/", "text/html"), ("/openapi.yaml", "application/yaml")):
        answer = httpx.get(edge_endpoint.url + path, trust_env=False)
        assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, kind)
        assert httpx.post(edge_endpoint.url + path, trust_env=False).json()["code"] == "method_not_allowed"
        assert httpx.head(edge_endpoint.url + path, trust_env=False).content == b""


def test_every_refusal_of_the_body_has_the_tables_status(client: httpx.Client) -> None:
    answer = client.post("/predict", json={"text": ["a"] * 65})
    assert answer.status_code == REFUSALS[answer.json()["code"]].status == 413
