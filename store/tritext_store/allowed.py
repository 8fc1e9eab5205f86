"""Which files a model repository may hold: names in, yes or no out. Pure.

Triton loads shared libraries and Python files that lie beside a model, so whoever can write to the blob storage could
run code where it is pulled. Nothing travels but the data that `tritext export` and `tritext engine` write.
"""

import re

from tritext_store.errors import Unexpected

VERSION_FILES = frozenset(
    {
        "model.onnx",
        "model.onnx_data",
        "model.plan",
        "model.plan.json",
        "tokenizer.json",
        "manifest.json",
        "certificate.json",
        "report.html",
        "expectations.json",
    }
)
MODEL_FILES = frozenset({"config.pbtxt", "labels.txt"})
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_MODEL, _VERSION = re.compile(_NAME), re.compile(r"[1-9][0-9]{0,8}")
_IN_FOLDERS = {"configs": re.compile(rf"{_NAME}\.pbtxt"), "warmup": re.compile(r"ones_[0-9]{1,12}")}


def is_allowed(path: str) -> bool:
    """Whether a path below a repository is that of a file that belongs into one."""
    match path.split("/"):
        case [model, name]:
            return bool(_MODEL.fullmatch(model)) and name in MODEL_FILES
        case [model, folder, name] if folder in _IN_FOLDERS:
            return bool(_MODEL.fullmatch(model) and _IN_FOLDERS[folder].fullmatch(name))
        case [model, version, name]:
            return bool(_MODEL.fullmatch(model) and _VERSION.fullmatch(version)) and name in VERSION_FILES
    return False


def require_allowed(path: str, where: object) -> None:
    """Refuse what does not belong into a repository.

    Raises:
        Unexpected: with the path.
    """
    if not is_allowed(path):
        raise Unexpected(f"{where}: {path[:200]!r} is no file of a model repository: move it away and push again")
