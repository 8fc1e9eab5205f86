"""What serves without tuning: a repository and a machine in, the setting that all others are held against out."""

import math
import os
import platform
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from tritext_loadtest.tune.errors import TuneError
from tritext_loadtest.tune.settings import Setting

# What ``tritext serve`` does where neither repository nor flag says otherwise.
MAX_BATCH_TOKENS, COST_CALL, LANES = 384, 990.0, 8


def read_control(repository: Path, model: str, cores: int) -> Setting:
    """Read what a front's configuration says, and fill in what ``tritext serve`` would choose.

    Args:
        repository: The model repository.
        model: The front's name.
        cores: That may be used.

    Raises:
        TuneError: there is no such front.
    """
    path = repository / model / "config.pbtxt"
    try:
        config = text_format.Parse(path.read_text(encoding="utf-8"), model_config_pb2.ModelConfig())
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise TuneError(f"{path}: {error}: give a --repository that `tritext export` wrote, and its --model") from error
    if config.backend != "tritext":
        raise TuneError(f"{path}: takes no texts (backend {config.backend!r}): give the front's name as --model")
    parameters = {name: value.string_value for name, value in config.parameters.items()}
    instances = max(1, math.ceil(cores / LANES))
    try:
        return Setting(
            max_batch_tokens=int(parameters.get("max_batch_tokens", MAX_BATCH_TOKENS)),
            max_batch_texts=max(1, config.max_batch_size),
            max_queue_delay_microseconds=config.dynamic_batching.max_queue_delay_microseconds,
            cost_call=float(parameters.get("cost_call", COST_CALL)),
            instances=instances,
            threads=max(1, cores // instances),
        )
    except ValueError as error:
        raise TuneError(f"{path}: {error}: export the model again") from error


def count_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0))


def processor() -> str:
    """Name what computes, as the kernel does."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
