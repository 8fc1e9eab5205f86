"""Role assignments in, Bicep and ``az`` commands out. Pure.

Both say the same. They stand apart from the rest of the infrastructure, since giving roles takes a right of its own
(Owner, or Role Based Access Control Administrator), which whoever lays networks need not have.
"""

import shlex
from collections.abc import Sequence

from tritext_serve.azure.cloud import Cloud
from tritext_serve.azure.roles import Assignment

_RENDERED = "Rendered by `tritext endpoint render --target azure`: change cloud.yml and render again."
_STORAGE, _REGISTRY = "Microsoft.Storage/storageAccounts", "Microsoft.ContainerRegistry/registries"
_IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities"
_VERSIONS = {_STORAGE: "2023-05-01", _REGISTRY: "2023-07-01", _IDENTITY: "2023-01-31"}


def bicep(cloud: Cloud, granted: Sequence[Assignment]) -> str:
    """Write ``roles.bicep``: what exists is named, and the assignments are made on it."""
    names = {"account": cloud.storage_account, "registry": cloud.registry}
    known = {cloud.endpoint_identity: "endpoint", cloud.job_identity: "job"}
    parts = [
        f"// Who may do what. {_RENDERED}\ntargetScope = 'resourceGroup'\n",
        _existing("account", _STORAGE, names["account"]),
        _existing("blobs", f"{_STORAGE}/blobServices", "default", "account"),
        *(_existing(_symbol(name), f"{_STORAGE}/blobServices/containers", name, "blobs") for name in _used(granted)),
        _existing("registry", _REGISTRY, names["registry"]),
        *(_existing(symbol, _IDENTITY, name) for name, symbol in known.items()),
        *(_assignment(each, known[each.principal]) for each in granted),
    ]
    return "\n".join(parts)


def commands(cloud: Cloud, granted: Sequence[Assignment]) -> str:
    """Write ``roles.sh``: the same by ``az``, for whoever uses no Bicep."""
    lines = [
        "#!/usr/bin/env bash",
        f"# Who may do what. {_RENDERED}",
        "set -euo pipefail",
        'principal() { az identity show --ids "$1" --query principalId --output tsv; }',
    ]
    for each in granted:
        identity = cloud.resource(_IDENTITY, each.principal)
        words = ["--role", each.role.identity, "--scope", _scope_id(cloud, each), "--description", each.reason]
        lines += [
            "",
            f"# {each.role.name}",
            f'assignee="$(principal {shlex.quote(identity)})"',
            *(("condition=\"$(cat <<'END'", each.condition, "END", ')"') if each.condition else ()),
            'az role assignment create --assignee-object-id "$assignee" --assignee-principal-type ServicePrincipal \\',
            *(('    --condition-version 2.0 --condition "$condition" \\',) if each.condition else ()),
            f"    {shlex.join(words)}",
        ]
    return "\n".join(lines) + "\n"


def _used(granted: Sequence[Assignment]) -> list[str]:
    return list(dict.fromkeys(each.target for each in granted if each.scope == "container"))


def _symbol(container: str) -> str:
    """Bicep's names have no dashes; those of containers have no underscores, so that two stay two."""
    return f"container_{container.replace('-', '_')}"


def _existing(symbol: str, kind: str, name: str, parent: str = "") -> str:
    version = _VERSIONS.get(kind, _VERSIONS[_STORAGE])
    above = f"  parent: {parent}\n" if parent else ""
    return f"resource {symbol} '{kind}@{version}' existing = {{\n{above}  name: '{name}'\n}}\n"


def _assignment(each: Assignment, principal: str) -> str:
    scope = _symbol(each.target) if each.scope == "container" else each.scope
    condition = f"    conditionVersion: '2.0'\n    condition: '''\n{each.condition}\n'''\n" if each.condition else ""
    return (
        f"// {each.role.name}\n"
        f"resource {each.name} 'Microsoft.Authorization/roleAssignments@2022-04-01' = {{\n"
        f"  name: guid({scope}.id, {principal}.id, '{each.role.identity}')\n"
        f"  scope: {scope}\n"
        "  properties: {\n"
        f"    principalId: {principal}.properties.principalId\n"
        "    principalType: 'ServicePrincipal'\n"
        f"    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', "
        f"'{each.role.identity}')\n"
        f"    description: '{each.reason}'\n"
        f"{condition}"
        "  }\n"
        "}\n"
    )


def _scope_id(cloud: Cloud, each: Assignment) -> str:
    if each.scope == "registry":
        return cloud.resource(_REGISTRY, each.target)
    account = cloud.resource(_STORAGE, cloud.storage_account)
    return f"{account}/blobServices/default/containers/{each.target}" if each.scope == "container" else account
