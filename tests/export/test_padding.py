"""What stands in padded positions, and how many there are, never changes a result: by chance over every family."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.families import FAMILIES, make_family
from tritext_export import checkpoint
from tritext_export.edits.pipeline import edit, fuse_for_cpu, pack
from tritext_export.graph import export_onnx
from tritext_export.sources import resolve

LONGEST = 512
MODELS = [*((name,) for name in FAMILIES), ("bert", "30522"), ("roberta", "50265"), ("deberta-v3", "128100")]
TOLERANCE = 1e-5
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Exported:
    """A family's ONNX model, and how many words it knows."""

    session: ort.InferenceSession
    vocabulary: int

    def probabilities(self, ids: IntArray, mask: IntArray) -> FloatArray:
        """Run it: FP32 [texts, labels]."""
        arrays = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        logits = self.session.run(["logits"], {node.name: arrays[node.name] for node in self.session.get_inputs()})[0]
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        found: FloatArray = exponentials / exponentials.sum(axis=1, keepdims=True)
        return found


@pytest.fixture(scope="module", params=MODELS, ids="-".join)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Each family, with as many positions as real models have, and some with as large a vocabulary."""
    directory: Path = tmp_path_factory.mktemp("padding")
    name, *vocabulary = request.param
    larger = {"vocab_size": int(vocabulary[0])} if vocabulary else {}
    make_family(name, directory, labels=("a", "b", "c"), max_length=LONGEST, **larger)
    loaded = checkpoint.load(resolve(str(directory)))
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    # As the published configuration asks, of the graph that is published: edited, fused and packed.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    model = ir.from_proto(onnx.load(export_onnx(loaded, directory, opset=17)))
    assert "first-token" in edit(model)
    fused = fuse_for_cpu(model)
    assert pack(fused)
    data = ir.to_proto(fused).SerializeToString()
    return Exported(ort.InferenceSession(data, options), loaded.model.config.vocab_size)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    lengths=st.lists(st.integers(1, LONGEST), min_size=1, max_size=4),
    spare=st.integers(0, 64),
    seed=st.integers(0, 2**32 - 1),
)
def test_padding_changes_nothing(exported: Exported, lengths: list[int], spare: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    width = min(max(lengths) + spare, LONGEST)
    ids = chance.integers(0, exported.vocabulary, (len(lengths), width))
    mask = (np.arange(width) < np.array(lengths)[:, None]).astype(np.int64)
    together = exported.probabilities(ids, mask)
    others = exported.probabilities(np.where(mask == 1, ids, chance.integers(0, exported.vocabulary, ids.shape)), mask)
    np.testing.assert_allclose(others, together, rtol=0, atol=TOLERANCE)
    for row, length in enumerate(lengths):
        alone = exported.probabilities(ids[row : row + 1, :length], mask[row : row + 1, :length])
        np.testing.assert_allclose(together[row], alone[0], rtol=0, atol=TOLERANCE)


def test_a_token_that_is_no_padding_does_change_it(exported: Exported) -> None:
    """So that the test above has something to find."""
    ids = np.random.default_rng(0).integers(0, exported.vocabulary, (1, 24))
    changed = ids.copy()
    changed[0, 12:] = (changed[0, 12:] + 1) % exported.vocabulary
    mask = np.ones_like(ids)
    difference = np.abs(exported.probabilities(ids, mask) - exported.probabilities(changed, mask)).max()
    assert difference > 100 * TOLERANCE
