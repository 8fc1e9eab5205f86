"""The file of every candidate, made from one traced graph. Imports onnx and onnx_ir, and what quantises on demand."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tritext_export.candidates import Candidate
from tritext_export.certificate import Activation
from tritext_export.encoding import Encoded, IntArray, padded
from tritext_export.errors import ExportError, GraphError, TextsError, first_line
from tritext_export.quantisation.steps import EMBEDDINGS, INT8_STEPS
from tritext_export.request import Progress

try:
    import onnx
    import onnx_ir as ir

    from tritext_export.edits.pipeline import CPU_FUSIONS, PACKED, edit, fuse_for_cpu, pack, tidy
except ImportError as missing:
    raise GraphError(f"{missing}: install the exporter with `pip install 'tritext[export]'`") from missing

LEAST_CALIBRATION_TEXTS = 16
MOST_CALIBRATION_TEXTS = 600
# Attention over the 8,192 tokens that some models allow would take gigabytes for every layer.
LONGEST_PROVED = 1024
LARGEST_FILE = 2**31 - 2**20
_BATCH = 16


@dataclass(frozen=True, slots=True)
class Traced:
    """A graph as the exporter traced it, and what its inputs may be.

    Attributes:
        path: The ONNX file.
        pad_token_id: What fills a row up.
        vocabulary: How many token ids there are.
        longest: Longest text in tokens.
    """

    path: Path
    pad_token_id: int
    vocabulary: int
    longest: int


@dataclass(frozen=True, slots=True)
class Variant:
    """A candidate's file.

    Attributes:
        path: The ONNX file that would be published.
        certified: The one to ask on this machine: the same, or for fp16 one that rounds on a CPU as a GPU does.
        edits: Names of what was done to the graph.
        layers: Scheme of each group of dense layers, for int8.
    """

    path: Path
    certified: Path
    edits: tuple[str, ...]
    layers: dict[str, str]


class Variants:
    """All forms of one traced graph."""

    def __init__(
        self,
        traced: Traced,
        calibration: Callable[[], Sequence[Encoded]],
        activation: Activation,
        without: Collection[str],
        progress: Progress,
        cache: Path | None = None,
    ) -> None:
        """Keep what the forms are made from.

        Args:
            traced: The graph; the forms are written beside its file.
            calibration: Gives texts that the certificate does not use; asked for only where int8 is tried.
            activation: What turns logits into probabilities.
            without: Graph edits and steps of int8 to leave out.
            progress: Where to tell how far it is.
            cache: The folder where int8 keeps what its search finds; None keeps nothing.
        """
        self._traced = traced
        self._calibration = calibration
        self._activation: Activation = activation
        self._without = without
        self._progress = progress
        self._cache = cache

    def build(self, candidate: Candidate, agreement: float) -> Variant:
        """Write a candidate's file.

        Args:
            candidate: What to make.
            agreement: For int8, the agreement that its certificate will ask for.

        Raises:
            GraphError: the graph does not allow it.
            TextsError: there are too few calibration texts.
        """
        path = self._traced.path.with_name(f"{candidate.name.replace(', ', '-').replace(' ', '-')}.onnx")
        if candidate.precision == "int8":
            return self._build_int8(candidate.wanted_agreement(agreement), path)
        if candidate.target == "cpu":
            return self._saved(*self._fused, path, {})
        model, edits = self._exact
        if candidate.precision == "fp16":
            return self._build_half(model, edits, path)
        ir.save(model, path)
        return Variant(path, path, edits, {})

    def _build_int8(self, agreement: float, path: Path) -> Variant:
        from tritext_export.quantisation.embeddings import shrink_embeddings

        _, edits = self._fused
        try:
            model, layers = self._quantiser.quantise(agreement)
            if EMBEDDINGS not in self._without and shrink_embeddings(model):
                tidy(model)
                edits = (*edits, EMBEDDINGS)
        except ExportError:
            raise
        except Exception as error:  # ONNX Runtime's and the graph library's errors share no base class
            raise GraphError(f"int8: {first_line(error)}: use --precision fp32") from error
        return self._saved(model, edits, path, layers)

    def _saved(self, model: ir.Model, edits: tuple[str, ...], path: Path, layers: dict[str, str]) -> Variant:
        """Write a graph for CPUs, packed if that is wanted."""
        packed = None if PACKED in self._without else self._packed(model)
        ir.save(packed or model, path)
        return Variant(path, path, (*edits, PACKED) if packed else edits, layers)

    def _packed(self, model: ir.Model) -> ir.Model | None:
        """Drop padding inside; nothing where the model's answers hang on what stands at padded places."""
        packed = model.clone()
        try:
            if not pack(packed):
                return None
            self._prove(packed, model)
        except GraphError as error:
            self._progress.step(f"keeping padding, as without it {error}")
            return None
        return packed

    def _build_half(self, model: ir.Model, edits: tuple[str, ...], path: Path) -> Variant:
        from tritext_export.half import emulate, to_half

        half = to_half(ir.to_proto(model))
        emulated = path.with_name("fp16-emulated.onnx")
        onnx.save(half, path)
        onnx.save(emulate(half), emulated)
        return Variant(path, emulated, (*edits, "fp16"), {})

    @cached_property
    def _exact(self) -> tuple[ir.Model, tuple[str, ...]]:
        self._progress.step("editing the graph")
        model = ir.from_proto(onnx.load(self._traced.path))
        edits = edit(model, self._without)
        if edits:
            self._prove(model)
        return model, edits

    def _prove(self, model: ir.Model, before: ir.Model | None = None) -> None:
        """Hold an edited graph against the one before, or the traced one, up to the longest text."""
        from tritext_export.edits.proof import require_same

        longest = min(self._traced.longest, LONGEST_PROVED)
        before = before or ir.from_proto(onnx.load(self._traced.path))
        require_same(before, model, self._traced.vocabulary, longest)

    @cached_property
    def _fused(self) -> tuple[ir.Model, tuple[str, ...]]:
        model, edits = self._exact
        if CPU_FUSIONS in self._without:
            return model, edits
        fused = fuse_for_cpu(model)
        self._prove(fused)
        return fused, (*edits, CPU_FUSIONS)

    @cached_property
    def _quantiser(self) -> Any:
        from tritext_export.quantisation.quantiser import Quantiser
        from tritext_export.quantisation.shelf import Shelf, digest

        texts = sorted(self._calibration(), key=len)
        if len(texts) < LEAST_CALIBRATION_TEXTS:
            raise TextsError(
                f"int8 needs at least {LEAST_CALIBRATION_TEXTS} texts to calibrate on, apart from those that the "
                f"certificate uses, and there are {len(texts)}: give more --texts, or use --precision fp32"
            )
        texts = texts[:: -(-len(texts) // MOST_CALIBRATION_TEXTS)]
        groups = [texts[i : i + _BATCH] for i in range(0, len(texts), _BATCH)]
        batches = [padded(group, self._traced.pad_token_id) for group in groups]
        model, _ = self._fused
        left_out = sorted(set(self._without) & set(INT8_STEPS) - {EMBEDDINGS})
        said = (self._activation, *left_out)
        shelf = Shelf(self._cache, digest([_content(model), *map(_bytes, batches), *(word.encode() for word in said)]))
        return Quantiser(model, batches, self._activation, self._progress, left_out, shelf)


def _content(model: ir.Model) -> bytes:
    content: bytes = ir.to_proto(model).SerializeToString(deterministic=True)
    return content


def _bytes(batch: Mapping[str, IntArray]) -> bytes:
    return b"".join(f"{name} {array.shape}".encode() + array.tobytes() for name, array in sorted(batch.items()))


def require_one_file(traced: Path) -> None:
    """Refuse a graph that does not fit one ONNX file, which holds 2 GiB.

    Raises:
        GraphError: naming its size.
    """
    size = sum(p.stat().st_size for p in traced.parent.glob(f"{traced.name}*"))
    if size > LARGEST_FILE:
        raise GraphError(
            f"the fp32 graph has {size / 1e9:.1f} GB, one ONNX file holds 2 GiB, and larger ones are not exported yet: "
            "take a smaller model of the family"
        )
