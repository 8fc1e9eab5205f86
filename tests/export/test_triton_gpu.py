"""The configurations for GPUs: what they say, that Triton's protobuf reads them, and which files they want."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import model_config_pb2 as pb

from tritext_export.layout import CONFIG_FILE, ModelFiles, classifier_files, config_path, front_files, with_versions
from tritext_export.triton import ModelFacts, from_text
from tritext_export.triton_gpu import GPU, GPU_BATCH_TOKENS, TENSORRT, TENSORRT_EP, gpu_classifier_configs
from tritext_export.warmup import FOLDER

FACTS = ModelFacts("sentiment", ("input_ids", "attention_mask", "token_type_ids"), 2, "sentiment", max_length=128)


@given(st.integers(2, 1024), st.integers(1, 256), st.lists(st.integers(1, 99), min_size=1, unique=True), st.booleans())
def test_every_file_parses_names_the_versions_and_finds_its_data(
    max_length: int, texts: int, versions: list[int], planned: bool
) -> None:
    facts = ModelFacts("m", FACTS.inputs, 2, max_batch_size=texts, max_length=max_length)
    for files in (front_files(facts, versions, planned=planned), classifier_files(facts, versions, planned=planned)):
        assert next(iter(files.configs)) == CONFIG_FILE
        assert {*files.configs, *files.obsolete} == {CONFIG_FILE, *map(config_path, (GPU, TENSORRT_EP, TENSORRT))}
        for text in files.configs.values():
            config = from_text(text)
            assert list(config.version_policy.specific.versions) == versions
            assert needed(config) <= set(files.data)


def needed(config: pb.ModelConfig) -> set[str]:
    """The data files that a configuration names."""
    tensors = [tensor for request in config.model_warmup for tensor in request.inputs.values()]
    return {f"{FOLDER}/{tensor.input_data_file}" for tensor in tensors if tensor.input_data_file}


def configs(planned: bool = True) -> dict[str, pb.ModelConfig]:
    return gpu_classifier_configs(FACTS, [1], planned=planned)


def test_cuda_runs_the_same_graph_on_the_gpu() -> None:
    config = configs()[GPU]
    assert (config.backend, config.instance_group[0].kind) == ("onnxruntime", pb.ModelInstanceGroup.KIND_GPU)
    assert not config.optimization.execution_accelerators.gpu_execution_accelerator
    assert {"1x8", "64x8", "1x128", "64x128"} <= {request.name for request in config.model_warmup}


def test_the_tensorrt_provider_has_profiles_for_every_input() -> None:
    (provider,) = configs()[TENSORRT_EP].optimization.execution_accelerators.gpu_execution_accelerator
    assert provider.name == "tensorrt"
    assert provider.parameters["trt_profile_min_shapes"] == "input_ids:1x1,attention_mask:1x1,token_type_ids:1x1"
    assert provider.parameters["trt_profile_opt_shapes"].startswith("input_ids:16x32,")
    assert provider.parameters["trt_profile_max_shapes"].endswith(",token_type_ids:64x128")
    assert provider.parameters["trt_layer_norm_fp32_fallback"] == provider.parameters["trt_engine_cache_enable"] == "1"


def test_a_plan_is_served_by_the_tensorrt_backend_and_only_if_it_is_there() -> None:
    config = configs()[TENSORRT]
    assert (config.backend, config.default_model_filename) == ("tensorrt", "model.plan")
    assert not config.parameters, "its backend has others"
    assert {request.batch_size for request in config.model_warmup} == {1}
    assert TENSORRT not in configs(planned=False)


def test_the_contract_is_the_same_on_every_device() -> None:
    for files in (front_files(FACTS, [1], planned=True), classifier_files(FACTS, [1], planned=True)):
        first, *others = (from_text(text) for text in files.configs.values())
        assert others
        for other in others:
            assert (list(other.input), list(other.output)) == (list(first.input), list(first.output))
            assert (other.name, other.max_batch_size) == (first.name, first.max_batch_size)


def test_the_front_hands_over_more_on_a_gpu() -> None:
    files = front_files(FACTS, [1], planned=False)
    gpu, cpu = (from_text(files.configs[path]) for path in (config_path(GPU), CONFIG_FILE))
    assert gpu.parameters["max_batch_tokens"].string_value == str(GPU_BATCH_TOKENS)
    assert gpu.parameters["cost_token"].string_value == "0.2"
    assert not {"max_batch_tokens", "cost_token"} & set(cpu.parameters)
    assert gpu.instance_group[0].count > cpu.instance_group[0].count


def test_the_wheels_triton_is_given_nothing_it_does_not_know() -> None:
    """Triton 24.10 refuses a configuration with model_metrics as a whole."""
    for files in (front_files(FACTS, [1], planned=True), classifier_files(FACTS, [1], planned=True)):
        assert "model_metrics" not in files.configs[CONFIG_FILE]


def test_the_histogram_resolves_what_a_classifier_takes() -> None:
    text = front_files(FACTS, [1], planned=False).configs[config_path(GPU)]
    (control,) = from_text(text).model_metrics.metric_control
    inside = [edge for edge in control.histogram_options.buckets if 1 <= edge <= 100]
    assert len(inside) >= 7
    assert all(b <= 2.5 * a for a, b in itertools.pairwise(inside))


@pytest.mark.parametrize("text", ["name: ", 'name: "m"', "version_policy { latest { num_versions: 1 } }"])
def test_a_configuration_that_names_no_versions_is_left_alone(text: str) -> None:
    assert with_versions(text, [2]) is None


def test_other_versions_change_nothing_else() -> None:
    before = front_files(FACTS, [1, 2], planned=False).configs[CONFIG_FILE]
    after = with_versions(before, [3])
    assert after == front_files(FACTS, [3], planned=False).configs[CONFIG_FILE]


def test_obsolete_files_are_those_not_written() -> None:
    assert ModelFiles({CONFIG_FILE: ""}, {}).obsolete == tuple(map(config_path, (GPU, TENSORRT_EP, TENSORRT)))
