"""An endpoint's files and the cloud's in, every file for Azure out; nothing is written that the rules would refuse.

Traffic is not part of the endpoint's file there, so it goes to ``names.env``, which ``deploy/azure/endpoint.sh`` reads.
"""

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from tritext_serve.azure import documents, grants
from tritext_serve.azure.cloud import Cloud, read_cloud
from tritext_serve.azure.deployment_rules import another_model, judge_kept
from tritext_serve.azure.parameters import parameters
from tritext_serve.azure.roles import assignments
from tritext_serve.azure.sources import Source, Sources, read_sources, read_table
from tritext_serve.endpoint.files import load
from tritext_serve.endpoint.files.deployment import FRONT_TAG
from tritext_serve.endpoint.files.fronts import Fronts, scan_fronts
from tritext_serve.endpoint.files.report import Report, quote
from tritext_serve.endpoint.files.section import Section
from tritext_serve.endpoint.model import Endpoint
from tritext_serve.errors import EndpointFileError

# Of a workspace; they stand in commands, too.
_WORDS = {
    "name": (re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,32}"), "sentiment-workspace"),
    "location": (re.compile(r"[a-z][a-z0-9]{2,39}"), "westeurope"),
}
HEAD = "# Rendered by `tritext endpoint render --target azure`: change the endpoint's own files and render again.\n"


@dataclass(frozen=True, slots=True)
class Rendered:
    """What is to be written.

    Attributes:
        texts: By file name.
        notes: What is not as the files say, and why, a line each.
        endpoint: The endpoint.
        cloud: The cloud's file.
    """

    texts: dict[str, str]
    notes: tuple[str, ...]
    endpoint: Endpoint
    cloud: Cloud


def render(paths: Sequence[Path], cloud_file: Path, folder: Path, fronts: Fronts = scan_fronts) -> Rendered:
    """Write every file's text.

    Args:
        paths: The endpoint's files, its deployments' and the workspace's.
        cloud_file: What only the cloud needs.
        folder: Where the texts are to lie: paths in them begin there.
        fronts: Says which fronts a repository holds.

    Raises:
        EndpointFileError: a file holds mistakes, or something that Azure has no place for.
    """
    endpoint = load(paths, fronts).endpoint
    sources = read_sources(paths)
    cloud = _read_cloud(cloud_file)
    texts = dict(_texts(endpoint, sources, cloud, folder))
    reports = [each.report for each in (sources.endpoint, *sources.deployments, sources.workspace)]
    if mistakes := [str(problem) for report in reports for problem in report.problems]:
        raise EndpointFileError("\n".join(mistakes))
    notes = tuple(str(note) for report in reports for note in sorted(report.notes, key=lambda note: note.line))
    return Rendered(texts, notes, endpoint, cloud)


def _read_cloud(path: Path) -> Cloud:
    report = Report(str(path))
    cloud = read_cloud(Section(read_table(path, report), report))
    if report.problems:
        raise EndpointFileError("\n".join(str(problem) for problem in report.problems))
    return cloud


def _texts(endpoint: Endpoint, sources: Sources, cloud: Cloud, folder: Path) -> Iterator[tuple[str, str]]:
    if endpoint.public_network_access == "enabled":
        what = "is open to the public, and the workspace is not"
        sources.endpoint.section.refuse("public_network_access", what, "write `public_network_access: disabled`")
    if endpoint.network.isolation_mode != "allow_only_approved_outbound":
        what = f"is {endpoint.network.isolation_mode}: deployments could reach anything"
        sources.workspace.section.refuse(
            "managed_network", what, "write `isolation_mode: allow_only_approved_outbound`"
        )
    for field, (pattern, example) in _WORDS.items():
        said = sources.workspace.section.text(field, example)
        if said is not None and not pattern.fullmatch(said):
            what = f"{quote(said)} is not one that Azure takes"
            sources.workspace.section.refuse(field, what, f"write such as {example}")
    _check_models(endpoint, sources)
    yield "endpoint.yml", _document(documents.endpoint(sources.endpoint, cloud))
    for source in sources.deployments:
        yield _deployment(endpoint, source, cloud, folder)
    yield "workspace.yml", _document(documents.workspace(sources.workspace, cloud))
    if not sources.workspace.report.problems:
        workspace = sources.workspace.fields
        yield "main.parameters.json", json.dumps(parameters(cloud, workspace), indent=2) + "\n"
        yield "names.env", _names(endpoint, cloud, workspace)
    granted = assignments(cloud)
    yield "roles.bicep", grants.bicep(cloud, granted)
    yield "roles.sh", grants.commands(cloud, granted)


def _check_models(endpoint: Endpoint, sources: Sources) -> None:
    """Refuse models of different names: callers name one, and some of them would reach whoever has another."""
    first, *others = sources.deployments
    model = endpoint.deployments[first.fields["name"]].model
    for source in others:
        theirs = endpoint.deployments[source.fields["name"]].model
        if theirs != model:
            what = another_model(theirs, model, first.report.file)
            source.section.refuse("model", what, f"write `tags: {{{FRONT_TAG}: {model}}}`, or export it as {model}")


def _deployment(endpoint: Endpoint, source: Source, cloud: Cloud, folder: Path) -> tuple[str, str]:
    judge_kept(source.section)
    deployment = endpoint.deployments[source.fields["name"]]
    repository = PurePosixPath(os.path.relpath(deployment.repository, folder.resolve()))
    return f"deployment-{deployment.name}.yml", _document(
        documents.deployment(source, cloud, repository, deployment.model)
    )


def _document(fields: dict[str, Any]) -> str:
    return HEAD + yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=120)


def _names(endpoint: Endpoint, cloud: Cloud, workspace: dict[str, Any]) -> str:
    """Write what ``endpoint.sh`` must know, which reads it line by line and runs none of it."""
    shares = {name: endpoint.traffic.get(name, 0) for name in endpoint.deployments}
    told = {
        "SUBSCRIPTION": cloud.subscription,
        "GROUP": cloud.resource_group,
        "WORKSPACE": workspace["name"],
        "ENDPOINT": endpoint.name,
        "REGISTRY": cloud.registry,
        "IMAGE": cloud.image.partition("/")[2],
        "MODEL": next(iter(endpoint.deployments.values())).model,
        "DEPLOYMENTS": " ".join(endpoint.deployments),
        "TRAFFIC": " ".join(f"{name}={share}" for name, share in shares.items()),
        "MIRROR": " ".join(f"{name}={share}" for name, share in endpoint.mirror_traffic.items()),
    }
    return "".join(f"{name}={value}\n" for name, value in told.items())
