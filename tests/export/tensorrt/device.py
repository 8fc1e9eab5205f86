"""A GPU of our own: the driver's functions over this machine's memory, with C's calling convention, and nothing else.

Whoever copies past the end of what was allocated, or frees what is not there, hears of it.
"""

import ctypes
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p
from typing import Any

from tritext_export.tensorrt.device import CudaDevice, find_device

STREAM, INVALID = 0x5EED, 1
NAME = b"Paper GPU"


class PaperDriver:
    """What ``libcuda.so.1`` would be.

    Attributes:
        memory: What is allocated, by address.
        waits: How often the stream was waited for.
    """

    def __init__(self, count: int = 1, capability: str = "8.9", failing: str = "") -> None:
        """Set it up.

        Args:
            count: How many GPUs there are.
            capability: Of each.
            failing: A function that fails.
        """
        self.memory: dict[int, Any] = {}
        self.waits = 0
        self._numbers = {75: int(capability[0]), 76: int(capability[2])}
        self._count, self._failing = count, failing
        self._kept: list[Any] = []
        self._give("cuInit", lambda flags: 0, c_uint)
        self._give("cuDeviceGetCount", self._fill(lambda: self._count), POINTER(c_int))
        self._give("cuDeviceGet", self._fill(lambda: 0), POINTER(c_int), c_int)
        self._give("cuDeviceGetName", self._name, c_void_p, c_int, c_int)
        self._give("cuDeviceGetAttribute", self._attribute, POINTER(c_int), c_int, c_int)
        self._give("cuDevicePrimaryCtxRetain", self._fill(lambda: 0xC0), POINTER(c_void_p), c_int)
        self._give("cuCtxSetCurrent", lambda context: context != 0xC0, c_void_p)
        self._give("cuStreamCreate", self._fill(lambda: STREAM), POINTER(c_void_p), c_uint)
        self._give("cuStreamSynchronize", self._wait, c_void_p)
        self._give("cuMemAlloc_v2", self._allocate, POINTER(c_uint64), c_size_t)
        self._give("cuMemFree_v2", lambda address: int(self.memory.pop(address, None) is None), c_uint64)
        self._give("cuMemcpyHtoD_v2", self._copy, c_uint64, c_void_p, c_size_t)
        self._give(
            "cuMemcpyDtoH_v2", lambda to, at, size: self._copy(at, to, size, back=True), c_void_p, c_uint64, c_size_t
        )
        self._give("cuGetErrorName", self._error, c_int, POINTER(c_char_p))

    def _give(self, name: str, work: Any, *types: Any) -> None:
        failing = name == self._failing

        def called(*arguments: Any) -> int:
            return INVALID if failing else int(work(*arguments))

        setattr(self, name, CFUNCTYPE(c_int, *types)(called))

    @staticmethod
    def _fill(value: Any) -> Any:
        def fill(target: Any, *rest: Any) -> int:
            target[0] = value()
            return 0

        return fill

    def _name(self, target: int, room: int, device: int) -> int:
        ctypes.memmove(target, NAME + b"\0", len(NAME) + 1)
        return int(room <= len(NAME))

    def _attribute(self, target: Any, number: int, device: int) -> int:
        target[0] = self._numbers[number]
        return 0

    def _wait(self, stream: int) -> int:
        self.waits += 1
        return int(stream != STREAM)

    def _allocate(self, target: Any, size: int) -> int:
        block = ctypes.create_string_buffer(size)
        target[0] = ctypes.addressof(block)
        self.memory[ctypes.addressof(block)] = block
        return 0

    def _copy(self, device: int, host: int, size: int, *, back: bool = False) -> int:
        if device not in self.memory or size > len(self.memory[device]):
            return INVALID
        ctypes.memmove(host if back else device, device if back else host, size)
        return 0

    def _error(self, status: int, target: Any) -> int:
        self._kept.append(ctypes.create_string_buffer(b"CUDA_ERROR_INVALID_VALUE"))
        target[0] = ctypes.cast(self._kept[-1], c_char_p)
        return 0


def paper_device(driver: PaperDriver | None = None) -> CudaDevice:
    """The device on such a driver, through the code that a real one takes."""
    device = find_device(lambda name: driver or PaperDriver())
    assert device is not None
    return device
