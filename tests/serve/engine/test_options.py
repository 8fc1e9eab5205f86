"""The CPU engine reads config.pbtxt as the C++ backend does."""

import pytest

from tritext_serve.engine.options import EngineOptionsError, read_engine_options


def parameters(**values: str) -> dict[str, object]:
    """A configuration with parameters, in Triton's JSON."""
    return {"parameters": {key: {"string_value": value} for key, value in values.items()}}


def test_defaults_are_those_of_the_cpp_backend() -> None:
    options = read_engine_options({})
    assert options.filename == "model.onnx"
    assert options.graph_level == "ORT_ENABLE_ALL"
    assert options.execution_mode == "ORT_SEQUENTIAL"
    assert (options.intra_op_threads, options.inter_op_threads) == (0, 0)
    assert (options.memory_arena, options.memory_pattern) == (True, True)


@pytest.mark.parametrize(
    ("level", "name"),
    [(-1, "ORT_ENABLE_BASIC"), (0, "ORT_ENABLE_ALL"), (1, "ORT_ENABLE_EXTENDED"), (2, "ORT_DISABLE_ALL")],
)
def test_graph_levels_are_the_cpp_backends(level: int, name: str) -> None:
    assert read_engine_options({"optimization": {"graph": {"level": level}}}).graph_level == name


def test_threads_and_memory_are_read() -> None:
    options = read_engine_options(parameters(intra_op_thread_count="3", enable_mem_arena="0", enable_mem_pattern="0"))
    assert (options.intra_op_threads, options.memory_arena, options.memory_pattern) == (3, False, False)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (parameters(intra_op_thread_count="two"), "intra_op_thread_count is 'two'"),
        (parameters(execution_mode="7"), "execution_mode is 7"),
        ({"optimization": {"graph": {"level": 9}}}, "optimization.graph.level is 9"),
    ],
)
def test_a_value_that_does_not_exist_is_named(config: dict[str, object], words: str) -> None:
    with pytest.raises(EngineOptionsError, match=words):
        read_engine_options(config)


def test_the_device_is_the_cpu_unless_the_launcher_says_otherwise() -> None:
    assert read_engine_options({}).provider == "CPUExecutionProvider"
    assert read_engine_options(parameters(device="cuda")).provider == "CUDAExecutionProvider"
    with pytest.raises(EngineOptionsError, match="device is tpu, not one of cpu, cuda"):
        read_engine_options(parameters(device="tpu"))
