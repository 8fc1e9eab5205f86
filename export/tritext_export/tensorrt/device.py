"""The GPU, through the driver's own library: memory and a stream, by ctypes. Wherever there is a GPU this library is.

TensorRT computes, and leaves getting memory and filling it to whoever calls it. No other package is asked for that: the
Triton image has none. Addresses are plain numbers, as TensorRT's Python module takes them.
"""

import ctypes
from collections.abc import Callable
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tritext_export.errors import EngineError

LIBRARY = "libcuda.so.1"
Array = npt.NDArray[Any]

_NAME_BYTES = 256
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_…
_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "cuInit": (c_uint,),
    "cuDeviceGetCount": (POINTER(c_int),),
    "cuDeviceGet": (POINTER(c_int), c_int),
    "cuDeviceGetName": (c_char_p, c_int, c_int),
    "cuDeviceGetAttribute": (POINTER(c_int), c_int, c_int),
    "cuDevicePrimaryCtxRetain": (POINTER(c_void_p), c_int),
    "cuCtxSetCurrent": (c_void_p,),
    "cuStreamCreate": (POINTER(c_void_p), c_uint),
    "cuStreamSynchronize": (c_void_p,),
    "cuMemAlloc_v2": (POINTER(c_uint64), c_size_t),
    "cuMemFree_v2": (c_uint64,),
    "cuMemcpyHtoD_v2": (c_uint64, c_void_p, c_size_t),
    "cuMemcpyDtoH_v2": (c_void_p, c_uint64, c_size_t),
    "cuGetErrorName": (c_int, POINTER(c_char_p)),
}


class Device(Protocol):
    """A GPU, as far as an engine needs it."""

    @property
    def name(self) -> str:
        """What it calls itself."""

    @property
    def capability(self) -> str:
        """Its compute capability, such as ``8.9``."""

    @property
    def stream(self) -> int:
        """Handle of the stream that everything runs on."""

    def allocate(self, size: int) -> int:
        """Get memory of ``size`` bytes; gives its address."""

    def free(self, address: int) -> None:
        """Give memory back."""

    def write(self, address: int, array: Array) -> None:
        """Copy an array to the device."""

    def read(self, address: int, array: Array) -> None:
        """Wait for the stream, then fill an array from the device."""


class CudaDevice:
    """The first GPU that the driver shows; its primary context, which TensorRT uses too, is current afterwards."""

    def __init__(self, driver: Any) -> None:
        """Set the device up.

        Args:
            driver: The driver's library, initialised.

        Raises:
            EngineError: the driver refuses.
        """
        self._driver = driver
        self._device, context, stream = c_int(), c_void_p(), c_void_p()
        self._call("cuDeviceGet", byref(self._device), 0)
        self._call("cuDevicePrimaryCtxRetain", byref(context), self._device)
        self._call("cuCtxSetCurrent", context)
        # One that waits for the default stream, on which the copies run.
        self._call("cuStreamCreate", byref(stream), 0)
        self._stream = stream

    @property
    def name(self) -> str:
        """What it calls itself."""
        words = ctypes.create_string_buffer(_NAME_BYTES)
        self._call("cuDeviceGetName", words, _NAME_BYTES, self._device)
        return words.value.decode(errors="replace")

    @property
    def capability(self) -> str:
        """Its compute capability."""
        return f"{self._attribute(_MAJOR)}.{self._attribute(_MINOR)}"

    @property
    def stream(self) -> int:
        """The stream's handle."""
        return self._stream.value or 0

    def allocate(self, size: int) -> int:
        """Get memory."""
        address = c_uint64()
        self._call("cuMemAlloc_v2", byref(address), size)
        return address.value

    def free(self, address: int) -> None:
        """Give memory back."""
        self._call("cuMemFree_v2", address)

    def write(self, address: int, array: Array) -> None:
        """Copy an array to the device, from memory without gaps."""
        whole = np.ascontiguousarray(array)
        self._call("cuMemcpyHtoD_v2", address, whole.ctypes.data, whole.nbytes)

    def read(self, address: int, array: Array) -> None:
        """Wait for the stream, then fill an array."""
        self._call("cuStreamSynchronize", self._stream)
        self._call("cuMemcpyDtoH_v2", array.ctypes.data, address, array.nbytes)

    def _attribute(self, number: int) -> int:
        value = c_int()
        self._call("cuDeviceGetAttribute", byref(value), number, self._device)
        return value.value

    def _call(self, name: str, *arguments: Any) -> None:
        if status := getattr(self._driver, name)(*arguments):
            word = c_char_p()
            self._driver.cuGetErrorName(status, byref(word))
            what = (word.value or b"an unknown error").decode()
            raise EngineError(f"the GPU's driver says {what} to {name}: free the GPU, or take --no-run")


def find_device(load: Callable[[str], Any] = ctypes.CDLL) -> CudaDevice | None:
    """Ask the driver for a GPU.

    Args:
        load: Opens a library by its name.

    Returns:
        The first one; None where there is no driver, or it shows none.

    Raises:
        EngineError: there is one, and it does not answer.
    """
    try:
        driver = load(LIBRARY)
    except OSError:
        return None
    for name, types in _SIGNATURES.items():
        getattr(driver, name).argtypes = types
    count = c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(byref(count)) or count.value < 1:
        return None
    return CudaDevice(driver)
