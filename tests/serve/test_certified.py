"""Only what was certified is served: each doubt is named, and none is raised where all is as it was published."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.export.repositories import make_repository, publish_version
from tritext_serve.certified import doubts
from tritext_serve.errors import RepositoryError
from tritext_serve.repository import scan
from tritext_serve.server import Server, ServerOptions


def found(root: Path) -> tuple[str, ...]:
    """What is doubtful about a repository."""
    return doubts(root, scan(root))


def rewrite(file: str, **changes: object) -> Callable[[Path], object]:
    """Change keys of a JSON file."""

    def change(root: Path) -> None:
        content = json.loads((root / file).read_text())
        (root / file).write_text(json.dumps(content | changes))

    return change


def test_a_published_repository_is_beyond_doubt(tmp_path: Path) -> None:
    assert found(make_repository(tmp_path, 2)) == ()


def test_versions_that_are_not_served_are_not_asked_about(tmp_path: Path) -> None:
    make_repository(tmp_path, 2)
    (tmp_path / "m_classifier" / "1" / "model.onnx").write_bytes(b"")
    assert found(tmp_path) == ()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (
            lambda r: (r / "m_classifier/1/model.onnx").write_bytes(b"x"),
            "m_classifier/1/model.onnx is not the file that",
        ),
        (
            lambda r: (r / "m/1/tokenizer.json").write_bytes(b"x"),
            "m/1/tokenizer.json is not the file that was certified",
        ),
        (lambda r: (r / "m/1/tokenizer.json").unlink(), "m/1/tokenizer.json is missing"),
        (lambda r: (r / "m_classifier/1/model.onnx_data").touch(), "model.onnx_data is not in its manifest.json"),
        (lambda r: (r / "m/1/manifest.json").unlink(), "manifest.json: No such file"),
        (lambda r: (r / "m/1/certificate.json").unlink(), "certificate.json: No such file"),
        (lambda r: (r / "m/1/manifest.json").write_text("["), "manifest.json: not valid JSON"),
        (lambda r: (r / "m/1/manifest.json").write_text("[]"), "manifest.json: holds a list, not an object"),
        (rewrite("m/1/manifest.json", version=2), "its manifest.json is that of m version 2"),
        (rewrite("m/1/manifest.json", files={}), "is not in its manifest.json"),
        (rewrite("m/1/manifest.json", files={"../../etc/passwd": "0"}), r"\.\./\.\./etc/passwd is missing"),
        (rewrite("m/1/certificate.json", passed=False), "its certificate did not pass"),
        (rewrite("m/1/certificate.json", passed="yes"), "its certificate did not pass"),
        (lambda r: (r / "m/labels.txt").write_text("yes\nno\n"), "m/labels.txt does not hold the labels of its"),
        (lambda r: (r / "m_classifier/labels.txt").write_text("yes\nno\n"), "m_classifier/labels.txt does not hold"),
        (lambda r: (r / "m/labels.txt").unlink(), "m/labels.txt does not hold"),
        (rewrite("m/1/manifest.json", labels=["yes", "no"]), "m/labels.txt does not hold"),
    ],
)
def test_each_doubt_is_named_and_keeps_the_server_from_starting(
    tmp_path: Path, damage: Callable[[Path], object], words: str
) -> None:
    damage(make_repository(tmp_path, 1))
    said = found(tmp_path)
    assert [line for line in said if re.search(f"^m version 1: .*{words}", line)], said
    with pytest.raises(RepositoryError, match=r"^m version 1: .* or serve it with --allow-uncertified$"):
        Server(tmp_path)
    assert Server(tmp_path, ServerOptions(allow_uncertified=True)).doubts == said


def test_a_version_that_was_never_certified_is_refused(tmp_path: Path) -> None:
    publish_version(tmp_path, passed=False)
    assert found(tmp_path) == ("m version 1: its certificate did not pass: the labels are not proved unchanged",)


def test_an_engine_without_a_front_has_nobody_to_vouch_for_it(tmp_path: Path) -> None:
    make_repository(tmp_path, 1)
    (tmp_path / "other" / "1").mkdir(parents=True)
    (tmp_path / "other" / "config.pbtxt").write_text('backend: "onnxruntime"')
    assert found(tmp_path) == ("other version 1: no model that takes texts vouches for it",)


def test_a_plan_built_later_raises_no_doubt(tmp_path: Path) -> None:
    make_repository(tmp_path, 1)
    (tmp_path / "m_classifier" / "1" / "model.plan").write_bytes(b"engine")
    assert found(tmp_path) == ()
