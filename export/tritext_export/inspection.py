"""May an ONNX file be loaded? A path in; its inputs out, or a refusal that names what is wrong. Imports onnx alone.

A graph is data, but it can point at other data and at other people's code. Refused are

* weights outside the version's own folder (external data at an absolute path, behind ``..`` or a link, or not there),
* operators that ONNX Runtime does not bring itself: they would need a library of custom operators,
* operators that hold compiled code or call Python,
* a file that is broken, cut off, or no ONNX at all.
"""

from collections.abc import Iterator
from pathlib import Path

from tritext_export.errors import RepositoryError, first_line

try:
    import onnx
    from google.protobuf.message import DecodeError
except ImportError as missing:
    raise RepositoryError(f"{missing}: install the exporter with `pip install 'tritext[export]'`") from missing

# What the onnxruntime wheels register on their own (its docs/ContribOperators.md and include/onnxruntime/core/graph).
DOMAINS = frozenset(
    {
        "",
        "ai.onnx",
        "ai.onnx.ml",
        "ai.onnx.preview",
        "ai.onnx.preview.training",
        "ai.onnx.training",
        "com.microsoft",
        "com.microsoft.experimental",
        "com.microsoft.nchwc",
        "com.ms.internal.nhwc",
    }
)
# In com.microsoft: an engine compiled elsewhere, named by a path or embedded, and calls into Python or torch.
CODE_OPERATORS = frozenset({"EPContext", "PythonOp", "PythonOpGrad", "ATen"})
DATA_FILE = "model.onnx_data"


def inspect(path: Path) -> tuple[str, ...]:
    """Check an ONNX file without running it.

    Args:
        path: The file, in the folder that its external data may lie in.

    Returns:
        The names of its inputs.

    Raises:
        RepositoryError: naming the file, the operator, the weight or the place that is refused.
    """
    model = _read(path)
    for node in _nodes(model):
        _check_operator(path, model, node)
    for tensor in _tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            _check_external(path, tensor)
    try:
        onnx.checker.check_model(str(path))
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        raise RepositoryError(f"{path}: the graph is not valid: {first_line(error)}") from error
    return tuple(value.name for value in model.graph.input)


def _read(path: Path) -> onnx.ModelProto:
    try:
        model = onnx.load(str(path), load_external_data=False)
    except OSError as error:
        raise RepositoryError(f"{path}: {error.strerror or error}: export the model again") from error
    except DecodeError as error:
        raise RepositoryError(f"{path}: not an ONNX file, or cut off: export the model again") from error
    if not model.graph.node:
        raise RepositoryError(f"{path}: holds no graph: export the model again")
    return model


def _check_operator(path: Path, model: onnx.ModelProto, node: onnx.NodeProto) -> None:
    name = f"{node.domain or 'ai.onnx'}.{node.op_type}"
    if node.op_type in CODE_OPERATORS and node.domain not in ("", "ai.onnx"):
        raise RepositoryError(f"{path}: node {node.name!r}: {name} holds or calls compiled code, which is refused")
    own = any((function.domain, function.name) == (node.domain, node.op_type) for function in model.functions)
    if node.domain not in DOMAINS and not own:
        raise RepositoryError(
            f"{path}: node {node.name!r}: {name} needs a library of custom operators, and a repository holds no code: "
            "export without it"
        )


def _check_external(path: Path, tensor: onnx.TensorProto) -> None:
    """Weights may lie in one file beside the model, and nowhere else."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    data = path.parent / DATA_FILE
    if location != DATA_FILE:
        raise RepositoryError(
            f"{path}: the weight {tensor.name!r} lies in {location!r}: only {DATA_FILE} beside the model may hold any"
        )
    if data.is_symlink() or not data.is_file():
        raise RepositoryError(f"{path}: the weight {tensor.name!r} lies in {DATA_FILE}, which is missing or a link")
    try:
        offset, length = (int(entries.get(key, 0)) for key in ("offset", "length"))
    except ValueError as error:
        raise RepositoryError(f"{path}: the weight {tensor.name!r} has an offset that is no number") from error
    if offset < 0 or length < 0:
        raise RepositoryError(f"{path}: the weight {tensor.name!r} has a negative offset or length: export it again")
    if offset + length > data.stat().st_size:
        raise RepositoryError(f"{path}: the weight {tensor.name!r} lies beyond the end of {DATA_FILE}: it is cut off")


def _nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Go through every node: of the graph, of graphs inside nodes, of functions."""
    for graph in _graphs(model):
        yield from graph.node
    for function in model.functions:
        yield from function.node


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Go through every constant, whichever way it is kept."""
    for graph in _graphs(model):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
    for node in _nodes(model):
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)


def _graphs(model: onnx.ModelProto) -> Iterator[onnx.GraphProto]:
    waiting = [model.graph]
    waiting += [g for info in model.training_info for g in (info.initialization, info.algorithm)]
    waiting += [g for function in model.functions for node in function.node for g in _inner(node)]
    while waiting:
        graph = waiting.pop()
        yield graph
        waiting += [inner for node in graph.node for inner in _inner(node)]


def _inner(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs
