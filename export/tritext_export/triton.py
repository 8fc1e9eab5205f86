"""``config.pbtxt`` of front and classifier: a model's facts in, text out, through Triton's own protobuf. Pure.

The same two files are read by the Triton image, whose onnxruntime backend is C++, and by the embedded server; both run
with auto-complete off, so everything is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

from tritext_export import warmup
from tritext_export.errors import RepositoryError

LABELS_FILE = "labels.txt"
LOGITS = "logits"
RESERVED_OUTPUTS = ("text", "score", "scores", "label_id", "tokens", "truncated")
# The front's own default (tritext_serve.front.options): what one call to the classifier carries on a CPU.
CPU_BATCH_TOKENS = 384
CLASSIFIER_SUFFIX = "_classifier"


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the configuration says of one exported classifier.

    Attributes:
        name: The front's name; the classifier's is ``{name}_classifier``.
        inputs: The ONNX model's inputs, each INT64 [texts, tokens].
        label_count: Logits a text.
        label_output: Name of the front's output that carries the label as a string.
        max_batch_size: Most texts in a request.
        pairs: Whether each request gives two texts at a time, ``text`` and ``text_pair``.
        max_length: Longest input in tokens.
        max_queue: Requests that may wait; one more is refused.
        max_queue_delay_microseconds: How long a batch waits for company; 0 joins what has queued up meanwhile.
    """

    name: str
    inputs: tuple[str, ...]
    label_count: int
    label_output: str = "label"
    max_batch_size: int = 64
    pairs: bool = False
    max_length: int = 512
    max_queue: int = 1024
    max_queue_delay_microseconds: int = 0

    @property
    def classifier(self) -> str:
        """The classifier model's name."""
        return classifier_name(self.name)


def classifier_name(name: str) -> str:
    """Name the classifier behind a front."""
    return f"{name}{CLASSIFIER_SUFFIX}"


def front_config(facts: ModelFacts, versions: Sequence[int]) -> pb.ModelConfig:
    """Describe the model that takes texts."""
    config = _model(facts.name, "tritext", facts.max_batch_size, versions)
    for name in ("text", "text_pair") if facts.pairs else ("text",):
        _add(config.input, name, pb.TYPE_STRING, 1)
    outputs = (
        ("text", pb.TYPE_STRING, 1),
        (facts.label_output, pb.TYPE_STRING, 1),
        ("score", pb.TYPE_FP32, 1),
        ("scores", pb.TYPE_FP32, facts.label_count),
        ("label_id", pb.TYPE_INT32, 1),
        ("tokens", pb.TYPE_INT32, 1),
        ("truncated", pb.TYPE_BOOL, 1),
    )
    for name, data_type, size in outputs:
        _add(config.output, name, data_type, size)
    # Lets a client read the label names by Triton's classification extension.
    config.output[3].label_filename = LABELS_FILE
    batching = config.dynamic_batching
    batching.max_queue_delay_microseconds = facts.max_queue_delay_microseconds
    config.instance_group.add(kind=pb.ModelInstanceGroup.KIND_CPU, count=1)
    config.parameters["classifier"].string_value = facts.classifier
    # The front bounds its own queue and minds its own deadlines. A queue policy of Triton's would turn its prefetching
    # off, without which requests lie for up to half a second (docs/performance.md).
    config.parameters["max_queue"].string_value = str(facts.max_queue)
    return config


def classifier_config(facts: ModelFacts, versions: Sequence[int]) -> pb.ModelConfig:
    """Describe the model that takes token ids.

    It has no dynamic batching: the front sends whole sub-batches, and token ids of different lengths never join.
    """
    config = _model(facts.classifier, "onnxruntime", facts.max_batch_size, versions)
    for name in facts.inputs:
        _add(config.input, name, pb.TYPE_INT64, -1)
    _add(config.output, LOGITS, pb.TYPE_FP32, facts.label_count)
    config.output[0].label_filename = LABELS_FILE
    config.instance_group.add(kind=pb.ModelInstanceGroup.KIND_AUTO, count=1)
    # The fusions that pay are in the file; those that ONNX Runtime would add when it loads are slower on a CPU.
    config.optimization.graph.level = -1
    # ONNX Runtime would plan and remember the memory of every shape, and every sub-batch may have another: 17 MB of 220
    # a process for nothing (docs/performance.md).
    config.parameters["enable_mem_pattern"].string_value = "0"
    for shape in warmup.few_shapes(facts.max_length, facts.max_batch_size, CPU_BATCH_TOKENS):
        config.model_warmup.append(warmup.request(shape, facts.inputs))
    return config


def to_text(config: pb.ModelConfig) -> str:
    """Write a configuration as ``config.pbtxt``."""
    return str(text_format.MessageToString(config))


def from_text(text: str) -> pb.ModelConfig:
    """Read a ``config.pbtxt``.

    Raises:
        RepositoryError: it does not parse.
    """
    try:
        return text_format.Parse(text, pb.ModelConfig())
    except text_format.ParseError as error:
        raise RepositoryError(f"config.pbtxt: {error}") from error


def same_contract(old: pb.ModelConfig, new: pb.ModelConfig) -> bool:
    """Tell whether a client of ``old`` can talk to ``new``: same inputs and outputs."""
    return list(old.input) == list(new.input) and list(old.output) == list(new.output)


def _model(name: str, backend: str, max_batch_size: int, versions: Sequence[int]) -> pb.ModelConfig:
    config = pb.ModelConfig(name=name, backend=backend, max_batch_size=max_batch_size)
    config.version_policy.specific.versions.extend(versions)
    return config


def _add(tensors: object, name: str, data_type: int, size: int) -> None:
    tensors.add(name=name, data_type=data_type, dims=[size])  # type: ignore[attr-defined]  # protobuf's container
