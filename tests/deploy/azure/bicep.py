"""Bicep, worked out here: a file and its parameters in, the resources that Azure would be asked for out.

There is no Bicep compiler to be had offline. This one knows the part of the language that ``deploy/azure`` uses, on the
grammar of tree-sitter-bicep, and refuses the rest by line. What Azure alone can know (a principal's id, a tenant) stays
a word in angle brackets.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tree_sitter import Node

from tests.deploy.azure.syntax import BicepError, has_default, named, parse, text_of

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
GROUP = "films"
_GROUP_ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
_IN_TRIPLE = "'''"


@dataclass(frozen=True)
class Resource:
    """One resource.

    Attributes:
        kind: Its type, without version.
        version: The version of Azure's interface.
        name: Its whole name, with those of its parents.
        identity: Its id.
        body: The rest, as it would be sent.
        existing: Whether it is only named.
        symbol: What its file calls it.
    """

    kind: str
    version: str
    name: str
    identity: str
    body: Mapping[str, Any]
    existing: bool
    symbol: str

    def arm(self) -> dict[str, Any]:
        """Write it as an ARM template has it."""
        body = {name: value for name, value in self.body.items() if name not in ("name", "parent", "scope")}
        scope = {"scope": self.body["scope"].identity} if "scope" in self.body else {}
        return {"type": self.kind, "apiVersion": self.version, "name": self.name, **scope, **body}


@dataclass
class Built:
    """What one file comes to."""

    resources: list[Resource] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

    def of(self, kind: str) -> list[Resource]:
        """The resources of one type that are made."""
        return [each for each in self.resources if each.kind == kind and not each.existing]


def build(path: Path, parameters: Mapping[str, Any] | None = None) -> Built:
    """Work out a file with its modules.

    Raises:
        BicepError: it is not Bicep, or a parameter is missing, unknown or not allowed.
    """
    return _File(path, dict(parameters or {})).build()


def arm(built: Built) -> dict[str, Any]:
    """Write an ARM template of what is made."""
    return {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": [each.arm() for each in built.resources if not each.existing],
    }


def declared(path: Path) -> dict[str, bool]:
    """The parameters of a file, and whether each must be given."""
    nodes = [node for node in parse(path).named_children if node.type == "parameter_declaration"]
    return {text_of(named(node)[0]): not has_default(node) for node in nodes}


def _identity(kind: str, name: str) -> str:
    provider, *types = kind.split("/")
    parts = zip(types, name.split("/"), strict=True)
    return f"{_GROUP_ID}/providers/{provider}/" + "/".join(f"{one}/{other}" for one, other in parts)


class _File:
    """One file being worked out; what it declares is worked out when it is asked for."""

    def __init__(self, path: Path, parameters: dict[str, Any]) -> None:
        self._path, self._given = path, parameters
        self._declared: dict[str, Node] = {}
        self._allowed: dict[str, list[Any]] = {}
        self._known: dict[str, Any] = {}
        self._built = Built()

    def build(self) -> Built:
        """Work out all that is declared."""
        decorators: list[Node] = []
        outputs: list[Node] = []
        for node in named(parse(self._path)):
            if node.type == "decorators":
                decorators = named(node)
            elif node.type == "output_declaration":
                outputs.append(node)
            elif node.type != "target_scope_assignment":
                name = text_of(named(node)[0])
                self._declared[name] = node
                self._note_allowed(name, decorators)
                decorators = []
        if unknown := set(self._given) - {n for n, d in self._declared.items() if d.type == "parameter_declaration"}:
            raise BicepError(f"{self._path}: has no parameter {', '.join(sorted(unknown))}")
        for name in self._declared:
            self._look_up(name)
        for node in outputs:
            self._built.outputs[text_of(named(node)[0])] = self._value(named(node)[-1], {})
        return self._built

    def _note_allowed(self, name: str, decorators: list[Node]) -> None:
        for decorator in decorators:
            call = named(decorator)[0]
            if text_of(named(call)[0]) == "allowed":
                self._allowed[name] = self._value(named(named(call)[1])[0], {})

    def _look_up(self, name: str) -> Any:
        if name not in self._known:
            if name not in self._declared:
                raise BicepError(f"{self._path}: {name} is not declared")
            node = self._declared[name]
            self._known[name] = getattr(self, f"_{node.type}")(name, node)
        return self._known[name]

    def _parameter_declaration(self, name: str, node: Node) -> Any:
        if name not in self._given and not has_default(node):
            raise BicepError(f"{self._path}: parameter {name} is missing")
        value = self._given[name] if name in self._given else self._value(named(node)[-1], {})
        kind = text_of(named(node)[1])
        wanted = {"string": str, "array": list, "object": dict, "bool": bool, "int": int}.get(kind)
        if wanted is None or not isinstance(value, wanted):
            raise BicepError(f"{self._path}: parameter {name} is no {kind}: {value!r}")
        if name in self._allowed and value not in self._allowed[name]:
            raise BicepError(f"{self._path}: parameter {name} must be one of {self._allowed[name]}: {value!r}")
        return value

    def _variable_declaration(self, _: str, node: Node) -> Any:
        return self._value(named(node)[-1], {})

    def _resource_declaration(self, symbol: str, node: Node) -> Any:
        kind, _, version = self._value(named(node)[1], {}).partition("@")
        existing = any(child.type == "existing" for child in node.children)
        made = []
        for body in self._bodies(named(node)[-1]):
            parent = body.get("parent")
            name = f"{parent.name}/{body['name']}" if parent else body["name"]
            made.append(Resource(kind, version, name, _identity(kind, name), body, existing, symbol))
        self._built.resources.extend(made)
        return made[0] if len(made) == 1 and named(node)[-1].type != "for_statement" else made or None

    def _module_declaration(self, _: str, node: Node) -> Any:
        path = self._path.parent / self._value(named(node)[1], {})
        for body in self._bodies(named(node)[-1]):
            built = _File(path, body.get("params", {})).build()
            self._built.resources.extend(built.resources)
            return built
        return None

    def _bodies(self, node: Node) -> Iterator[dict[str, Any]]:
        """One table, or one for each of a list, or none where a condition says so."""
        if node.type == "if_statement":
            condition, body = named(node)
            if self._value(condition, {}) is True:
                yield self._value(body, {})
        elif node.type == "for_statement":
            yield from self._value(node, {})
        else:
            yield self._value(node, {})

    def _value(self, node: Node, local: Mapping[str, Any]) -> Any:
        known: Callable[[Node, Mapping[str, Any]], Any] | None = getattr(self, f"_of_{node.type}", None)
        if known is None:
            raise BicepError(f"{self._path}:{node.start_point[0] + 1}: {node.type} is not known here")
        return known(node, local)

    def _of_string(self, node: Node, local: Mapping[str, Any]) -> str:
        if text_of(node).startswith(_IN_TRIPLE):
            return text_of(node)[3:-3].removeprefix("\n")
        parts = []
        for child in named(node):
            plain = child.type != "interpolation"
            parts.append(text_of(child) if plain else str(self._value(named(child)[0], local)))
        return "".join(parts)

    def _of_number(self, node: Node, _: Mapping[str, Any]) -> int:
        return int(text_of(node))

    def _of_boolean(self, node: Node, _: Mapping[str, Any]) -> bool:
        return text_of(node) == "true"

    def _of_null(self, *_: object) -> None:
        return None

    def _of_identifier(self, node: Node, local: Mapping[str, Any]) -> Any:
        return local[text_of(node)] if text_of(node) in local else self._look_up(text_of(node))

    def _of_array(self, node: Node, local: Mapping[str, Any]) -> list[Any]:
        return [self._value(child, local) for child in named(node)]

    def _of_object(self, node: Node, local: Mapping[str, Any]) -> dict[str, Any]:
        pairs = [named(child) for child in named(node)]
        return {self._key(key, local): self._value(value, local) for key, value in pairs}

    def _key(self, node: Node, local: Mapping[str, Any]) -> str:
        return text_of(node) if node.type == "identifier" else str(self._value(node, local))

    def _of_parenthesized_expression(self, node: Node, local: Mapping[str, Any]) -> Any:
        return self._value(named(node)[0], local)

    def _of_ternary_expression(self, node: Node, local: Mapping[str, Any]) -> Any:
        condition, one, other = named(node)
        return self._value(one if self._value(condition, local) else other, local)

    def _of_unary_expression(self, node: Node, local: Mapping[str, Any]) -> bool:
        if not text_of(node).startswith("!"):
            raise BicepError(f"{self._path}:{node.start_point[0] + 1}: {text_of(node)} is not known here")
        return not self._value(named(node)[0], local)

    def _of_binary_expression(self, node: Node, local: Mapping[str, Any]) -> bool:
        left, right = (self._value(child, local) for child in named(node))
        table = {"==": left == right, "!=": left != right, "&&": left and right, "||": left or right}
        return bool(table[next(child.type for child in node.children if child.type in table)])

    def _of_member_expression(self, node: Node, local: Mapping[str, Any]) -> Any:
        if named(node)[0].type.startswith(("ternary", "binary", "unary")):  # the grammar binds the dot too late
            raise BicepError(f"{self._path}:{node.start_point[0] + 1}: put what has a dot into parentheses")
        target, name = self._value(named(node)[0], local), text_of(named(node)[1])
        if isinstance(target, Built):
            return target if name == "outputs" else target.outputs[name]
        if isinstance(target, Resource):
            found = {"id": target.identity, "name": target.name}.get(name)
            return found or target.body.get(name, {"principalId": f"<principal of {target.name}>"})
        return target[name]

    def _of_for_statement(self, node: Node, local: Mapping[str, Any]) -> list[Any]:
        head, source, body = named(node)
        names = [text_of(child) for child in named(head)] if head.type != "identifier" else [text_of(head)]
        values = enumerate(self._value(source, local))
        return [self._value(body, {**local, **dict(zip(names, (v, n), strict=False))}) for n, v in values]

    def _of_call_expression(self, node: Node, local: Mapping[str, Any]) -> Any:
        function, arguments = named(node)
        values = [self._value(child, local) for child in named(arguments)]
        if text_of(function) not in _FUNCTIONS:
            raise BicepError(f"{self._path}:{node.start_point[0] + 1}: {text_of(function)} is not known here")
        return _FUNCTIONS[text_of(function)](*values)


def _concat(*lists: list[Any]) -> list[Any]:
    return [each for one in lists for each in one]


def _guid(*words: str) -> str:
    found = hashlib.sha256("|".join(words).encode()).hexdigest()
    return "-".join((found[:8], found[8:12], found[12:16], found[16:20], found[20:32]))


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "concat": _concat,
    "empty": lambda value: not value,
    "environment": lambda: {"suffixes": {"storage": "core.windows.net"}},
    "guid": _guid,
    "resourceGroup": lambda: {"id": _GROUP_ID},
    "resourceId": lambda kind, *names: _identity(kind, "/".join(names)),
    "subscription": lambda: {"tenantId": "<tenant>"},
    "subscriptionResourceId": lambda kind, name: f"/subscriptions/{SUBSCRIPTION}/providers/{kind}/{name}",
}
