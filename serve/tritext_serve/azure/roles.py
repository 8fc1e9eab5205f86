"""Who may do what in the cloud, and no more: a :class:`Cloud` in, role assignments with their conditions out. Pure.

A condition has a guard for each kind of request, and behind it what such a request must be::

    (!(this action) AND !(that action)) OR (the container is C AND the blob's path begins with P/)

An action that no guard names passes. So every data action of the role stands in a guard: one forgotten is allowed
everywhere in the scope. The other way round, ``(action AND path) OR (action AND path)``, whatever is not named is
denied, which Azure's own clients trip over: they create, list and delete by actions of their own. Listing is a
suboperation of reading. It names no blob, but asks for a prefix; so it has a clause of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tritext_serve.azure.cloud import WORKSPACES, Cloud, Place

_CONTAINERS = "Microsoft.Storage/storageAccounts/blobServices/containers"
_BLOBS = f"{_CONTAINERS}/blobs"
_READ = f"{_BLOBS}/read"
_LIST = "Blob.List"
NAME, PATH, PREFIX = f"@Resource[{_CONTAINERS}:name]", f"@Resource[{_BLOBS}:path]", f"@Request[{_BLOBS}:prefix]"

Scope = Literal["container", "account", "registry"]


@dataclass(frozen=True, slots=True)
class Role:
    """One of Azure's own roles, or one that is made for this account.

    Attributes:
        name: As Azure calls it.
        identity: Its id, the same in every subscription; "" for one that is made.
        data_actions: What it lets somebody do with blobs.
        actions: What it lets somebody do with what holds them.
        symbol: What Bicep calls one that is made; "" for one of Azure's own.
        description: Of one that is made.
    """

    name: str
    identity: str = ""
    data_actions: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    symbol: str = ""
    description: str = ""


READER = Role(
    "Storage Blob Data Reader",
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    (_READ,),
    (f"{_CONTAINERS}/read", "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action"),
)
PULL = Role(
    "AcrPull", "7f951dda-4ed3-4680-a7ca-43fe172d538d", actions=("Microsoft.ContainerRegistry/registries/pull/read",)
)


def reading(account: str) -> Role:
    """Make the role of a job for its input: nothing but blobs, and no key to sign for others with."""
    return Role(
        f"tritext reader of {account}", data_actions=(_READ,), symbol="reader", description="Reads and lists blobs."
    )


def writing(account: str) -> Role:
    """Make the role of a job for its output.

    Azure's own for this, Storage Blob Data Contributor, may also delete the container, and no condition narrows that: a
    condition is about blobs. Deleting blobs is needed, for a job that begins anew takes the former one's rejected rows
    away; moving them is not, nor is removing their former versions.
    """
    return Role(
        f"tritext writer of {account}",
        data_actions=(_READ, *(f"{_BLOBS}/{verb}" for verb in ("write", "add/action", "delete"))),
        symbol="writer",
        description="Reads, lists, writes and deletes blobs, and cannot touch what holds them.",
    )


@dataclass(frozen=True, slots=True)
class Assignment:
    """One role for one identity.

    Attributes:
        name: What it is called here, in Bicep too.
        role: The role.
        principal: The identity's name.
        scope: On what.
        target: The container's, account's or registry's name.
        condition: What it is narrowed to; "" for nothing.
        reason: Why it is there.
    """

    name: str
    role: Role
    principal: str
    scope: Scope
    target: str
    condition: str
    reason: str


def assignments(cloud: Cloud) -> tuple[Assignment, ...]:
    """List all that the endpoint and its jobs may do, in the order of their need."""
    account, registry, endpoint, job = (
        cloud.storage_account, cloud.registry, cloud.endpoint_identity, cloud.job_identity,
    )  # fmt: skip
    reader, writer = reading(account), writing(account)
    return (
        Assignment("endpointPull", PULL, endpoint, "registry", registry, "", "The deployments pull their image."),
        Assignment(
            "endpointRead", READER, endpoint, "account", account, of_containers(READER, WORKSPACES),
            "The deployments mount their model, which the workspace keeps in containers that it names itself.",
        ),
        Assignment("jobPull", PULL, job, "registry", registry, "", "Jobs run in the same image."),
        Assignment(
            "jobRead", reader, job, "container", cloud.input.container, within(reader, cloud.input),
            f"Jobs read and list {cloud.input.container}/{cloud.input.prefix} and nothing else.",
        ),
        Assignment(
            "jobWrite", writer, job, "container", cloud.output.container, within(writer, cloud.output),
            f"Jobs write {cloud.output.container}/{cloud.output.prefix}, and read it to go on after a stop.",
        ),
    )  # fmt: skip


def within(role: Role, place: Place) -> str:
    """Narrow a role to one prefix of one container."""
    at = f"{NAME} StringEquals '{place.container}'"
    return _both(
        role, f"{at}\n  AND\n  {PATH} StringStartsWith '{place.prefix}'",
        f"{at}\n  AND\n  {PREFIX} StringStartsWith '{place.prefix}'",
    )  # fmt: skip


def of_containers(role: Role, beginning: str) -> str:
    """Narrow a role to the containers whose name begins so."""
    at = f"{NAME} StringStartsWith '{beginning}'"
    return _both(role, at, at)


def _both(role: Role, blob: str, listing: str) -> str:
    """Guard what names a blob with one test and what lists with another."""
    others = [action for action in role.data_actions if action != _READ]
    guards = [f"ActionMatches{{'{_READ}'}} AND NOT SubOperationMatches{{'{_LIST}'}}"]
    guards += [f"ActionMatches{{'{action}'}}" for action in others]
    lists = [f"ActionMatches{{'{_READ}'}} AND SubOperationMatches{{'{_LIST}'}}"]
    return f"{_clause(guards, blob)}\nAND\n{_clause(lists, listing)}"


def _clause(guards: Sequence[str], test: str) -> str:
    none_of_them = "\n  AND\n".join(f"  !({guard})" for guard in guards)
    return f"(\n (\n{none_of_them}\n )\n OR\n (\n  {test}\n )\n)"
