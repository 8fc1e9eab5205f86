"""What Prometheus is told: the file that it reads, and the shares that it measures drift from."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritext_serve.endpoint.targets import Scraped, expected_shares, scrape_targets

LABELS = st.lists(st.text(min_size=1), min_size=1, max_size=5, unique=True)


def certificate(folder: Path, content: Any) -> Path:
    (folder / "certificate.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def confusion(*cells: tuple[str, int]) -> dict[str, Any]:
    return {
        "labels": ["negative", "positive"],
        "export_confusion": [{"true": "negative", "given": given, "texts": texts} for given, texts in cells],
    }


def test_every_process_is_a_target_and_a_triton_says_whose_it_is() -> None:
    tritons = [Scraped("blue", "127.0.0.1:1"), Scraped("blue", "127.0.0.1:2", 1), Scraped("green", "127.0.0.1:3")]
    groups = json.loads(scrape_targets("primary", tritons, "127.0.0.1:4", "127.0.0.1:5"))
    assert [(group["targets"], group["labels"]["job"]) for group in groups] == [
        (["127.0.0.1:1"], "triton"),
        (["127.0.0.1:2"], "triton"),
        (["127.0.0.1:3"], "triton"),
        (["127.0.0.1:4"], "envoy"),
        (["127.0.0.1:5"], "supervisor"),
    ]
    assert [(g["labels"]["deployment"], g["labels"]["number"]) for g in groups[:3]] == [
        ("blue", "0"),
        ("blue", "1"),
        ("green", "0"),
    ]
    assert {group["labels"]["endpoint"] for group in groups} == {"primary"}


def test_envoy_is_scraped_where_it_keeps_its_metrics() -> None:
    paths = [g["labels"].get("__metrics_path__") for g in json.loads(scrape_targets("e", [], "a:1", "b:2"))]
    assert paths == ["/stats/prometheus", None]


@given(LABELS, st.data())
def test_shares_are_of_one(tmp_path_factory: pytest.TempPathFactory, labels: list[str], data: st.DataObject) -> None:
    cells = [
        {"true": labels[0], "given": label, "texts": data.draw(st.integers(0, 10**6))} for label in labels for _ in "ab"
    ]
    folder = certificate(tmp_path_factory.mktemp("version"), {"labels": labels, "export_confusion": cells})
    shares = expected_shares(folder)
    if any(cell["texts"] for cell in cells):
        assert set(shares) == set(labels)
        assert sum(shares.values()) == pytest.approx(1)
        assert all(0 <= share <= 1 for share in shares.values())
    else:
        assert shares == {}


def test_a_label_counts_however_wrongly_it_was_given(tmp_path: Path) -> None:
    given = confusion(("negative", 480), ("positive", 69), ("negative", 100), ("positive", 446))
    assert expected_shares(certificate(tmp_path, given)) == {"negative": 580 / 1095, "positive": 515 / 1095}


def test_a_label_that_no_text_got_is_expected_never(tmp_path: Path) -> None:
    assert expected_shares(certificate(tmp_path, confusion(("positive", 3)))) == {"negative": 0.0, "positive": 1.0}


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"labels": null}', "[" * 100_000, confusion()])
def test_without_shares_nothing_is_expected(tmp_path: Path, content: Any) -> None:
    assert expected_shares(certificate(tmp_path, content)) == {}


def test_without_a_certificate_nothing_is_expected(tmp_path: Path) -> None:
    assert expected_shares(tmp_path) == {}
