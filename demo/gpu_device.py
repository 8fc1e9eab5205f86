"""What the device itself can do: its name, its fastest product of matrices, and how fast a graph runs on it.

Inputs and outputs stay on the device, so neither the bus nor Python is measured. Imports onnxruntime.
"""

import ctypes
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from onnx import TensorProto, helper

from tritext_export.errors import ExportError, first_line

Device = Literal["cpu", "cuda"]
PROVIDERS: dict[Device, str] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
# Side of the square matrices that the peak is measured with, and their type: CPUs have no fp16 to speak of.
PEAK_SIDES: dict[Device, tuple[int, ...]] = {"cpu": (512, 1024), "cuda": (4096, 8192, 16384)}
PEAK_TYPES: dict[Device, int] = {"cpu": int(TensorProto.FLOAT), "cuda": int(TensorProto.FLOAT16)}
# Dense fp16 on tensor cores with fp32 sums, operations a second by the data sheets; the first name that fits counts.
SHEETS = {
    "B200": 2250e12,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "A100": 312e12,
    "A30": 165e12,
    "A10G": 70e12,
    "A10": 125e12,
    "L40S": 362e12,
    "L4": 121e12,
    "T4": 65e12,
    "V100": 125e12,
}
CUDA_MISSING = (
    "install onnxruntime-gpu[cuda,cudnn] in place of onnxruntime (docs/gpu.md), or try the script with --device cpu"
)


class DeviceError(ExportError):
    """The device cannot be used."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast a graph runs.

    Attributes:
        texts: In a call.
        tokens: Of each text.
        milliseconds: A call takes.
    """

    texts: int
    tokens: int
    milliseconds: float

    @property
    def texts_per_second(self) -> float:
        """Throughput of calls one after another."""
        return 1e3 * self.texts / self.milliseconds


def require(device: Device) -> None:
    """See that ONNX Runtime can use the device.

    Raises:
        DeviceError: with what there is instead, and the remedy.
    """
    provider, there = PROVIDERS[device], ort.get_available_providers()
    if provider not in there:
        raise DeviceError(f"this onnxruntime has {', '.join(there)}, not {provider}: {CUDA_MISSING}")
    name_of(device)
    if device == "cuda":
        ort.preload_dlls()
    try:
        session = _session(_product(8, PEAK_TYPES[device]), device)
    except Exception as error:  # ONNX Runtime's errors share no base class
        raise DeviceError(f"{provider}: {first_line(error)}: {CUDA_MISSING}") from error
    if provider not in session.get_providers():
        raise DeviceError(f"{provider} does not start here, see what ONNX Runtime said above: {CUDA_MISSING}")


def name_of(device: Device) -> str:
    """Name the device as its driver, or the kernel, does."""
    if device == "cpu":
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "CPU")
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise DeviceError(
            f"{error}: install NVIDIA's driver, or run the script in a container that has the GPU"
        ) from error
    number, name = ctypes.c_int(), ctypes.create_string_buffer(256)
    failed = (
        driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(number), 0) or driver.cuDeviceGetName(name, 256, number)
    )
    if failed:
        raise DeviceError(f"the driver answered with error {failed}: see whether `nvidia-smi` lists the GPU")
    return name.value.decode()


def sheet_peak(name: str) -> float | None:
    """Give the operations a second that a device's data sheet promises; None where it is not known here.

    Example:
        >>> sheet_peak("NVIDIA H100 80GB HBM3")
        989000000000000.0
    """
    words = name.replace("-", " ").split()
    return next((peak for key, peak in SHEETS.items() if _follows(key.split(), words)), None)


def measure_peak(device: Device, runs: int = 20) -> float:
    """Measure the operations a second of large products of matrices, the fastest of their sizes."""
    best = 0.0
    for side in PEAK_SIDES[device]:
        kind = PEAK_TYPES[device]
        session = _session(_product(side, kind), device)
        array = np.random.default_rng(0).standard_normal((side, side), np.float32)
        array = array.astype(np.float16 if kind == int(TensorProto.FLOAT16) else np.float32)
        call = _bound(session, {"left": array, "right": array}, device)
        best = max(best, 2.0 * side**3 / _seconds(call, runs))
    return best


def measure_graph(
    path: Path, device: Device, vocabulary: int, shapes: Sequence[tuple[int, int]], seconds: float
) -> list[Rate]:
    """Run a graph on full batches that lie on the device.

    Args:
        path: The ONNX file.
        device: Where it runs.
        vocabulary: Token ids are drawn below it.
        shapes: Texts and tokens of the calls.
        seconds: How long to repeat each; the mean counts, as heat and clocks are part of the truth.
    """
    session = _session(path.read_bytes(), device)
    rates = []
    for texts, tokens in shapes:
        ids = np.random.default_rng(0).integers(5, vocabulary, (texts, tokens), np.int64)
        arrays = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        call = _bound(session, {node.name: arrays[node.name] for node in session.get_inputs()}, device)
        once = _seconds(call, 5)
        rates.append(Rate(texts, tokens, 1e3 * _seconds(call, max(5, round(seconds / once)))))
    return rates


def _follows(wanted: Sequence[str], words: Sequence[str]) -> bool:
    """Tell whether words stand in a name, one after another or not."""
    return all(word in words for word in wanted)


def _session(model: bytes, device: Device) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model, options, providers=[PROVIDERS[device]])


def _bound(
    session: ort.InferenceSession, inputs: dict[str, npt.NDArray[np.generic]], device: Device
) -> Callable[[], None]:
    """Put inputs on the device; give what runs the session once, and returns when it has."""
    binding = session.io_binding()
    for name, array in inputs.items():
        binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(array, device, 0))
    for node in session.get_outputs():
        binding.bind_output(node.name, device, 0)

    def call() -> None:
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    return call


def _seconds(call: Callable[[], None], runs: int) -> float:
    """Give the mean of some runs, after three to warm up."""
    for _ in range(3):
        call()
    started = time.perf_counter()
    for _ in range(runs):
        call()
    return (time.perf_counter() - started) / runs


def _product(side: int, kind: int) -> bytes:
    """Write a graph that multiplies two square matrices."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["left", "right"], ["product"])],
        "peak",
        [helper.make_tensor_value_info(name, kind, [side, side]) for name in ("left", "right")],
        [helper.make_tensor_value_info("product", kind, [side, side])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    content: bytes = model.SerializeToString()
    return content
