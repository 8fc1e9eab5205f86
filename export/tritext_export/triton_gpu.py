"""Configurations for NVIDIA GPUs: ``configs/NAME.pbtxt``, picked by ``tritonserver --model-config-name=NAME``. Pure.

::

    gpu               ONNX Runtime on CUDA
    gpu-tensorrt-ep   ONNX Runtime handing the graph to TensorRT, which builds its engines at the first start
    tensorrt          Triton's TensorRT backend on a model.plan built beforehand; written where there is one

A model without a configuration of that name is served by its ``config.pbtxt``. The front has one for each name too: on
a GPU it must hand over far more tokens at once. The figures here come from documentation and reckoning, not from
measurements on a GPU (docs/repository.md).
"""

from collections.abc import Sequence

from tritonclient.grpc import model_config_pb2 as pb

from tritext_export import warmup
from tritext_export.triton import ModelFacts, classifier_config, front_config

GPU, TENSORRT_EP, TENSORRT = "gpu", "gpu-tensorrt-ep", "tensorrt"
NAMES = (GPU, TENSORRT_EP, TENSORRT)
# The engine, and beside it what is known of it (``tensorrt.record``).
PLAN_FILE, PLAN_RECORD = "model.plan", "model.plan.json"
# Full sub-batches of 32 texts of 512 tokens, or of 64 texts of 256.
GPU_BATCH_TOKENS = 16_384
# By reckoning, in microseconds: a hundred kernels to start and the hop between the models, against 21 million
# operations a token. So padding hardly matters there, and calls do. The front's own defaults are a CPU's.
GPU_COSTS = {"cost_call": "1500", "cost_text": "0", "cost_token": "0.2", "cost_pair": "0.0005"}
# While one process of the front tokenises, another's sub-batch runs.
GPU_FRONTS, GPU_CLASSIFIERS = 4, 2
# Built engines and their timings: a volume in the containers of deploy/docker, so that they outlive a restart.
ENGINE_CACHE = "/var/cache/tritext"
WORKSPACE_BYTES = 2 << 30
LATENCY_MILLISECONDS = (1, 2, 5, 10, 20, 50, 100, 250, 1000)
_LATENCY = "nv_inference_first_response_histogram_ms"


def gpu_front_config(facts: ModelFacts, versions: Sequence[int]) -> pb.ModelConfig:
    """Describe the front before a GPU: more processes, larger sub-batches, Triton's own latency histogram.

    The wheel's Triton 24.10 does not know ``model_metrics``, so it stands in these files alone.
    """
    config = front_config(facts, versions)
    config.instance_group[0].count = GPU_FRONTS
    for name, value in ({"max_batch_tokens": str(GPU_BATCH_TOKENS)} | GPU_COSTS).items():
        config.parameters[name].string_value = value
    control = config.model_metrics.metric_control.add()
    control.metric_identifier.family = _LATENCY
    control.histogram_options.buckets.extend(LATENCY_MILLISECONDS)
    return config


def gpu_classifier_configs(facts: ModelFacts, versions: Sequence[int], *, planned: bool) -> dict[str, pb.ModelConfig]:
    """Describe the classifier on a GPU, by the configuration's name.

    Args:
        facts: The model.
        versions: Which of its versions are served.
        planned: Whether every one of them has a ``model.plan``.
    """
    configs = {GPU: _cuda(facts, versions), TENSORRT_EP: _tensorrt_provider(facts, versions)}
    return configs | ({TENSORRT: _tensorrt(facts, versions)} if planned else {})


def profile_shapes(facts: ModelFacts) -> dict[str, str]:
    """Give the TensorRT provider one range of shapes for every input: smallest, usual, largest.

    The largest is a corner that the planner's budget never reaches, but a profile is a box.
    """
    tokens = facts.max_length
    shapes = {
        "min": warmup.Shape(1, 1),
        "opt": warmup.Shape(min(16, facts.max_batch_size), min(32, tokens)),
        "max": warmup.Shape(facts.max_batch_size, tokens),
    }
    return {
        f"trt_profile_{which}_shapes": ",".join(f"{name}:{s.texts}x{s.tokens}" for name in facts.inputs)
        for which, s in shapes.items()
    }


def _cuda(facts: ModelFacts, versions: Sequence[int]) -> pb.ModelConfig:
    config = classifier_config(facts, versions)
    # On CUDA the fusions that are slow on a CPU are fast: ONNX Runtime does all of them when it loads the graph.
    config.optimization.ClearField("graph")
    del config.instance_group[:]
    config.instance_group.add(kind=pb.ModelInstanceGroup.KIND_GPU, count=GPU_CLASSIFIERS)
    del config.model_warmup[:]
    for shape in warmup.all_shapes(facts.max_length, facts.max_batch_size, GPU_BATCH_TOKENS):
        config.model_warmup.append(warmup.request(shape, facts.inputs))
    return config


def _tensorrt_provider(facts: ModelFacts, versions: Sequence[int]) -> pb.ModelConfig:
    config = _cuda(facts, versions)
    # Each instance builds an engine of its own, and minutes of building do not pay twice.
    config.instance_group[0].count = 1
    provider = config.optimization.execution_accelerators.gpu_execution_accelerator.add(name="tensorrt")
    options = {
        "precision_mode": "FP16",
        "max_workspace_size_bytes": str(WORKSPACE_BYTES),
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": ENGINE_CACHE,
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": ENGINE_CACHE,
        "trt_layer_norm_fp32_fallback": "1",
    }
    for key, value in (options | profile_shapes(facts)).items():
        provider.parameters[key] = value
    return config


def _tensorrt(facts: ModelFacts, versions: Sequence[int]) -> pb.ModelConfig:
    config = _cuda(facts, versions)
    config.backend = "tensorrt"
    config.default_model_filename = PLAN_FILE
    config.parameters.clear()
    # A single text of any length is inside every engine's profiles; how full they are is the builder's choice.
    single = [each for each in config.model_warmup if each.batch_size == 1]
    del config.model_warmup[:]
    config.model_warmup.extend(single)
    return config
