"""Files in, one endpoint out, or every mistake in them at once.

::

    bytes ─ tree ─► values with lines ─ kind ─► endpoint | deployment | network  ─► model.Endpoint
                                                     │            │
                                                     └── report ──┴── repositories, traffic, mirror

Files and repositories are read here and in ``fronts``; the rest of the package is pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tritext_serve.endpoint.files.deployment import FRONT_TAG, DeploymentDraft, read_deployment
from tritext_serve.endpoint.files.endpoint import EndpointDraft, finish, read_endpoint
from tritext_serve.endpoint.files.fronts import NAME, Fronts, choose, scan_fronts, variants
from tritext_serve.endpoint.files.kind import DEPLOYMENT, ENDPOINT, find_kind
from tritext_serve.endpoint.files.network import read_network
from tritext_serve.endpoint.files.report import Remark, Report, quote
from tritext_serve.endpoint.files.section import Section
from tritext_serve.endpoint.files.tree import MAX_BYTES, read_tree
from tritext_serve.endpoint.model import Deployment, Endpoint, Network
from tritext_serve.errors import EndpointFileError, RepositoryError

# Azure's table of limits (how-to-manage-quotas).
MOST_DEPLOYMENTS = 20
MOST_FILES = 64
ACCESS_FIELD = "public_network_access"
MOST_PROBLEMS = 100


@dataclass(frozen=True, slots=True)
class Loaded:
    """What files hold.

    Attributes:
        endpoint: The endpoint.
        notes: What they say without effect here, a line each.
    """

    endpoint: Endpoint
    notes: tuple[str, ...]


def load_endpoint(paths: Sequence[Path], fronts: Fronts = scan_fronts) -> Endpoint:
    """Read an endpoint, its deployments, and what may leave them.

    Args:
        paths: One endpoint file, any number of deployment files and at most one workspace file, in any order.
        fronts: Says which fronts a repository holds.

    Raises:
        EndpointFileError: the files hold mistakes. The message has a line for each, ``FILE:LINE: field: what is
            wrong: remedy``, below a heading where there are several.
    """
    return load(paths, fronts).endpoint


def load(paths: Sequence[Path], fronts: Fronts = scan_fronts) -> Loaded:
    """Read the same, and what has no effect.

    Raises:
        EndpointFileError: as ``load_endpoint`` does.
    """
    if not paths or len(paths) > MOST_FILES:
        raise EndpointFileError(f"{len(paths)} files: give an endpoint's file and its deployments', up to {MOST_FILES}")
    reading = _Reading(fronts)
    for path in paths:
        reading.read(path)
    endpoint = reading.assemble()
    problems = _in_order(report.problems for report in reading.reports)
    if problems or endpoint is None:
        raise EndpointFileError(_list(problems))
    return Loaded(endpoint, tuple(_in_order(report.notes for report in reading.reports)))


def _in_order(files: Iterable[Sequence[Remark]]) -> list[str]:
    """Write remarks file by file, by line."""
    return [str(remark) for remarks in files for remark in sorted(remarks, key=lambda remark: remark.line)]


def _list(problems: Sequence[str]) -> str:
    """One problem stands alone; more get a heading, so that each begins its line with the file."""
    if len(problems) == 1:
        return problems[0]
    more = [f"and {len(problems) - MOST_PROBLEMS} more"] if len(problems) > MOST_PROBLEMS else []
    return "\n".join([f"{len(problems)} mistakes in these files:", *problems[:MOST_PROBLEMS], *more])


class _Reading:
    """What the files gave so far."""

    def __init__(self, fronts: Fronts) -> None:
        self.reports: list[Report] = []
        self._fronts = fronts
        self._endpoints: list[EndpointDraft] = []
        self._deployments: list[DeploymentDraft] = []
        self._networks: list[tuple[Section, Network]] = []

    def read(self, path: Path) -> None:
        """Read one file."""
        report = Report(str(path))
        self.reports.append(report)
        content = _read_bytes(path, report)
        table = read_tree(content, report) if content is not None else None
        if table is None:
            return
        section = Section(table, report)
        kind = find_kind(section)
        if kind == ENDPOINT:
            self._endpoints.append(read_endpoint(section))
        elif kind == DEPLOYMENT:
            self._deployments.append(read_deployment(section, path.parent))
        elif kind is not None:
            self._networks.append((section, read_network(section)))

    def assemble(self) -> Endpoint | None:
        """Put the endpoint together, as far as its files could be read."""
        for more in self._endpoints[1:]:
            more.section.refuse("name", "is of a second endpoint", "give one endpoint's files at a time")
        for section, _ in self._networks[1:]:
            section.refuse("managed_network", "is a second one", "give one workspace's file")
        network = self._networks[0][1] if self._networks else Network()
        deployments = self._named()
        if not self._endpoints:
            if not any(report.problems for report in self.reports):
                remedy = "give it too: a file with `name`, `auth_mode: key` and `traffic`"
                self.reports[0].refuse(1, "file", "none of the files is an endpoint's", remedy)
            return None
        draft = self._endpoints[0]
        if self._networks and draft.endpoint.public_network_access == "enabled":
            _compare_access(draft.section, self._networks[0][0])
        for deployment in self._deployments:
            _check_belonging(deployment, draft.endpoint.name, network)
        # A deployment whose own file could not be read must not make its traffic wrong too.
        read = len(self._endpoints) + len(self._deployments) + len(self._networks)
        named = len(deployments) == len(self._deployments) and "" not in deployments
        complete = named and read == len(self.reports)
        return finish(draft, deployments, network, complete)

    def _named(self) -> dict[str, Deployment]:
        """Look every deployment's model up; the same name twice is refused."""
        found: dict[str, Deployment] = {}
        for draft in self._deployments:
            deployment = _look_up(draft, self._fronts)
            name = deployment.name
            # Azure's names are one whatever their case, and so are host names.
            if name.lower() in (other.lower() for other in found if other):
                draft.section.refuse("name", f"{name!r} names another deployment too", "name it otherwise")
            elif len(found) == MOST_DEPLOYMENTS:
                draft.section.refuse("name", f"is the deployment after the {MOST_DEPLOYMENTS}th", "give fewer")
            else:
                found[name] = deployment
        return found


