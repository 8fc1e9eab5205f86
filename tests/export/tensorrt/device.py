"""Run a TensorRT for RTX engine on a GPU through the driver's own library. Needs an NVIDIA GPU; ran on none so far."""

import ctypes
from typing import Any

import numpy as np

from tests.export.encoders import Arrays, FloatArray


def gpu_is_there() -> bool:
    """Whether the driver finds a GPU."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    found = ctypes.c_int()
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(found)) == 0 and found.value > 0


class Device:
    """The first GPU, with its primary context current."""

    def __init__(self) -> None:
        import tensorrt_rtx_bindings as rtx

        self._driver = ctypes.CDLL("libcuda.so.1")
        context, device = ctypes.c_void_p(), ctypes.c_int()
        self._call("cuInit", 0)
        self._call("cuDeviceGet", ctypes.byref(device), 0)
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self._call("cuCtxSetCurrent", context)
        self._runtime = rtx.Runtime(rtx.Logger(rtx.Logger.ERROR))

    def load(self, engine: bytes) -> Any:
        """Deserialise an engine."""
        loaded = self._runtime.deserialize_cuda_engine(engine)
        assert loaded is not None
        return loaded

    def run(self, engine: Any, profile: int, arrays: Arrays, labels: int) -> FloatArray:
        """Logits of one batch, FP32 [texts, labels]."""
        context = engine.create_execution_context()
        assert context.set_optimization_profile_async(profile, 0)
        names = [engine.get_tensor_name(place) for place in range(engine.num_io_tensors)]
        logits = np.empty((len(arrays["input_ids"]), labels), np.float32)
        held = {name: np.ascontiguousarray(arrays[name]) for name in names if name in arrays} | {"logits": logits}
        pointers = {name: self._allocate(array) for name, array in held.items()}
        for name, array in held.items():
            if name != "logits":
                assert context.set_input_shape(name, array.shape)
            context.set_tensor_address(name, pointers[name].value)
        assert context.execute_async_v3(0)
        self._call("cuCtxSynchronize")
        self._call("cuMemcpyDtoH_v2", logits.ctypes.data_as(ctypes.c_void_p), pointers["logits"], logits.nbytes)
        for pointer in pointers.values():
            self._call("cuMemFree_v2", pointer)
        return logits

    def _allocate(self, array: Any) -> ctypes.c_uint64:
        pointer = ctypes.c_uint64()
        self._call("cuMemAlloc_v2", ctypes.byref(pointer), ctypes.c_size_t(array.nbytes))
        self._call("cuMemcpyHtoD_v2", pointer, array.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(array.nbytes))
        return pointer

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._driver, name)(*arguments)
        assert status == 0, f"{name}: CUDA error {status}"
