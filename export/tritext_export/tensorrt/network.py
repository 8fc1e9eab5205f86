"""Parse and build, as both of NVIDIA's libraries do it: their Python modules have the same names for the same things.

The module is handed in, so that what runs in the Triton image is what is tested with TensorRT for RTX on a CPU.
"""

from collections.abc import Callable, Sequence
from typing import Any

from tritext_export.errors import EngineError
from tritext_export.tensorrt.profiles import Profile

# What protobuf can carry, and so the most that the parser takes as bytes.
_MOST_BYTES = 2**31 - 1
_KEPT_MESSAGES = 20

# A process has one logger: the libraries keep the first that they are given, and warn of any other.
_logs: dict[str, Any] = {}


def build_engine(
    library: Any,
    onnx: bytes,
    profiles: Sequence[Profile],
    name: str,
    configure: Callable[[Any], None],
) -> bytes:
    """Build an engine.

    Args:
        library: The imported ``tensorrt`` or ``tensorrt_rtx`` module.
        onnx: The serialised model.
        profiles: Shapes that the engine must take.
        name: What the engine calls itself.
        configure: Sets what only one of the libraries knows, given the builder's configuration.

    Returns:
        The serialised engine.

    Raises:
        EngineError: the parser or the builder refuses; the message names the node.
    """
    if len(onnx) > _MOST_BYTES:
        raise EngineError(f"the graph has {len(onnx):,} bytes, and the parser takes {_MOST_BYTES:,}: try fp16")
    log = log_of(library)
    log.messages.clear()
    builder = library.Builder(log)
    # TensorRT 10 computes in the graph's own types only with this flag; 11 and RTX always do, and accept it.
    network = builder.create_network(1 << int(library.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    network.name = name[:128]
    parse(library, network, log, onnx)
    config = make_config(library, builder)
    configure(config)
    for profile in profiles:
        add_profile(builder, network, config, profile)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise EngineError(f"TensorRT does not build the graph: {last_message(log)}")
    return bytes(engine)


def make_config(library: Any, builder: Any) -> Any:
    """Configure what both libraries know."""
    config = builder.create_builder_config()
    # Both cut fp32's mantissa to TF32's ten bits unless told; what fp32 means here is what was certified.
    config.clear_flag(library.BuilderFlag.TF32)
    return config


def parse(library: Any, network: Any, log: Any, onnx: bytes) -> None:
    """Fill a network from ONNX.

    Raises:
        EngineError: naming the first node that the parser refuses.
    """
    parser = library.OnnxParser(network, log)
    if parser.parse(onnx):
        return
    if parser.num_errors == 0:
        raise EngineError(f"TensorRT does not read the graph: {last_message(log)}")
    error = parser.get_error(0)
    what = " ".join(error.desc().split())
    # What is wrong with the file as a whole is wrong at no node.
    where = f"the node {error.node_name()!r} ({error.node_operator()})" if error.node_operator() else "the graph"
    raise EngineError(f"TensorRT's parser refuses {where}: {what}")


def add_profile(builder: Any, network: Any, config: Any, profile: Profile) -> Any:
    """Set a profile for every input.

    Returns:
        The library's own profile.

    Raises:
        EngineError: the library does not take it.
    """
    made = builder.create_optimization_profile()
    for place in range(network.num_inputs):
        made.set_shape(network.get_input(place).name, profile.smallest, profile.typical, profile.largest)
    if config.add_optimization_profile(made) < 0:
        raise EngineError(f"TensorRT does not take {profile}")
    return made


def log_of(library: Any) -> Any:
    """Give the one logger that this process hands to a library; its ``messages`` are the last errors."""
    if library.__name__ not in _logs:
        _logs[library.__name__] = _make_log(library)
    return _logs[library.__name__]


def last_message(log: Any) -> str:
    """Say what a library complained of last, in one line."""
    return " ".join(log.messages[-1].split()) if log.messages else "it does not say why"


def _make_log(library: Any) -> Any:
    class Log(library.ILogger):  # type: ignore[misc]  # known only when it runs
        """Keeps the last errors; the rest is the library talking to itself."""

        def __init__(self) -> None:
            library.ILogger.__init__(self)
            self.messages: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            """Called by the library."""
            if int(severity) <= int(library.ILogger.Severity.ERROR):
                self.messages = [*self.messages, message][-_KEPT_MESSAGES:]

    return Log()
