"""``config.pbtxt``: text in, checked and resized text out, through Triton's own protobuf. Pure."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2

from tritext_serve.errors import RepositoryError
from tritext_serve.sizing import Sizing

FRONT_BACKEND, ENGINE_BACKEND = "tritext", "onnxruntime"
MODEL_FILE, CONFIG_FILE = "model.onnx", "config.pbtxt"
# What the launcher alone may say, by a front's or a classifier's parameters; a repository's own word is dropped.
ENGINE_DIRECTORY, LANES, DEVICE, WITNESS = "engine_directory", "lanes", "device", "witness"
MAX_QUEUE = "max_queue"
STAGED_PARAMETERS = (ENGINE_DIRECTORY, LANES, DEVICE, WITNESS)
# Each of these makes Triton load native code or an environment from the repository.
_FORBIDDEN_PARAMETERS = ("EXECUTION_ENV_PATH", "TRITON_BATCH_STRATEGY_PATH")


def parse(text: str, name: str, file: str = CONFIG_FILE) -> model_config_pb2.ModelConfig:
    """Parse one model's configuration.

    Args:
        text: Contents of ``config.pbtxt``, or of a configuration beside it.
        name: The model's folder, for messages.
        file: The configuration's path in it, for messages.

    Raises:
        RepositoryError: it does not parse, or asks for what must not be served here.
    """
    config, where = model_config_pb2.ModelConfig(), f"{name}/{file}"
    try:
        text_format.Parse(text, config)
    except text_format.ParseError as error:
        raise RepositoryError(f"{where}: {error}") from error
    if config.backend not in (FRONT_BACKEND, ENGINE_BACKEND):
        raise RepositoryError(
            f"{where}: backend {config.backend or config.platform!r}; the embedded server has "
            f"{FRONT_BACKEND!r} and {ENGINE_BACKEND!r}: serve this model with the Triton image"
        )
    forbidden = [key for key in _FORBIDDEN_PARAMETERS if key in config.parameters]
    if forbidden or config.model_operations.op_library_filename:
        what = forbidden[0] if forbidden else "model_operations"
        raise RepositoryError(f"{where}: {what} loads code from the repository, which is refused")
    for data in _data_files(config):
        if Path(data).name != data:
            raise RepositoryError(f"{where}: {data!r} is not in the model's own folder: export it again")
    _refuse_another_file(config, where)
    return config


def _refuse_another_file(config: model_config_pb2.ModelConfig, where: str) -> None:
    """Only ``model.onnx`` is certified, so no other file of the folder may be loaded in its place."""
    if config.backend != ENGINE_BACKEND:
        return
    others = [*config.cc_model_filenames.values()]
    others += [config.default_model_filename] if config.default_model_filename not in ("", MODEL_FILE) else []
    if others:
        raise RepositoryError(
            f"{where}: {others[0]!r} instead of {MODEL_FILE}, which alone is certified: "
            "take out default_model_filename and cc_model_filenames"
        )


def _data_files(config: model_config_pb2.ModelConfig) -> Iterator[str]:
    """Go through the files that a configuration lets Triton read: the model, labels, warm-up data."""
    yield from config.cc_model_filenames.values()
    yield from (name for name in (config.default_model_filename,) if name)
    yield from (output.label_filename for output in config.output if output.label_filename)
    for request in config.model_warmup:
        yield from (tensor.input_data_file for tensor in request.inputs.values() if tensor.input_data_file)


def resize(
    config: model_config_pb2.ModelConfig,
    sizing: Sizing,
    parameters: Mapping[str, str] | None = None,
) -> model_config_pb2.ModelConfig:
    """Give the configuration this machine's counts; all else stays as exported.

    Args:
        config: A model's configuration, which is not changed.
        sizing: Processes and threads.
        parameters: What else this server tells the model.
    """
    resized = model_config_pb2.ModelConfig()
    resized.CopyFrom(config)
    del resized.instance_group[:]
    group = resized.instance_group.add()
    group.kind = model_config_pb2.ModelInstanceGroup.KIND_CPU
    group.count = sizing.instances
    if resized.backend == ENGINE_BACKEND:
        resized.parameters["intra_op_thread_count"].string_value = str(sizing.threads)
    for key in STAGED_PARAMETERS:
        resized.parameters.pop(key, None)
    for key, value in (parameters or {}).items():
        resized.parameters[key].string_value = value
    if resized.backend == FRONT_BACKEND:
        # The front's own queue is the bounded one: with limits here, Triton 24.10 forgets requests for half a second.
        resized.dynamic_batching.ClearField("default_queue_policy")
    resized.ClearField("model_metrics")  # of configurations for newer servers than this one
    return resized


def gpu_sizing(
    config: model_config_pb2.ModelConfig, classifier: model_config_pb2.ModelConfig, inside: bool
) -> Sizing | None:
    """Say how many processes and lanes a repository asks for on a GPU; nothing where it says nothing of one.

    Args:
        config: A model's configuration.
        classifier: The one of the classifier behind it, or its own.
        inside: Whether it runs that classifier itself, as many sub-batches at once as there would be instances.
    """
    if not any(group.kind == model_config_pb2.ModelInstanceGroup.KIND_GPU for group in classifier.instance_group):
        return None
    return Sizing(_count(config), _count(classifier) if inside else 1)


def _count(config: model_config_pb2.ModelConfig) -> int:
    return max(1, int(sum(group.count for group in config.instance_group)))


def own_queue(config: model_config_pb2.ModelConfig) -> int:
    """Say how many requests a front's own configuration lets wait, nought where it says nothing of use.

    Repositories before 0.3 said it by Triton's queue policy.
    """
    said = config.parameters[MAX_QUEUE].string_value if MAX_QUEUE in config.parameters else ""
    return int(said) if said.isdecimal() else config.dynamic_batching.default_queue_policy.max_queue_size


def to_text(config: model_config_pb2.ModelConfig) -> str:
    """Write a configuration as ``config.pbtxt``."""
    return str(text_format.MessageToString(config))


def to_json(config: model_config_pb2.ModelConfig) -> str:
    """Write a configuration as Triton hands it to a backend."""
    return str(json_format.MessageToJson(config, preserving_proto_field_name=True))
