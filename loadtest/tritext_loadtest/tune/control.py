"""What serves without tuning: a repository and a machine in, the setting that all others are held against out."""

import json
import math
import platform
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from tritext_loadtest.tune.errors import TuneError
from tritext_loadtest.tune.settings import Setting

# What ``tritext serve`` does where neither repository nor flag says otherwise; packed graphs take more tokens at once.
MAX_BATCH_TOKENS, PACKED_BATCH_TOKENS, COST_CALL, LANES = 384, 1024, 990.0, 8
PACKED_EDIT = "packed"
CONFIG_FILE, MANIFEST_FILE = "config.pbtxt", "manifest.json"


def read_control(repository: Path, model: str, cores: int) -> Setting:
    """Read what a front's configuration and manifest say, and fill in what ``tritext serve`` would choose.

    Args:
        repository: The model repository.
        model: The front's name.
        cores: That may be used.

    Raises:
        TuneError: there is no such front, or what it says means nothing.
    """
    config = _read_config(repository / model)
    parameters = {name: value.string_value for name, value in config.parameters.items()}
    instances, texts = max(1, math.ceil(cores / LANES)), max(1, config.max_batch_size)
    tokens = _usual_tokens(_in_service(repository / model, config))
    try:
        return Setting(
            max_batch_tokens=int(parameters.get("max_batch_tokens", tokens)),
            max_batch_texts=min(texts, int(parameters.get("max_batch_texts", texts))),
            max_queue_delay_microseconds=config.dynamic_batching.max_queue_delay_microseconds,
            cost_call=float(parameters.get("cost_call", COST_CALL)),
            instances=instances,
            threads=max(1, cores // instances),
        )
    except ValueError as error:
        raise TuneError(f"{repository / model / CONFIG_FILE}: {error}: export the model again") from error


def read_batch_limit(repository: Path, model: str) -> int:
    """Read how many texts a request may hold at most.

    Raises:
        TuneError: there is no such front.
    """
    return max(1, int(_read_config(repository / model).max_batch_size))


def processor() -> str:
    """Name what computes, as the kernel does."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _read_config(front: Path) -> Any:
    path = front / CONFIG_FILE
    try:
        config = text_format.Parse(path.read_text(encoding="utf-8"), model_config_pb2.ModelConfig())
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise TuneError(f"{path}: {error}: give a --repository that `tritext export` wrote, and its --model") from error
    if config.backend != "tritext":
        raise TuneError(f"{path}: takes no texts (backend {config.backend!r}): give the front's name as --model")
    return config


def _in_service(front: Path, config: Any) -> Path:
    """Name the folder of the version that answers: the newest that the policy names, else the newest there is."""
    named = config.version_policy.specific.versions or [int(p.name) for p in front.iterdir() if p.name.isdecimal()]
    if not named:
        raise TuneError(f"{front}: has no version folder: export the model again")
    return front / str(max(named))


def _usual_tokens(version: Path) -> int:
    """Say how many tokens a call carries at most where the configuration does not say."""
    path = version / MANIFEST_FILE
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TuneError(f"{path}: {error}: export the model again") from error
    edits = manifest.get("graph_edits") if isinstance(manifest, dict) else None
    return PACKED_BATCH_TOKENS if isinstance(edits, list) and PACKED_EDIT in edits else MAX_BATCH_TOKENS
