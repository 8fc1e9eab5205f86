"""What identifies a model, and that a job goes on with no other one than it began with."""

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.console import Console

from tests.batch.stand_in import stand_in
from tritext_batch.errors import ModelError
from tritext_batch.formats.grouping import Limits
from tritext_batch.job import REPOSITORY, Environment, Job, Model
from tritext_batch.journal import Identity
from tritext_batch.places import place
from tritext_batch.progress import Watch
from tritext_batch.rows import Scored
from tritext_batch.running import carry_out
from tritext_batch.served import check_model, manifest_of
from tritext_batch.workspace import Workspace

A, B = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    ("before", "now"),
    [({}, {}), ({}, {"1": A}), ({"1": (A,)}, {}), ({"1": (A,)}, {"1": A}), ({"1": ("",)}, {"1": ""})],
)
def test_the_same_model_may_go_on(before: Mapping[str, tuple[str, ...]], now: Mapping[str, str]) -> None:
    check_model("m", before, now, Path("work"))


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        ({"1": (A,)}, {"2": A}, "version 1 of m began this output, and 2 answers now: ask the old one with --model-v"),
        ({"1": (A,)}, {"1": B}, f"version 1 of m began this output as that of manifest {A[:12]}, and is now that of "),
        ({"1": (A,)}, {"1": ""}, f"as that of manifest {A[:12]}, and is now one that shows no manifest: give the "),
        ({"1": ("",)}, {"1": A}, f"as one that shows no manifest, and is now that of manifest {A[:12]}"),
        ({"1": (A, B)}, {"1": A}, f"and is now that of manifest {B[:12]}"),
        ({}, {"1": A, "2": A}, "version 1 of m began this output, and 2 answers now"),
    ],
)
def test_another_model_is_refused_and_both_are_named(
    before: Mapping[str, tuple[str, ...]], now: Mapping[str, str], words: str
) -> None:
    with pytest.raises(ModelError) as refused:
        check_model("m", before, now, Path("work"))
    assert words in str(refused.value)
    assert str(refused.value).endswith(", let both stand in it with --mixed-versions, or remove work to begin anew")


def repository(folder: Path, manifest: str) -> Path:
    """A repository of which only the manifest is there: enough to tell it from another, not to serve it."""
    version = folder / "sentiment" / "1"
    version.mkdir(parents=True)
    (version / "manifest.json").write_text(manifest)
    return folder


def test_a_manifest_is_known_by_its_hash(tmp_path: Path) -> None:
    where = repository(tmp_path, "{}")
    assert manifest_of(where, "sentiment", "1") == hashlib.sha256(b"{}").hexdigest()
    assert manifest_of(where, "sentiment", "2") == ""
    assert manifest_of(None, "sentiment", "1") == ""


def job_for(folder: Path, model: Model, *, mixed: bool = False) -> Job:
    job = Job(str(folder / "in.txt"), str(folder / "out.tsv"), "text", "tsv", model=model, limits=Limits(rows=64))
    return dataclasses.replace(job, environment=Environment(patience=0.5), mixed_versions=mixed)


def run(job: Job) -> None:
    with Watch(Console(stderr=True)) as watch:
        carry_out(job, watch)


def begin(job: Job, manifest: str) -> None:
    """Leave what a job leaves whose first row was answered by version 1."""
    Path(job.input_uri).write_text("a\nb\n")
    stamp = place(job.input_uri).stamp()
    with Workspace(job.work, Identity(job.input_uri, stamp.size, stamp.mark, job.settings), b"head\n") as space:
        space.append(Scored(1, 2, b"row\n", b"", {"x": 1}, versions=("1",)), {"1": manifest})
        space.commit()


@pytest.mark.parametrize("version", ["", "1"])
def test_another_repository_under_the_same_name_is_refused_before_it_is_served(tmp_path: Path, version: str) -> None:
    one, other = (str(repository(tmp_path / name, name)) for name in ("one", "other"))
    first = job_for(tmp_path, Model("sentiment", REPOSITORY, one, version))
    begin(first, manifest_of(Path(one), "sentiment", "1"))
    later = job_for(tmp_path, Model("sentiment", REPOSITORY, other, version))
    with pytest.raises(ModelError, match="version 1 of sentiment began this output as that of manifest"):
        run(later)
    for served in (first, dataclasses.replace(later, mixed_versions=True)):
        with pytest.raises(ModelError, match="cannot be served: tritext serve: "):
            run(served)


def test_an_endpoint_does_not_go_on_for_a_repository(tmp_path: Path, stand_in_url: str) -> None:
    job = job_for(tmp_path, Model("sentiment", "endpoint", stand_in_url))
    begin(job, A)
    with pytest.raises(ModelError, match="and is now one that shows no manifest"):
        run(job)
    run(dataclasses.replace(job, mixed_versions=True))
    assert (tmp_path / "out.tsv").read_text().splitlines()[:2] == ["head", "row"]


def test_the_version_that_is_asked_may_be_named_when_a_job_goes_on(tmp_path: Path, stand_in_url: str) -> None:
    job = job_for(tmp_path, Model("sentiment", "endpoint", stand_in_url))
    begin(job, "")
    with pytest.raises(ModelError, match="version 1 of sentiment began this output, and 2 answers now"):
        run(dataclasses.replace(job, model=dataclasses.replace(job.model, version="2")))
    with stand_in(version="2") as newer, pytest.raises(ModelError, match="and 2 answers now"):
        run(job_for(tmp_path, Model("sentiment", "endpoint", newer)))
    run(dataclasses.replace(job, model=dataclasses.replace(job.model, version="1")))
