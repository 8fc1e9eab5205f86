import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritext_serve import repository as served
from tritext_store.allowed import MODEL_FILES, VERSION_FILES, is_allowed, require_allowed
from tritext_store.errors import Unexpected

PARTS = st.sampled_from(
    ["..", ".", "", "films", "1", "configs", "warmup", "config.pbtxt", "model.onnx", "ones_8", "x.so"]
)


def test_what_travels_is_what_is_served() -> None:
    assert (VERSION_FILES, MODEL_FILES) == (served.VERSION_FILES, served.MODEL_FILES)
    for folder, name in (("configs", "gpu.pbtxt"), ("warmup", "ones_16")):
        assert folder in served.MODEL_FOLDERS
        assert is_allowed(f"films/{folder}/{name}")


@pytest.mark.parametrize(
    "path",
    [
        "films/1/model.py",
        "films/libtriton_python.so",
        "films/1/libtriton_python.so",
        "films/1/batchstrategy.so",
        "films/1/model.onnx/x",
        "films/../1/model.onnx",
        "../films/1/model.onnx",
        "/films/1/model.onnx",
        "films//model.onnx",
        "films/01/model.onnx",
        "films/0/model.onnx",
        "films/1/model.onnx\n",
        "films/1/Model.onnx",
        ".films/1/model.onnx",
        "films/configs/gpu.py",
        "films/configs/../config.pbtxt",
        "films/warmup/ones_",
        "films\\1\\model.onnx",
        "model.onnx",
        "",
    ],
)
def test_nothing_else_travels(path: str) -> None:
    with pytest.raises(Unexpected, match="no file of a model repository"):
        require_allowed(path, "az://models/a")


@given(st.lists(PARTS, max_size=5).map("/".join) | st.text())
def test_what_is_allowed_stays_below_the_repository(path: str) -> None:
    if is_allowed(path):
        parts = path.split("/")
        assert len(parts) in (2, 3)
        assert not any(part in ("", ".", "..") or "\\" in part or part.startswith(".") for part in parts)
        assert not path.endswith((".py", ".so"))
