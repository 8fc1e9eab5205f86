"""Every peer's best setting: its grid in, each setting measured alone for a moment, the cheapest out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tritext_loadtest.peers.catalogue import FORMS, PLAIN, TORCH, Contender, Peer, Setting, grid
from tritext_loadtest.peers.errors import PeerError
from tritext_loadtest.peers.launch import Material
from tritext_loadtest.peers.lineup import Lineup
from tritext_loadtest.peers.targets import SINGLE

TUNING_TEXTS = 128


@dataclass(frozen=True, slots=True)
class Trial:
    """One setting that was tried.

    Attributes:
        peer: Whose.
        form: With which form of the model.
        setting: Which.
        cpu_milliseconds: Server CPU time a text; None where it did not run.
        texts_per_second: Throughput.
    """

    peer: str
    form: str
    setting: Setting
    cpu_milliseconds: float | None
    texts_per_second: float = 0.0


def tune(
    peer: Peer, material: Material, environment: Path, cores: int, texts: Sequence[str], tell: Callable[[str], None]
) -> list[Trial]:
    """Try a peer's grid with the checkpoint and with the usual int8 file, one server at a time."""
    trials = []
    for form, setting in to_try(peer, cores):
        tell(f"tuning {peer.title}, {FORMS[form]}: {setting}")
        trials.append(_try(Contender(peer, form, setting, tuned=True), material, environment, texts))
    return trials


def to_try(peer: Peer, cores: int) -> list[tuple[str, Setting]]:
    """List what is to be tried of a peer: its grid, with the checkpoint and with the usual int8 file."""
    return [(form, setting) for form in (TORCH, PLAIN) if form in peer.forms for setting in grid(peer, cores)]


def best(trials: Sequence[Trial], peer: str, form: str) -> Setting | None:
    """Give the setting of the cheapest trial of a peer with a form; None where none ran."""
    ran = [t for t in trials if t.peer == peer and t.form == form and t.cpu_milliseconds is not None]
    return min(ran, key=lambda trial: trial.cpu_milliseconds or 0.0).setting if ran else None


def apply(contender: Contender, trials: Sequence[Trial]) -> Contender:
    """Give a tuned contender the setting that was best; our file takes the one that suits the usual int8 file."""
    if not contender.tuned:
        return contender
    form = TORCH if contender.form == TORCH else PLAIN
    found = best(trials, contender.peer.name, form)
    return contender if found is None else replace(contender, setting=found)


def rows(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """Lay the trials out for the report."""
    return [
        {
            "peer": t.peer,
            "form": FORMS[t.form],
            "setting": str(t.setting),
            "best": t.setting == best(trials, t.peer, t.form),
        }
        | (
            {}
            if t.cpu_milliseconds is None
            else {"cpu_milliseconds": t.cpu_milliseconds, "texts_per_second": t.texts_per_second}
        )
        for t in trials
    ]


def _try(contender: Contender, material: Material, environment: Path, texts: Sequence[str]) -> Trial:
    trial = Trial(contender.peer.name, contender.form, contender.setting, None)
    try:
        with Lineup(material) as lineup:
            target = lineup.add(contender, environment)
            target.take(texts[: TUNING_TEXTS // 2], SINGLE)
            take = target.take(texts[:TUNING_TEXTS], SINGLE)
    except PeerError:
        return trial
    return replace(trial, cpu_milliseconds=take.cpu_milliseconds, texts_per_second=take.texts_per_second)
