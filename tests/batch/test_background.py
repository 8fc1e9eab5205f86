"""Every request of a job lets others pass, by both protocols; and all else about it stays as the client sends it."""

import asyncio
from pathlib import Path

import pytest

from tests.client.fake_triton import FakeGrpc, FakeHttp
from tritext_batch.asking import Asked, open_scorer
from tritext_batch.errors import ModelError
from tritext_batch.rows import Block, Row
from tritext_batch.settings import read_key


def score(url: str) -> int:
    """Score two texts; gives how many answers came."""

    async def run() -> int:
        async with open_scorer(Asked(url, "sentiment"), lambda words: None) as scorer:
            return len(await scorer.score(Block((Row(1, "ä"), Row(2, "bb")), 2, 0)))

    return asyncio.run(run())


def test_over_grpc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITEXT_API_KEY", "a-key")
    with FakeGrpc() as server:
        assert score(f"grpc://127.0.0.1:{server.port}") == 2
        assert len(server.requests) >= 2
        for request, headers, _ in server.requests:
            assert request.parameters["background"].bool_param
            assert headers["authorization"] == "Bearer a-key"


def test_over_http() -> None:
    with FakeHttp() as server:
        assert score(f"http://127.0.0.1:{server.port}") == 2
        bodies = [body for _, _, body in server.requests]
    assert bodies[0]["inputs"][0]["data"] == ["ä", "bb"]
    assert all(body["parameters"]["background"] is True and body["parameters"]["timeout"] > 0 for body in bodies)


def test_a_key_comes_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    path.write_text("from-a-file\n")
    monkeypatch.setenv("TRITEXT_API_KEY", "from-the-environment")
    assert (read_key(path), read_key(None)) == ("from-a-file", "from-the-environment")
    path.write_text("\n")
    with pytest.raises(ModelError, match="empty: put the API key into it"):
        read_key(path)
    with pytest.raises(ModelError, match="cannot be read"):
        read_key(path.with_name("none"))
