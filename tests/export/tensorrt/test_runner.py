"""Running engines, on a device of our own: shapes, profiles, widths, memory, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.export.repositories import graph
from tests.export.tensorrt.device import PaperDriver, paper_device
from tests.export.tensorrt.library import Library, PaperBuilder
from tritext_export.certificate import FloatArray
from tritext_export.encoding import Encoded, padded
from tritext_export.errors import EngineError
from tritext_export.tensorrt.profiles import Profile, plan_profiles
from tritext_export.tensorrt.runner import LoadedEngine, NotRun, find_runner

PROFILES = plan_profiles(384, 16, 64)


def load(library: Library | None = None, driver: PaperDriver | None = None) -> LoadedEngine:
    """An engine of the tiny graph, on its device."""
    builder = PaperBuilder(library or Library(), paper_device(driver))
    runner = builder.runner()
    assert not isinstance(runner, NotRun)
    return runner.load(builder.build(graph().SerializeToString(), PROFILES, "tiny"))


def texts(*lengths: int) -> list[Encoded]:
    """Texts of some lengths, each of its own ids."""
    return [Encoded([i + 1, *range(2, length + 1)], [0] * length) for i, length in enumerate(lengths)]


def expected(encoded: list[Encoded]) -> FloatArray:
    """What the tiny graph says: the mean over the whole row, padding masked, and its opposite."""
    ids = padded(encoded, 9)["input_ids"] * padded(encoded, 9)["attention_mask"]
    mean = ids.mean(axis=1, keepdims=True)
    return np.hstack([mean, -mean]).astype(np.float32)


def test_an_engine_says_what_it_takes() -> None:
    with load() as engine:
        assert engine.inputs == ("input_ids", "attention_mask")
        assert engine.profiles == PROFILES


@pytest.mark.parametrize("index", ["int64", "int32"])
def test_batches_of_any_size_are_answered_in_the_width_that_the_engine_reads(index: str) -> None:
    with load(Library(index=index)) as engine:
        for lengths in ([3], [64] * 16, [5, 1, 40], [2]):  # memory grows and is used again
            batch = padded(texts(*lengths), 9)
            for profile in engine.covering((len(lengths), max(lengths))):
                assert np.allclose(engine.logits(batch, profile), expected(texts(*lengths)))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 64), min_size=1, max_size=16))
def test_what_is_run_lies_inside_the_profile_that_runs_it(lengths: list[int]) -> None:
    library = Library()
    shape = (len(lengths), max(lengths))
    with load(library) as engine:
        for profile in engine.covering(shape):
            assert np.allclose(engine.logits(padded(texts(*lengths), 9), profile), expected(texts(*lengths)))
    assert [used for _, used in library.used] == [shape] * len(library.used)
    assert library.used[0][0] == 0
    assert all(PROFILES[profile].covers(shape) for profile, _ in library.used)


def test_the_first_profile_comes_first_and_then_the_narrowest() -> None:
    with load() as engine:
        assert engine.covering((4, 20)) == (0, 1)
        assert engine.covering((4, 50)) == (0, 2)
        assert engine.covering((16, 64)) == (0,)  # more texts than the planner puts together at that length
        with pytest.raises(EngineError, match="no profile of the engine takes 17 texts of 3 tokens"):
            engine.covering((17, 3))


def test_memory_is_given_back() -> None:
    driver = PaperDriver()
    with load(driver=driver) as engine:
        engine.logits(padded(texts(3, 4), 9))
        assert len(driver.memory) == 3
    assert driver.memory == {}


def test_a_shape_outside_of_the_profile_is_refused_with_the_librarys_words() -> None:
    with load() as engine:
        words = r"does not take input_ids of \(1, 20\) in profile 2: the shape is outside of the profile"
        with pytest.raises(EngineError, match=words):
            engine.logits(padded(texts(20), 9), 2)
        assert np.allclose(engine.logits(padded(texts(20), 9), 0), expected(texts(20)))


def test_an_engine_that_the_device_does_not_take_is_refused() -> None:
    with pytest.raises(
        EngineError, match=r"^Paper GPU \(compute capability 8\.9\) does not take the engine: the engine"
    ):
        load(Library(refuses=True))


@pytest.mark.parametrize("index", ["float16", "bool"])
def test_inputs_of_another_type_are_refused(index: str) -> None:
    with pytest.raises(EngineError, match=f"reads input_ids as {index}, not as whole numbers"):
        load(Library(index=index))


def test_another_output_is_refused() -> None:
    model = graph()
    model.graph.output[0].name = model.graph.node[-1].output[0] = "scores"
    runner = PaperBuilder(Library(), paper_device()).runner()
    assert not isinstance(runner, NotRun)
    engine = PaperBuilder(Library(), None).build(model.SerializeToString(), [Profile((1, 1), (1, 1), (2, 2))], "x")
    with pytest.raises(EngineError, match="scores: logits must be its only output"):
        runner.load(engine)


def test_there_may_be_nothing_to_run_on() -> None:
    assert find_runner(Library(), lambda capability: True, lambda: None) == NotRun(
        "no NVIDIA GPU answers on this machine"
    )
    device = paper_device(PaperDriver(capability="7.5"))
    assert find_runner(Library(), lambda capability: False, lambda: device) == NotRun(
        "the engine is not for Paper GPU, of compute capability 7.5"
    )
