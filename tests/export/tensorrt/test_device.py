"""The driver through ctypes: found or not, memory, copies, errors with their names."""

import numpy as np
import pytest

from tests.export.tensorrt.device import STREAM, PaperDriver, paper_device
from tritext_export.errors import EngineError
from tritext_export.tensorrt.device import LIBRARY, find_device


def absent(name: str) -> None:
    """A machine without the driver."""
    raise OSError(f"{name}: cannot open shared object file")


def test_a_machine_without_a_driver_has_no_gpu() -> None:
    assert find_device(absent) is None


@pytest.mark.parametrize(
    "driver", [PaperDriver(0), PaperDriver(failing="cuInit"), PaperDriver(failing="cuDeviceGetCount")]
)
def test_a_driver_without_a_gpu_has_none_either(driver: PaperDriver) -> None:
    assert find_device(lambda name: driver) is None


def test_the_drivers_own_library_is_asked() -> None:
    asked: list[str] = []

    def load(name: str) -> PaperDriver:
        asked.append(name)
        return PaperDriver()

    assert find_device(load) is not None
    assert asked == [LIBRARY] == ["libcuda.so.1"]


def test_the_device_says_what_it_is() -> None:
    device = paper_device(PaperDriver(capability="9.0"))
    assert (device.name, device.capability, device.stream) == ("Paper GPU", "9.0", STREAM)


def test_what_is_written_is_read_back_after_waiting() -> None:
    driver = PaperDriver()
    device = paper_device(driver)
    matrix = np.arange(30, dtype=np.int64).reshape(5, 6).T  # with gaps, row by row
    address = device.allocate(matrix.nbytes)
    assert address > 2**32  # such an address does not fit an int
    device.write(address, matrix)
    back = np.empty(matrix.shape, matrix.dtype)
    device.read(address, back)
    assert (back == matrix).all()
    assert driver.waits == 1
    device.free(address)
    assert driver.memory == {}


@pytest.mark.parametrize("failing", ["cuDeviceGet", "cuDevicePrimaryCtxRetain", "cuCtxSetCurrent", "cuStreamCreate"])
def test_a_gpu_that_does_not_answer_is_an_error(failing: str) -> None:
    with pytest.raises(EngineError, match=f"driver says CUDA_ERROR_INVALID_VALUE to {failing}: free the GPU, or take"):
        find_device(lambda name: PaperDriver(failing=failing))


def test_memory_that_is_not_there_is_an_error() -> None:
    device = paper_device(PaperDriver(failing="cuMemAlloc_v2"))
    with pytest.raises(EngineError, match="to cuMemAlloc_v2"):
        device.allocate(8)
    with pytest.raises(EngineError, match="to cuMemFree_v2"):
        device.free(8)
    address = paper_device().allocate(8)
    with pytest.raises(EngineError, match="to cuMemcpyHtoD_v2"):
        device.write(address, np.zeros(2, np.int64))
