"""What a server is to be, before it starts: which configurations it reads."""

from pathlib import Path

import pytest

from tests.serve.test_repository import FRONT, make
from tritext_serve.errors import RepositoryError
from tritext_serve.server import Server, ServerOptions

BUDGET = 'parameters { key: "max_batch_tokens" value { string_value: "%s" } }'


@pytest.mark.parametrize(("device", "budget"), [("cpu", "384"), ("cuda", "16384")])
def test_a_gpu_is_served_by_the_configuration_for_it(tmp_path: Path, device: str, budget: str) -> None:
    make(tmp_path, "m/configs/gpu.pbtxt", config=FRONT + BUDGET % 384)
    (tmp_path / "m" / "configs" / "gpu.pbtxt").write_text(FRONT + BUDGET % 16384)
    options = ServerOptions(device="cuda" if device == "cuda" else "cpu", allow_uncertified=True)
    (model,) = Server(tmp_path, options).models
    assert model.config.parameters["max_batch_tokens"].string_value == budget


def test_a_repository_without_one_is_served_as_ever(tmp_path: Path) -> None:
    (model,) = Server(make(tmp_path), ServerOptions(device="cuda", allow_uncertified=True)).models
    assert model.config.version_policy.specific.versions == [2]


def test_a_wrong_configuration_for_a_gpu_is_named(tmp_path: Path) -> None:
    make(tmp_path, "m/configs/gpu.pbtxt")
    (tmp_path / "m" / "configs" / "gpu.pbtxt").write_text('backend: "python"')
    with pytest.raises(RepositoryError, match=r"m/configs/gpu\.pbtxt: backend 'python'"):
        Server(tmp_path, ServerOptions(device="cuda", allow_uncertified=True))
