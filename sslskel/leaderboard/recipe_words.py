"""An evaluation recipe in words: what its head reads, how it is trained, and what chooses the reported number.

A recipe is the options of a protocol, as records keep them. Options have one meaning in all protocols.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sslskel.text import EMPTY

ASPECTS = ("features", "views", "optimiser", "steps", "selection")
"""In what recipes differ."""
OPTIMISERS = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"}
SILENT = frozenset({"recipe", "encode_batch", "block"})
"""Options that are a name, or that change no number."""

Options = Mapping[str, Any]


def recipe_words(options: Options, trains: str) -> dict[str, str]:
    """Each of :data:`ASPECTS` in words; ``trains`` is that of the protocol."""
    chosen = (_features, _views, _optimiser, _steps, _selection)
    if trains == "nothing":
        chosen = (_features, _views, _neighbours, _nothing, _nothing)
    return {aspect: words(options) or EMPTY for aspect, words in zip(ASPECTS, chosen, strict=True)}


def other_options(first: Options, second: Options) -> tuple[str, ...]:
    """Options in which the first recipe differs from the second, each as ``name value (value of the second)``."""
    names = [name for name in dict.fromkeys((*first, *second)) if name not in SILENT]
    return tuple(
        f"{name} {_shown(first.get(name))} ({_shown(second.get(name))})"
        for name in names
        if first.get(name) != second.get(name)
    )


def _features(options: Options) -> str:
    levels: Sequence[str] = options.get("levels") or [options.get("level", "")]
    words = [f"one of {len(levels)}: " * (len(levels) > 1) + "; ".join(map(_level, levels))]
    words += ["normalised by the batch"] if options.get("norm") else []
    words += ["values dropped in training"] if options.get("encoder_dropout") else []
    return ", ".join(words)


def _level(name: str) -> str:
    return f"level {name}" if name else "the encoder's feature"


def _views(options: Options) -> str:
    if not options.get("augment"):
        return "the test view"
    kept = options.get("views")
    return f"{kept} augmented views in turn" if kept else "a new augmented view every epoch"


def _optimiser(options: Options) -> str:
    if "optimiser" not in options:
        return "solved to the end" if "tolerance" in options else ""
    rates: Sequence[float] = options.get("rates") or ()
    words = [OPTIMISERS.get(str(options["optimiser"]), str(options["optimiser"]))]
    if rates:
        words.append(f"{len(rates)} rates from {min(rates):g} to {max(rates):g}")
    elif "lr" in options:
        words.append(f"rate {options['lr']:g}")
    words += [f"batches of {options['batch_size']}"] if "batch_size" in options else []
    return ", ".join(words)


def _steps(options: Options) -> str:
    if "epochs" not in options:
        return f"at most {options['steps']:,}" if "steps" in options else ""
    words = [f"{options['epochs']} epochs"]
    words += [f"at least {options['min_steps']:,} steps"] if options.get("min_steps") else []
    schedule = options.get("schedule")
    if schedule == "step":
        at = ", ".join(map(str, options.get("milestones", ())))
        words.append(f"rate x {options.get('decay', 0.1):g} after {at}")
    elif schedule:
        words.append(f"{schedule} rate")
    return ", ".join(words)


def _selection(options: Options) -> str:
    words = ["the last epoch"] if options.get("selection") == "last" else []
    words = ["the best epoch on held-out clips"] if options.get("selection") == "validation" else words
    head = "rate and level" if len(options.get("levels") or ()) > 1 else "the rate"
    words += [f"{head} by held-out clips"] if options.get("rates") else []
    words += ["C by held-out clips"] if len(options.get("c") or ()) > 1 else []
    return ", ".join(words)


def _neighbours(options: Options) -> str:
    k = options.get("k")
    if k is None:
        return "nothing is trained"
    voices = f", weighted by similarity at {options['temperature']:g}" if options.get("weights") == "similarity" else ""
    return f"{k} nearest neighbour{'s' if k > 1 else ''}{voices}"


def _nothing(options: Options) -> str:
    return ""


def _shown(value: object) -> str:
    if value is None:
        return "not there"
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
