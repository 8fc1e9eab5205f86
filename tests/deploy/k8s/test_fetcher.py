"""Where a pod's model may lie: what its image can fetch, by a way that the egress leaves open."""

import json
from pathlib import Path

import pytest

from tritext_serve.endpoint.kubernetes.__main__ import main
from tritext_serve.endpoint.kubernetes.fetcher import USUAL_EXTRAS, check_fetchable
from tritext_serve.errors import IsolationError

OURS = "https://films.blob.core.windows.net/models/sentiment"
LETS = ["films.blob.core.windows.net:443", "*.dfs.core.windows.net:443", "late.blob.core.windows.net:8443"]


@pytest.mark.parametrize(
    ("uri", "extras"),
    [
        (OURS, USUAL_EXTRAS),
        (OURS.replace("films.blob", "FILMS.dfs"), USUAL_EXTRAS),
        ("az://models/sentiment", USUAL_EXTRAS),
        ("s3://models/sentiment", ("blob", "s3")),
        ("gs://models/sentiment", ("gs",)),
    ],
)
def test_what_the_image_can_fetch_is_let_pass(uri: str, extras: tuple[str, ...]) -> None:
    check_fetchable(uri, extras, LETS)


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("s3://m/x", r"s3://m/x: the image cannot fetch s3://: build it with `--build-arg EXTRAS=serve,blob,s3`"),
        ("GS://m/x", r"EXTRAS=serve,blob,gs` and say --extras blob,gs"),
        ("file:///models", r"a pod fetches from storage alone"),
        ("/models", r"a pod fetches from storage alone"),
        ("https://example.com/m/x", r"example.com is no Azure storage"),
        (OURS.replace("films", "other"), r"no outbound rule lets other.blob.core.windows.net:443 through"),
        (OURS.replace("films", "late"), r"no outbound rule lets late.blob.core.windows.net:443 through"),
        ("https://dfs.core.windows.net/m/x", r"no outbound rule lets dfs.core.windows.net:443"),
    ],
)
def test_what_no_pod_could_fetch_is_refused_with_the_remedy(uri: str, reason: str) -> None:
    with pytest.raises(IsolationError, match=reason):
        check_fetchable(uri, USUAL_EXTRAS, LETS)


def test_the_renderer_refuses_it_before_it_writes_anything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rule = {"name": "models", "type": "fqdn", "destination": "films.blob.core.windows.net"}
    network = {"isolation_mode": "allow_only_approved_outbound", "outbound_rules": [rule]}
    texts = {
        "endpoint": {"name": "films", "auth_mode": "key"},
        "network": {"name": "w", "managed_network": network},
    }
    files = [tmp_path / f"{name}.yml" for name in texts]
    for file, content in zip(files, texts.values(), strict=True):
        file.write_text(json.dumps(content), encoding="utf-8")
    secrets = tmp_path / "secrets"
    command = [*map(str, files), "--output", str(tmp_path / "envoy"), "--secrets", str(secrets)]
    assert main([*command, "--model", "s3://models/sentiment"]) == 1
    said = capsys.readouterr().err
    assert "the image cannot fetch s3://" in said
    assert not secrets.exists()
