"""How each member is started: a contender and its files in, a command and its environment out, and then a process."""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tritext_loadtest.peers.catalogue import PLAIN, TORCH, Contender, Peer
from tritext_loadtest.peers.files import PROGRAMS, Form, Served, infinity_folder, program_environment
from tritext_loadtest.peers.process import ServerProcess


@dataclass(frozen=True, slots=True)
class Material:
    """What members may be given.

    Attributes:
        checkpoint: The checkpoint's folder.
        served: What tritext serves, whose file is ``ours``.
        plain: The usual int8 export, where one could be made.
        scratch: A folder for logs and for what a server writes; a folder of its own for each is made in it.
    """

    checkpoint: Path
    served: Served
    plain: Form | None
    scratch: Path

    def form(self, name: str) -> Form | None:
        """Give the file of a form; None for the checkpoint itself."""
        return None if name == TORCH else self.plain if name == PLAIN else self.served.form


def launch(contender: Contender, material: Material, environment: Path, port: int) -> ServerProcess:
    """Start a peer; it is not ready yet."""
    scratch = material.scratch / str(port)
    scratch.mkdir()
    setting = setting_of(contender, material, scratch, port)
    folder = material.checkpoint
    if contender.peer.name == "infinity":
        folder = infinity_folder(material.checkpoint, material.form(contender.form), scratch)
    line = command(contender, environment, folder, port)
    log = material.scratch / f"{port}.log"
    return ServerProcess(contender.name, line, program_environment(environment, setting), PROGRAMS, log)


def setting_of(contender: Contender, material: Material, scratch: Path, port: int) -> dict[str, Any]:
    """Give what a peer's program reads about its model and its width."""
    form = material.form(contender.form)
    files = {} if form is None else {"file": str(form.file), "tokenizer": str(form.tokenizer), "level": form.level}
    return (
        {"form": contender.form, "folder": str(material.checkpoint), "port": port, "scratch": str(scratch)}
        | asdict(contender.setting)
        | files
    )


def command(contender: Contender, environment: Path, model: Path, port: int) -> list[str]:
    """Give the command line that a peer's documentation has."""
    peer: Peer = contender.peer
    place = ["--host", "127.0.0.1", "--port", str(port)]
    match peer.name:
        case "infinity":
            engine = ["--engine", "torch"] if contender.form == TORCH else ["--engine", "optimum", "--no-model-warmup"]
            size = ["--batch-size", str(contender.setting.batch), "--device", "cpu", "--no-bettertransformer"]
            return [str(environment / "bin" / "infinity_emb"), "v2", "--model-id", str(model), *engine, *size, *place]
        case "bentoml":
            return [str(environment / "bin" / "bentoml"), "serve", "app_bentoml:Classifier", *place]
        case "mosec":
            place = ["--address", "127.0.0.1", "--port", str(port)]
            return [str(environment / "bin" / "python"), "app_mosec.py", *place]
        case name:
            return [str(environment / "bin" / "python"), f"app_{name}.py"]


def launch_tritext(served: Served, ports: list[int], scratch: Path) -> ServerProcess:
    """Start ``tritext serve`` with its defaults, as a user would."""
    http, grpc, metrics = map(str, ports)
    line = [sys.executable, "-m", "tritext", "serve", str(served.repository.resolve())]
    line += ["--http-port", http, "--grpc-port", grpc, "--metrics-port", metrics]
    return ServerProcess("tritext", line, {}, scratch, scratch / "tritext.log")
