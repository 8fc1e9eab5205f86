"""Triton with padding to a fixed length: the usual hand-made repository, on the server of the nvidia-pytriton wheel.

It writes the repository into a folder of its own and becomes ``tritonserver``.
"""

import importlib.metadata
import json
import os
import shutil
import sys
import sysconfig
from pathlib import Path

import model

LENGTH = 128
CONFIG = """\
name: "padded"
backend: "python"
max_batch_size: 64
input { name: "text" data_type: TYPE_STRING dims: 1 }
output { name: "label" data_type: TYPE_STRING dims: 1 }
instance_group { count: %(workers)d kind: KIND_CPU }
dynamic_batching { preferred_batch_size: %(batch)d max_queue_delay_microseconds: 1000 }
parameters { key: "setting" value { string_value: %(setting)s } }
"""


def stage(root: Path, wheel: Path) -> None:
    """Put the repository and the python backend into ``root``."""
    setting = model.SETTING | {"length": LENGTH}
    version = root / "models" / "padded" / "1"
    version.mkdir(parents=True)
    here = Path(__file__).parent
    shutil.copyfile(here / "triton_model.py", version / "model.py")
    config = CONFIG % (setting | {"setting": json.dumps(json.dumps(setting))})
    (version.parent / "config.pbtxt").write_text(config, encoding="utf-8")
    python = root / "backends" / "python"
    shutil.copytree(wheel / "backends" / "python", python)
    stub = wheel / "python_backend_stubs" / f"3.{sys.version_info.minor}" / "triton_python_backend_stub"
    shutil.copyfile(stub, python / stub.name)
    (python / stub.name).chmod(0o700)


def main() -> None:
    """Stage everything and become the server."""
    packages = Path(str(importlib.metadata.distribution("nvidia-pytriton").locate_file("")))
    wheel = packages / "pytriton" / "tritonserver"
    root = Path(model.SETTING["scratch"])
    stage(root, wheel)
    libraries = [packages / "nvidia_pytriton.libs", sysconfig.get_config_var("LIBDIR"), Path(sys.base_prefix) / "lib"]
    os.environ["LD_LIBRARY_PATH"] = os.pathsep.join(map(str, libraries))
    os.environ["PYTHONPATH"] = os.pathsep.join((str(Path(__file__).parent), str(packages)))
    os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    binary = str(wheel / "bin" / "tritonserver")
    flags = [
        f"--model-repository={root / 'models'}",
        f"--backend-directory={root / 'backends'}",
        "--http-address=127.0.0.1",
        f"--http-port={model.SETTING['port']}",
        "--allow-grpc=false",
        "--allow-metrics=false",
    ]
    os.execv(binary, [binary, *flags])  # noqa: S606  # a list, and this process becomes it


if __name__ == "__main__":
    main()
