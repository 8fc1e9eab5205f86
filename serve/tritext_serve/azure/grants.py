"""Role assignments in, Bicep and ``az`` commands out, with the roles that are made for them. Pure.

Both say the same. They stand apart from the rest of the infrastructure, since making and giving roles takes a right of
its own (Owner, or User Access Administrator), which whoever lays networks need not have.
"""

import json
import shlex
from collections.abc import Sequence

from tritext_serve.azure.cloud import Cloud
from tritext_serve.azure.roles import Assignment, Role

_RENDERED = "Rendered by `tritext endpoint render --target azure`: change cloud.yml and render again."
_STORAGE, _REGISTRY = "Microsoft.Storage/storageAccounts", "Microsoft.ContainerRegistry/registries"
_IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities"
_HEAD = """\
#!/usr/bin/env bash
# Who may do what. {rendered}
# Whatever is there already is compared, and made anew only where it differs.
set -euo pipefail
shopt -s inherit_errexit
group={group}

# Make one of our own roles, or bring it to what stands here, and print its id.
define() {{ # NAME DEFINITION
    local verb=create there
    there="$(az role definition list --custom-role-only true --scope "$group" --name "$1" \\
        --query '[].name' --output tsv)"
    [ -z "$there" ] || verb=update
    az role definition "$verb" --role-definition "$2" --query name --output tsv
}}

# Azure leaves an assignment that is there as it is, whatever condition is asked for: one with another condition goes.
give() {{ # IDENTITY ROLE SCOPE DESCRIPTION CONDITION
    local assignee mine there condition narrowed=()
    assignee="$(az identity show --ids "$1" --query principalId --output tsv)"
    mine="[?principalId=='$assignee' && ends_with(roleDefinitionId, '$2') && scope=='$3']"
    there="$(az role assignment list --scope "$3" --query "$mine.id" --output tsv)"
    if [ -n "$there" ]; then
        condition="$(az role assignment list --scope "$3" --query "$mine.condition | [0]" --output tsv)"
        [ "$condition" != "$5" ] || return 0
        az role assignment delete --ids "$there"
    fi
    [ -z "$5" ] || narrowed=(--condition-version 2.0 --condition "$5")
    az role assignment create --assignee-object-id "$assignee" --assignee-principal-type ServicePrincipal \\
        --role "$2" --scope "$3" --description "$4" "${{narrowed[@]}}"
}}
"""
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
        *(_definition(role) for role in _made(granted)),
        *(_assignment(each, known[each.principal]) for each in granted),
    ]
    return "\n".join(parts)


def commands(cloud: Cloud, granted: Sequence[Assignment]) -> str:
    """Write ``roles.sh``: the same by ``az``, for whoever uses no Bicep; to be run again after a change."""
    group = f"/subscriptions/{cloud.subscription}/resourceGroups/{cloud.resource_group}"
    parts = [_HEAD.format(rendered=_RENDERED, group=shlex.quote(group))]
    for role in _made(granted):
        definition = shlex.quote(json.dumps(_described(role, group), indent=1))
        parts.append(f'{role.symbol}="$(define {shlex.quote(role.name)} {definition})"\n')
    for each in granted:
        identity = cloud.resource(_IDENTITY, each.principal)
        condition = f"\"$(cat <<'END'\n{each.condition}\nEND\n)\"" if each.condition else "''"
        which = f'"${each.role.symbol}"' if each.role.symbol else each.role.identity
        parts.append(
            f"# {each.role.name}\n"
            f"condition={condition}\n"
            f"give {shlex.quote(identity)} {which} \\\n"
            f'    {_scope_id(cloud, each)} {shlex.quote(each.reason)} "$condition"\n'
        )
    return "\n".join(parts)


def _made(granted: Sequence[Assignment]) -> list[Role]:
    return list(dict.fromkeys(each.role for each in granted if each.role.symbol))


def _described(role: Role, group: str) -> dict[str, object]:
    """Describe a role as ``az role definition`` takes it."""
    return {
        "Name": role.name,
        "IsCustom": True,
        "Description": role.description,
        "Actions": list(role.actions),
        "NotActions": [],
        "DataActions": list(role.data_actions),
        "NotDataActions": [],
        "AssignableScopes": [group],
    }


def _used(granted: Sequence[Assignment]) -> list[str]:
    return list(dict.fromkeys(each.target for each in granted if each.scope == "container"))


def _symbol(container: str) -> str:
    """Bicep's names have no dashes; those of containers have no underscores, so that two stay two."""
    return f"container_{container.replace('-', '_')}"


def _existing(symbol: str, kind: str, name: str, parent: str = "") -> str:
    version = _VERSIONS.get(kind, _VERSIONS[_STORAGE])
    above = f"  parent: {parent}\n" if parent else ""
    return f"resource {symbol} '{kind}@{version}' existing = {{\n{above}  name: '{name}'\n}}\n"


def _definition(role: Role) -> str:
    """Write a role of our own; it can be given in this group alone."""
    written = {
        name: "".join(f"\n          '{action}'" for action in actions) + ("\n        " if actions else "")
        for name, actions in (("actions", role.actions), ("dataActions", role.data_actions))
    }
    return (
        f"resource {role.symbol} 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {{\n"
        f"  name: guid(resourceGroup().id, '{role.name}')\n"
        "  properties: {\n"
        f"    roleName: '{role.name}'\n"
        f"    description: '{role.description}'\n"
        "    type: 'customRole'\n"
        "    permissions: [\n"
        "      {\n"
        f"        actions: [{written['actions']}]\n"
        "        notActions: []\n"
        f"        dataActions: [{written['dataActions']}]\n"
        "        notDataActions: []\n"
        "      }\n"
        "    ]\n"
        "    assignableScopes: [(resourceGroup().id)]\n"
        "  }\n"
        "}\n"
    )


def _assignment(each: Assignment, principal: str) -> str:
    scope = _symbol(each.target) if each.scope == "container" else each.scope
    role = f"{each.role.symbol}.name" if each.role.symbol else f"'{each.role.identity}'"
    condition = f"    conditionVersion: '2.0'\n    condition: '''\n{each.condition}\n'''\n" if each.condition else ""
    return (
        f"// {each.role.name}\n"
        f"resource {each.name} 'Microsoft.Authorization/roleAssignments@2022-04-01' = {{\n"
        f"  name: guid({scope}.id, {principal}.id, {role})\n"
        f"  scope: {scope}\n"
        "  properties: {\n"
        f"    principalId: {principal}.properties.principalId\n"
        "    principalType: 'ServicePrincipal'\n"
        f"    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', {role})\n"
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