def _read_bytes(path: Path, report: Report) -> bytes | None:
    try:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "is not a file" if path.exists() else "is not there"
            report.refuse(1, "file", what, "give a YAML file's path")
            return None
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        report.refuse(1, "file", error.strerror or "cannot be read", "let this user read it")
        return None


def _compare_access(endpoint: Section, workspace: Section) -> None:
    """Note an endpoint that is open in a workspace that is closed: Azure lets it be, and few mean it."""
    if (workspace.plain(ACCESS_FIELD) or "").lower() == "disabled":
        endpoint.note(ACCESS_FIELD, "is enabled although the workspace's is disabled: the public address is open")


def _check_belonging(draft: DeploymentDraft, endpoint: str, network: Network) -> None:
    theirs = draft.deployment.endpoint_name
    if theirs and endpoint and theirs != endpoint:
        draft.section.refuse("endpoint_name", f"{theirs!r} is not this endpoint", f"write `endpoint_name: {endpoint}`")
    name = "egress_public_network_access"
    if name in draft.section and network.isolation_mode != "disabled":
        draft.section.refuse(name, "cannot stand beside a managed network", "remove it: the network's rules hold")


def _look_up(draft: DeploymentDraft, fronts: Fronts) -> Deployment:
    """Find the model that a deployment answers with."""
    deployment = draft.deployment
    if draft.model is None:
        return deployment
    try:
        repository = deployment.repository.resolve()
        names = tuple(sorted(fronts(repository)))
    except RepositoryError as error:
        draft.model.refuse("path", " ".join(str(error).split()), "")
        return deployment
    except (OSError, RuntimeError, ValueError) as error:
        draft.model.refuse("path", f"cannot be read ({quote(str(error))})", "let this user read the whole folder")
        return deployment
    return _choose(draft, replace(deployment, repository=repository), names)


def _choose(draft: DeploymentDraft, deployment: Deployment, fronts: Sequence[str]) -> Deployment:
    """Choose among a repository's fronts."""
    model, odd = draft.model, [name for name in fronts if not NAME.fullmatch(name)]
    if model is not None and (odd or not fronts):
        what = f"holds {quote(odd[0])}, which no path can name" if odd else "holds no front"
        model.refuse("path", what, "export the model again, under another name")
        return deployment
    if draft.front and draft.front not in fronts:
        remedy = f"write one of {', '.join(fronts)}"
        draft.section.refuse_key("tags", FRONT_TAG, f"{quote(draft.front)} is not in {deployment.repository}", remedy)
        return deployment
    chosen = draft.front or choose(fronts)
    return replace(deployment, model=chosen, variants=variants(chosen, fronts))
