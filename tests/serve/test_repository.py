"""A repository is data: what is served, what is refused, what is left alone."""

from pathlib import Path

import pytest

from tritext_serve.errors import RepositoryError
from tritext_serve.repository import scan

FRONT = 'backend: "tritext"\nversion_policy { specific { versions: 2 } }\n'


def make(root: Path, *files: str, config: str = FRONT) -> Path:
    """A repository with one front of two versions, and more files."""
    for file in ("m/config.pbtxt", "m/labels.txt", "m/1/manifest.json", "m/2/manifest.json", *files):
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(config if path.name == "config.pbtxt" else "")
    return root


def test_only_the_versions_of_the_policy_are_served(tmp_path: Path) -> None:
    (model,) = scan(make(tmp_path))
    assert model.is_front
    assert [v.name for v in model.versions] == ["1", "2"]
    assert [v.name for v in model.served_versions] == ["2"]


def test_hidden_folders_and_loose_files_are_left_alone(tmp_path: Path) -> None:
    assert len(scan(make(tmp_path, "README.md", ".staging-x/m/1/model.onnx", "m/.hidden"))) == 1


@pytest.mark.parametrize(
    "file",
    ["m/model.py", "m/1/libtriton_python.so", "m/2/batchstrategy.so", "m/extra/x", "m/1/model.onnx.pkl"],
)
def test_anything_that_is_not_expected_data_is_refused_by_path(tmp_path: Path, file: str) -> None:
    with pytest.raises(RepositoryError, match=Path(file).name if "extra" not in file else "extra"):
        scan(make(tmp_path, file))


def test_no_directory(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match=r"no such directory: make one with `tritext export`"):
        scan(tmp_path / "nowhere")


def test_an_empty_repository(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="holds no model to serve"):
        scan(tmp_path)


def test_a_model_without_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "m" / "1").mkdir(parents=True)
    with pytest.raises(RepositoryError, match=r"m/config.pbtxt: .*No such file"):
        scan(tmp_path)


def test_a_model_without_a_version(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.pbtxt").write_text(FRONT)
    with pytest.raises(RepositoryError, match="m: has no version folder"):
        scan(tmp_path)
