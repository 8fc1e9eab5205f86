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


def test_reports_plans_other_configurations_and_warm_up_data_are_expected(tmp_path: Path) -> None:
    more = (
        "m/2/report.html",
        "m/2/expectations.json",
        "m/2/model.plan",
        "m/configs/gpu.pbtxt",
        "m/configs/.gpu.partial",
        "m/warmup/ones_16",
    )
    assert len(scan(make(tmp_path, *more))) == 1


@pytest.mark.parametrize(
    "file",
    [
        "m/model.py",
        "m/1/libtriton_python.so",
        "m/2/batchstrategy.so",
        "m/extra/x",
        "m/1/model.onnx.pkl",
        "m/configs/gpu.so",
        "m/warmup/model.py",
        "m/warmup/ones_1/x",
        "m/1/2/model.onnx",
        "m/1/warmup/ones_16",
    ],
)
def test_anything_that_is_not_expected_data_is_refused_by_path(tmp_path: Path, file: str) -> None:
    root = make(tmp_path, file)
    with pytest.raises(RepositoryError, match="a model repository holds") as refusal:
        scan(root)
    assert f"{root / file}".startswith(str(refusal.value).partition(":")[0])


@pytest.mark.parametrize("place", ["m", "m/2", "m/2/manifest.json", "m/config.pbtxt", "m/warmup/ones_16"])
def test_links_are_refused(tmp_path: Path, place: str) -> None:
    """What is checked must be what is served, whatever happens outside of the repository."""
    root = make(tmp_path / "repository", "m/warmup/ones_16")
    (root / place).rename(tmp_path / "outside")
    (root / place).symlink_to(tmp_path / "outside")
    with pytest.raises(RepositoryError, match=f"{place}: (is a link|a model repository holds)"):
        scan(root)


def make_pair(root: Path, front: str, classifier: str) -> Path:
    """A front with its classifier, versions 1 and 2 of each on disk."""
    parameter = 'parameters { key: "classifier" value { string_value: "m_classifier" } }'
    make(root, config=f"{front} {parameter}")
    for version in ("1", "2"):
        (root / "m_classifier" / version).mkdir(parents=True)
    (root / "m_classifier" / "config.pbtxt").write_text(classifier)
    return root


ONE, BOTH = "version_policy { specific { versions: 1 } }", "version_policy { specific { versions: [1, 2] } }"


def test_a_classifier_serves_what_its_front_names_even_while_a_version_is_being_published(tmp_path: Path) -> None:
    models = scan(make_pair(tmp_path, f'backend: "tritext" {ONE}', f'backend: "onnxruntime" {BOTH}'))
    assert [[v.name for v in model.served_versions] for model in models] == [["1"], ["1"]]


def test_a_version_that_the_classifier_lacks_is_refused(tmp_path: Path) -> None:
    root = make_pair(tmp_path, f'backend: "tritext" {BOTH}', f'backend: "onnxruntime" {ONE}')
    with pytest.raises(RepositoryError, match="m serves version 2, and m_classifier does not: `tritext repository pro"):
        scan(root)


def test_a_front_whose_classifier_is_missing_is_refused(tmp_path: Path) -> None:
    root = make_pair(tmp_path, f'backend: "tritext" {ONE}', f'backend: "onnxruntime" {ONE}')
    (root / "m_classifier").rename(tmp_path / ".gone")
    with pytest.raises(RepositoryError, match="m serves version 1, and m_classifier does not"):
        scan(root)


def test_a_version_that_is_named_and_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match=r"m/config\.pbtxt: names version 7, which is not there"):
        scan(make(tmp_path, config=FRONT.replace("2", "7")))


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
