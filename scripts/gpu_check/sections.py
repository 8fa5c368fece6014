"""Sections of the check, one after the other: what one of them ends with is written at once, and the others go on."""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from sslskel.engine.device import hardware, resolve_device
from sslskel.files import publish
from sslskel.version import __version__

Facts = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """What is checked, and how long it may take."""

    device_name: str
    small: bool
    seconds: float

    @property
    def device(self) -> torch.device:
        """With its number, so that every process means the same; raises ``UsageError`` where it is not there."""
        device = resolve_device(self.device_name)
        return torch.device("cuda", 0) if device.type == "cuda" and device.index is None else device


@dataclass(frozen=True)
class Section:
    """A part of the check: its name, and a function of the settings and the time it has, in seconds."""

    name: str
    work: Callable[[Settings, float], Facts]
    share: float = 0.1
    """Of all the time."""


@dataclass
class Outcome:
    """What a section ended with."""

    name: str
    state: str
    """``passed``, ``failed`` or ``not run``."""
    seconds: float = 0.0
    facts: Facts = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    trace: str = ""


class Wrong(Exception):
    """Something of a section is not as it should be; the rest of it was done."""

    def __init__(self, faults: Sequence[str], facts: Facts) -> None:
        super().__init__("; ".join(faults))
        self.faults, self.facts = list(faults), facts


def checked(faults: Sequence[str], facts: Facts) -> Facts:
    """The facts, or ``Wrong`` where there are faults."""
    if faults:
        raise Wrong(faults, facts)
    return facts


def run_sections(sections: Sequence[Section], settings: Settings, output: Path) -> int:
    """All of them in order; 1 where one failed or was not begun in time."""
    began, outcomes = time.monotonic(), list[Outcome]()
    for section in sections:
        start = time.monotonic()
        if start - began > settings.seconds:
            outcomes.append(Outcome(section.name, "not run", faults=[f"{settings.seconds:.0f} s were over"]))
        else:
            left = settings.seconds - (start - began)
            outcomes.append(_outcome(section, settings, min(left, section.share * settings.seconds)))
            outcomes[-1].seconds = time.monotonic() - start
        last = outcomes[-1]
        print(f"{last.name}: {last.state}, {last.seconds:.1f} s{''.join(f'{chr(10)}  {one}' for one in last.faults)}")
        sys.stdout.flush()
        _write(outcomes, settings, output)
    return int(any(outcome.state != "passed" for outcome in outcomes))


def _outcome(section: Section, settings: Settings, seconds: float) -> Outcome:
    try:
        return Outcome(section.name, "passed", facts=section.work(settings, seconds))
    except Wrong as fault:
        return Outcome(section.name, "failed", facts=fault.facts, faults=fault.faults)
    except Exception as fault:  # whatever it is, the other sections are worth the time on the machine
        sentence = f"{type(fault).__name__}: {fault}"
        return Outcome(section.name, "failed", faults=[sentence], trace=traceback.format_exc())


def _write(outcomes: Sequence[Outcome], settings: Settings, output: Path) -> None:
    head = {
        "device": settings.device_name,
        "gpus": hardware()["gpus"],
        "cpu": hardware()["cpu"],
        "small": settings.small,
        "torch": torch.__version__,
        "sslskel": __version__,
    }
    whole = {**head, "sections": [vars(outcome) for outcome in outcomes]}
    output.mkdir(parents=True, exist_ok=True)
    publish(output / "gpu-check.json", (json.dumps(whole, indent=2) + "\n").encode(), replace_existing=True)
    publish(output / "gpu-check.md", _page(head, outcomes).encode(), replace_existing=True)


def _page(head: Facts, outcomes: Sequence[Outcome]) -> str:
    where = ", ".join(head["gpus"]) if head["gpus"] and head["device"] != "cpu" else f"no GPU: {head['cpu']}"
    small = ", in the small form" if head["small"] else ""
    versions = f"torch {head['torch']}, sslskel {head['sslskel']}"
    lines = ["# Check of a GPU", "", f"On `{head['device']}` ({where}){small}; {versions}.", ""]
    lines += ["| section | state | seconds |", "|---|---|---|"]
    lines += [f"| {one.name} | {one.state} | {one.seconds:.1f} |" for one in outcomes]
    for one in outcomes:
        lines += ["", f"## {one.name}", ""]
        lines += [f"- **{fault}**" for fault in one.faults]
        lines += _listed(one.facts)
        lines += ["", "```", one.trace.rstrip(), "```"] if one.trace else []
    return "\n".join(lines) + "\n"


def _listed(facts: Facts, depth: int = 0) -> list[str]:
    lines = []
    for name, value in facts.items():
        pad = "  " * depth
        if isinstance(value, dict):
            lines += [f"{pad}- {name}", *_listed(value, depth + 1)]
        else:
            shown = f"{value:.4g}" if isinstance(value, float) else value
            lines.append(f"{pad}- {name}: {shown}")
    return lines
