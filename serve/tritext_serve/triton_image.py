"""``python3 -m tritext_serve.triton_image``: may NVIDIA's Triton serve this repository? Its start script asks first.

The embedded server looks before it stages anything (``certified``). In the Triton image nobody stages: Triton reads the
mounted repository itself, so the same questions are asked about what *its* command line makes it load::

    tritonserver's arguments ──► repositories, name of the configurations
                                        │ scan: only data, no links, configurations that load nothing else
                                        │ doubts: certificate, sha256, labels; a plan against its own record
                                        ▼
                             reasons on standard error, exit status 1; or warnings, where that is allowed

It needs protobuf and one generated module of tritonclient, and neither grpcio nor numpy.
"""

import argparse
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if importlib.util.find_spec("grpc") is None:
    # The image has no grpcio, which the __init__ of this package wants; the generated module beside it does not.
    import tritonclient

    _package = ModuleType("tritonclient.grpc")
    _package.__path__ = [str(Path(folder) / "grpc") for folder in tritonclient.__path__]
    sys.modules["tritonclient.grpc"] = _package

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from tritext_serve.certified import doubts
from tritext_serve.errors import RepositoryError
from tritext_serve.model_config import ENGINE_BACKEND, FRONT_BACKEND, STAGED_PARAMETERS, parse
from tritext_serve.repository import PLAN_BACKEND, PLAN_FILE, scan

if TYPE_CHECKING:
    from tritonclient.grpc.model_config_pb2 import ModelConfig

BACKENDS = (FRONT_BACKEND, ENGINE_BACKEND, PLAN_BACKEND)
REMEDY = (
    "export the model again (an engine: build it again), or set TRITEXT_ALLOW_UNCERTIFIED=1 to serve it all the same"
)


def reasons(repository: Path, config: str = "") -> tuple[str, ...]:
    """Say why Triton must not serve a repository, in a line each; nothing where it may.

    Args:
        repository: What ``--model-repository`` names.
        config: What ``--model-config-name`` names; "" for each model's ``config.pbtxt``.
    """
    try:
        return doubts(repository, scan(repository, config, read))
    except RepositoryError as error:
        return (str(error),)
    except OSError as error:  # the container's user is not the one who exported
        return (f"{error.filename}: {error.strerror}: let others read the repository (chmod -R o+rX)",)


def read(text: str, path: str) -> "ModelConfig":
    """Parse a configuration for the Triton image, which may name a plan.

    Args:
        text: Its contents.
        path: Where it lies in the repository, for messages.

    Raises:
        RepositoryError: it does not parse, or makes Triton load what no certificate covers.
    """
    config = model_config_pb2.ModelConfig()
    try:
        text_format.Parse(text, config)
    except text_format.ParseError as error:
        raise RepositoryError(f"{path}: {error}") from error
    if config.backend not in BACKENDS:
        raise RepositoryError(
            f"{path}: backend {config.backend or config.platform!r}: only models of {', '.join(BACKENDS)} have "
            "certificates"
        )
    told = [key for key in STAGED_PARAMETERS if key in config.parameters]
    if told:
        raise RepositoryError(f"{path}: {told[0]} is a word of the embedded server's own: take it out")
    if config.backend == PLAN_BACKEND and config.default_model_filename not in ("", PLAN_FILE):
        raise RepositoryError(f"{path}: {config.default_model_filename!r} instead of {PLAN_FILE}, which has the record")
    try:
        parse(_as_graph(config), path.partition("/")[0])
    except RepositoryError as error:
        raise RepositoryError(str(error).replace(f"{path.partition('/')[0]}/config.pbtxt", path, 1)) from error
    return config


def _as_graph(config: "ModelConfig") -> str:
    """Write the configuration as if it named the graph: what else is refused does not depend on the plan."""
    disguised = model_config_pb2.ModelConfig()
    disguised.CopyFrom(config)
    if config.backend == PLAN_BACKEND:
        disguised.backend = ENGINE_BACKEND
        disguised.ClearField("default_model_filename")
    return str(text_format.MessageToString(disguised))


def main(arguments: Sequence[str] | None = None) -> int:
    """Check what a command line of ``tritonserver`` will load.

    Returns:
        1 where something is not as certified and that is not allowed.
    """
    parser = argparse.ArgumentParser(prog="tritext", add_help=False)
    parser.add_argument("--allow-uncertified", action="store_true", help="warn only")
    # tritonserver's own; whatever else stands on its command line is passed over.
    parser.add_argument("--model-repository", "--model-store", type=Path, action="append", default=[])
    parser.add_argument("--model-config-name", default="")
    args, _ = parser.parse_known_args(arguments)
    found = list(_all_reasons(args.model_repository, args.model_config_name))
    word = "not certified" if args.allow_uncertified else "refused"
    sys.stderr.writelines(f"tritext: {word}: {reason}\n" for reason in found)
    if not found or args.allow_uncertified:
        return 0
    sys.stderr.write(f"tritext: {REMEDY}\n")
    return 1


def _all_reasons(repositories: Sequence[Path], config: str) -> Iterator[str]:
    for repository in repositories:
        yield from reasons(repository, config)


if __name__ == "__main__":
    sys.exit(main())
