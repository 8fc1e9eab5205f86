"""``tritext endpoint render``: an endpoint's files in, what the compose stack's two Envoys read out.

With ``--target azure`` it is what Azure ML reads (``azure.command``).

The folders hold keys and are for their owner alone, which must be the user that the containers run as. To change
traffic or keys of a running stack, render again: Envoy sees files renamed in a folder that it has mounted.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from tritext_serve import canary
from tritext_serve.azure import command as azure
from tritext_serve.endpoint import keys
from tritext_serve.endpoint.edge import files
from tritext_serve.endpoint.files import load
from tritext_serve.endpoint.isolation import containers
from tritext_serve.endpoint.isolation.containers import USUAL_SUBNET, Ground
from tritext_serve.endpoint.model import Deployment, Endpoint
from tritext_serve.endpoint.verbs.shared import say
from tritext_serve.errors import IsolationError
from tritext_serve.repository import scan

HELP = "write the Envoy files of the compose stack, or the files for Azure ML"
EPILOG = """\
example:
  tritext endpoint render deploy/endpoint/endpoint.yml deploy/endpoint/blue.yml
  docker compose --env-file deploy/envoy/rendered/compose.env up --build
  tritext endpoint render --target azure endpoint.yml blue.yml network.yml --cloud cloud.yml

For Kubernetes: python3 -m tritext_serve.endpoint.kubernetes --help
"""
OUTPUT = Path("deploy/envoy/rendered")
# HEADER holds what curl sends with `-H @FILE`, so that no key stands on a command line.
KEYS_FILE, ENVIRONMENT, HEADER = "keys.json", "compose.env", "authorization"
# Root's files are given to the user that the containers run as unless told otherwise.
USUAL_OWNER = (1000, 1000)
PRIVATE_FOLDER = 0o700
REPOSITORIES = {"blue": "TRITEXT_REPOSITORY", "green": "TRITEXT_GREEN_REPOSITORY"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EPILOG
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="endpoint, deployments, network")
    parser.add_argument("--target", choices=("compose", "azure"), default="compose", help="default: compose")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help=f"default: {OUTPUT}, or {azure.OUTPUT} for azure")
    parser.add_argument(
        "--cloud",
        type=Path,
        default=azure.CLOUD,
        metavar="FILE",
        help=f"for azure: its own file (default: {azure.CLOUD})",
    )
    parser.add_argument("--check", action="store_true", help="only judge FILEs that are Azure's own; write nothing")
    parser.add_argument("--keys", type=Path, metavar="FILE", help=f"the keys (default: FOLDER/{KEYS_FILE}, made anew)")
    parser.add_argument(
        "--subnet", type=_subnet, default=USUAL_SUBNET, metavar="N.N",
        help=f"first two numbers of the stack's addresses (default: {USUAL_SUBNET})",
    )  # fmt: skip
    parser.add_argument(
        "--owner", type=_owner, metavar="UID:GID", help="whom the Envoys run as (default: you, or 1000:1000 for root)"
    )


def run(args: argparse.Namespace) -> int:
    """Write the files.

    Raises:
        ServeError: the files hold mistakes, or something that the compose stack does not have.
    """
    if args.check:
        return azure.check(args.files)
    if args.target == "azure":
        return azure.write(args.files, args.cloud, args.output or azure.OUTPUT)
    loaded = load(args.files)
    for note in loaded.notes:
        say(note)
    endpoint, ground, owner = loaded.endpoint, Ground(args.subnet), args.owner or _usual_owner()
    containers.check(endpoint)
    folder: Path = args.output or OUTPUT
    _make(folder)
    keys_file = args.keys or folder / KEYS_FILE
    for deployment in endpoint.deployments.values():
        check_model(deployment)
    known = keys.read_or_make(keys_file)
    parts = {
        "ingress": containers.ingress(endpoint, known, ground),
        "egress": containers.way_out(endpoint, ground),
        ".": {
            ENVIRONMENT: environment(endpoint, folder, ground, owner),
            HEADER: f"Authorization: Bearer {known['primary']}\n",
        },
    }
    for name, texts in parts.items():
        _write(folder / name, texts, owner if name != "." and os.geteuid() == 0 else None)
    sys.stdout.write(announcement(folder, endpoint))
    return 0


def check_model(deployment: Deployment) -> None:
    """Refuse a deployment whose container could not judge it.

    Raises:
        ServeError: its repository has no such model, or no canary.
    """
    for model in scan(deployment.repository):
        if model.name == deployment.model:
            canary.read_canary(model.name, model.served_versions[-1])
            return
    raise IsolationError(f"deployment {deployment.name}: {deployment.repository} has no model {deployment.model}")


def environment(endpoint: Endpoint, folder: Path, ground: Ground, owner: tuple[int, int]) -> str:
    """Write what compose must know, for its ``--env-file``."""
    told = {
        "TRITEXT_RENDERED": str(folder.absolute()),
        "TRITEXT_SUBNET": ground.subnet,
        "TRITEXT_USER": "{}:{}".format(*owner),
    }
    for name, deployment in endpoint.deployments.items():
        told[REPOSITORIES[name]] = str(deployment.repository.absolute())
    if "green" in endpoint.deployments:
        told["COMPOSE_PROFILES"] = "green"
    return "".join(f"{name}={value}\n" for name, value in told.items())


def announcement(folder: Path, endpoint: Endpoint) -> str:
    """Say what was written and what to type next."""
    variables, header = (shlex.quote(str(folder / name)) for name in (ENVIRONMENT, HEADER))
    request = """-H "Content-Type: application/json" -d '{"text": "What a lovely film."}'"""
    return (
        f"written  {folder}, for {endpoint.name}: {', '.join(endpoint.deployments)}\n"
        f"start    docker compose --env-file {variables} up --build\n"
        f"try      curl http://127.0.0.1:8080/predict -H @{header} {request}\n"
    )


def _write(folder: Path, texts: Mapping[str, str], owner: tuple[int, int] | None) -> None:
    """Write the files that differ, each in one step and its owner's from the first: Envoy reads what has its name.

    Raises:
        IsolationError: the folder cannot be written.
    """
    _make(folder)
    try:
        if owner is not None:
            os.chown(folder, *owner)
        for name, text in sorted(texts.items(), key=lambda item: item[0] == "lds.json"):  # listeners name the others
            if files.read(folder / name) != text:
                files.replace(folder / name, text, owner)
    except OSError as error:
        raise IsolationError(f"{folder}: {error.strerror}: choose another with --output") from error


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    except OSError as error:
        raise IsolationError(f"{folder}: {error.strerror}: choose another with --output") from error


def _usual_owner() -> tuple[int, int]:
    return (os.geteuid(), os.getegid()) if os.geteuid() != 0 else USUAL_OWNER


def _owner(text: str) -> tuple[int, int]:
    """Read ``UID:GID``."""
    user, _, group = text.partition(":")
    if not (user.isdecimal() and group.isdecimal()) or int(user) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not UID:GID of somebody who is not root, such as 1000:1000")
    return int(user), int(group)


def _subnet(text: str) -> str:
    """Read the first half of a private address."""
    numbers = text.split(".")
    if len(numbers) != 2 or not all(number.isdecimal() and int(number) < 256 for number in numbers):
        raise argparse.ArgumentTypeError(f"{text!r} is not the first half of an address, such as {USUAL_SUBNET}")
    return text
