"""What the members of a comparison are given: a repository and a checkpoint in, paths and labels out."""

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tritext_loadtest.peers.errors import BenchError, PeerError

PROGRAMS = Path(__file__).with_name("programs")
EXPORT_SECONDS = 600.0
# Triton's number for "no rewriting but the basic": what a graph says that was rewritten before it was written.
_LEVELS = {"-1": "ORT_ENABLE_BASIC", "1": "ORT_ENABLE_EXTENDED", "2": "ORT_DISABLE_ALL"}


@dataclass(frozen=True, slots=True)
class Form:
    """One file of the model.

    Attributes:
        file: The ONNX file.
        tokenizer: The tokenizer that belongs to it.
        level: ONNX Runtime's graph optimisation that it was made for.
    """

    file: Path
    tokenizer: Path
    level: str = "ORT_ENABLE_ALL"


@dataclass(frozen=True, slots=True)
class Served:
    """What tritext serves.

    Attributes:
        repository: The model repository.
        name: The front's name.
        label_output: The output that holds the label's name.
        form: The file and tokenizer of the version in service.
    """

    repository: Path
    name: str
    label_output: str
    form: Form


def find_served(repository: Path, name: str) -> Served:
    """Read which version a repository has in service.

    Raises:
        BenchError: there is no such model.
    """
    try:
        front = (repository / name / "config.pbtxt").read_text(encoding="utf-8")
        classifier = (repository / f"{name}_classifier" / "config.pbtxt").read_text(encoding="utf-8")
    except OSError as error:
        raise BenchError(
            f"{repository}: no model {name!r} that tritext wrote: export it with `tritext export` or give its --name"
        ) from error
    chosen = re.search(r"versions:\s*(\d+)", front)
    version = (
        chosen[1] if chosen else str(max(int(p.name) for p in (repository / name).iterdir() if p.name.isdecimal()))
    )
    level = re.search(r"graph\s*\{\s*level:\s*(-?\d+)", classifier)
    outputs = re.findall(r'output\s*\{\s*name:\s*"([^"]+)"', front)
    return Served(
        repository,
        name,
        label_output=next(o for o in outputs if o != "text"),
        form=Form(
            repository.resolve() / f"{name}_classifier" / version / "model.onnx",
            repository.resolve() / name / version / "tokenizer.json",
            _LEVELS.get(level[1] if level else "0", "ORT_ENABLE_ALL"),
        ),
    )


def check_checkpoint(folder: Path) -> Path:
    """See that a checkpoint is one that every peer can load.

    Raises:
        BenchError: a file is missing, or it names no labels.
    """
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise BenchError(
                f"{folder}: no {name}: --checkpoint wants a whole checkpoint, as save_pretrained writes it "
                "(an adapter must be merged first: demo/merged.py)"
            )
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if len(config.get("id2label", {})) < 2:
        raise BenchError(f"{folder}: config.json names no two labels under id2label")
    return folder.resolve()


def plain_form(checkpoint: Path, python: Path, cache: Path) -> Form:
    """Export a checkpoint the usual way, once: optimum's export and default dynamic int8.

    Raises:
        PeerError: it cannot be exported so.
    """
    target = cache / f"plain-{digest(checkpoint)}.onnx"
    if not target.is_file():
        draft = target.with_suffix(".draft.onnx")
        run_program(python, "plain_export.py", [str(checkpoint), str(draft)], None, {})
        draft.rename(target)
    return Form(target, checkpoint / "tokenizer.json")


def reference_labels(checkpoint: Path, python: Path, texts: Sequence[str], cache: Path) -> list[str]:
    """Ask the checkpoint itself, in fp32 and one text at a time, once for each list of texts.

    Raises:
        PeerError: it cannot be run.
    """
    asked = json.dumps(list(texts))
    key = hashlib.sha256(f"{digest(checkpoint)} {asked}".encode()).hexdigest()[:16]
    known = cache / f"labels-{key}.json"
    if not known.is_file():
        setting = {"form": "torch", "folder": str(checkpoint), "threads": 1}
        draft = known.with_suffix(".draft")
        draft.write_text(run_program(python, "reference.py", [], asked, setting), encoding="utf-8")
        draft.rename(known)
    labels: list[str] = json.loads(known.read_text(encoding="utf-8"))
    return labels


def infinity_folder(checkpoint: Path, form: Form | None, scratch: Path) -> Path:
    """Lay a model out as infinity-emb wants it: copies of the checkpoint's files, an ONNX file under its own name.

    Copies, since optimum rewrites ``config.json`` where it loads a model from.
    """
    folder = scratch / "bench"
    (folder / "onnx").mkdir(parents=True)
    for file in checkpoint.iterdir():
        if file.is_file() and (form is None or file.suffix != ".safetensors"):
            shutil.copyfile(file, folder / file.name)
    if form is not None:
        shutil.copyfile(form.file, folder / "onnx" / "model_quantized.onnx")
    return folder


def run_program(python: Path, program: str, words: Sequence[str], said: str | None, setting: dict[str, Any]) -> str:
    """Run a program of ``programs/`` to its end and give its output.

    Raises:
        PeerError: it fails; the message holds the end of its log.
    """
    try:
        done = subprocess.run(
            [str(python), "-W", "ignore", str(PROGRAMS / program), *words],
            input=said,
            capture_output=True,
            text=True,
            timeout=EXPORT_SECONDS,
            env=program_environment(python.parent.parent, setting),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PeerError(f"{program}: not done within {EXPORT_SECONDS:g} s") from error
    if done.returncode:
        raise PeerError(f"{program}: ended with status {done.returncode}: {' | '.join(done.stderr.splitlines()[-4:])}")
    return done.stdout


def program_environment(environment: Path, setting: dict[str, Any]) -> dict[str, str]:
    """Compose what a peer's processes are told: its own programs first, no hub, no counting of its users."""
    threads = {"OMP_NUM_THREADS": str(setting["threads"])} if setting.get("threads") else {}
    return {
        "TRITEXT_PEER": json.dumps(setting),
        "PATH": f"{environment / 'bin'}:/usr/bin:/bin",
        "PYTHONPATH": str(PROGRAMS),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HF_HUB_OFFLINE": "1",
        "DO_NOT_TRACK": "1",
        "BENTOML_DO_NOT_TRACK": "true",
        "TOKENIZERS_PARALLELISM": "false",
    } | threads


def digest(checkpoint: Path) -> str:
    """Name a checkpoint by its configuration and weights."""
    found = hashlib.sha256()
    for name in ("config.json", "model.safetensors"):
        found.update((checkpoint / name).read_bytes())
    return found.hexdigest()[:12]
