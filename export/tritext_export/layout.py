"""What stands in a model's folder beside its versions: facts and versions in, file names and contents out. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

from tritext_export import warmup
from tritext_export.triton import ModelFacts, classifier_config, front_config, to_text
from tritext_export.triton_gpu import NAMES, gpu_classifier_configs, gpu_front_config

CONFIG_FILE = "config.pbtxt"
CONFIGS = "configs"


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The files of one model, by their path in its folder.

    Attributes:
        configs: Configurations, ``config.pbtxt`` first: where there is none of the name that a server asks for, it is
            the one that the server reads.
        data: What the configurations name; it must be there before they are.
    """

    configs: Mapping[str, str]
    data: Mapping[str, bytes]

    @property
    def obsolete(self) -> tuple[str, ...]:
        """Configurations that tritext writes for some versions, and not for these."""
        return tuple(path for path in map(config_path, NAMES) if path not in self.configs)


def config_path(name: str) -> str:
    """Say where Triton looks for the configuration of a name."""
    return f"{CONFIGS}/{name}.pbtxt"


def front_files(facts: ModelFacts, versions: Sequence[int], *, planned: bool) -> ModelFiles:
    """Compose a front's files.

    Args:
        facts: The model.
        versions: What it is to serve.
        planned: Whether each of them has a ``model.plan``.
    """
    named = dict.fromkeys(gpu_classifier_configs(facts, versions, planned=planned), gpu_front_config(facts, versions))
    return _files(front_config(facts, versions), named)


def classifier_files(facts: ModelFacts, versions: Sequence[int], *, planned: bool) -> ModelFiles:
    """Compose a classifier's files; arguments as for the front's."""
    return _files(classifier_config(facts, versions), gpu_classifier_configs(facts, versions, planned=planned))


def with_versions(text: str, versions: Sequence[int]) -> str | None:
    """Let a configuration that the user wrote name other versions; all else stays.

    Returns:
        None where it names no versions itself, or cannot be read.
    """
    try:
        config = text_format.Parse(text, pb.ModelConfig())
    except text_format.ParseError:
        return None
    if not config.version_policy.specific.versions:
        return None
    config.version_policy.specific.versions[:] = versions
    return to_text(config)


def _files(default: pb.ModelConfig, named: Mapping[str, pb.ModelConfig]) -> ModelFiles:
    configs = {CONFIG_FILE: default} | {config_path(name): config for name, config in named.items()}
    masks = {
        tensor.input_data_file
        for config in configs.values()
        for request in config.model_warmup
        for tensor in request.inputs.values()
        if tensor.input_data_file
    }
    return ModelFiles(
        {path: to_text(config) for path, config in configs.items()},
        {f"{warmup.FOLDER}/{mask}": warmup.mask_bytes(int(mask.rpartition("_")[2])) for mask in sorted(masks)},
    )
