"""Searches option values by their scores on held-out training subjects, with Optuna's TPE sampler.

A trial is an ordinary grid of one method on the split for choosing, so that no clip of the
official test part is looked at. What was tried is one file, rewritten after every round.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sslskel.api.benchmark import HELD_OUT
from sslskel.api.distributed import is_first, of_first
from sslskel.config.compose import shaping
from sslskel.config.grammar import Dimension, dimensions
from sslskel.data.prepare import open_benchmark
from sslskel.engine.accelerator import join
from sslskel.engine.device import resolve_device
from sslskel.errors import Diverged, RunError, UsageError
from sslskel.files import publish, read_json, writing_in
from sslskel.grid.cell import Cell
from sslskel.grid.claim import claimed
from sslskel.grid.jobs import bench_in_jobs, find_jobs
from sslskel.grid.request import GridRequest
from sslskel.grid.run import run_grid
from sslskel.grid.sources import SourceGuard, digests, of_cell
from sslskel.hashing import digest
from sslskel.plugins.registry import BENCHMARKS, PROTOCOLS, looked_up_once
from sslskel.progress import SILENT, Reporter
from sslskel.results.store import ResultStore


@dataclass(frozen=True)
class Trial:
    """One point of the space, and what came of it."""

    options: tuple[str, ...]
    """``GROUP.KEY=VALUE`` of every option that is searched."""
    drawn: Mapping[str, Any]
    """The same as the sampler knows it."""
    score: float | None
    """Primary score, mean over seeds; None where training diverged."""
    failure: str = ""
    """Why there is no score."""


@dataclass(frozen=True)
class SearchState:
    """What a search knows."""

    split: str
    """``BENCHMARK/SPLIT`` that trials are judged on."""
    primary: str
    file: Path
    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial | None:
        """The trial of the highest score, the earliest of equals; None where all diverged."""
        scored = [trial for trial in self.trials if trial.score is not None]
        return max(scored, key=lambda trial: trial.score or 0.0, default=None)


def search(
    request: GridRequest,
    trials: int,
    *,
    search_seed: int = 0,
    jobs: int | None = None,
    reporter: Reporter = SILENT,
) -> SearchState:
    """Try ``trials`` points of the space that the overrides span, or those that an earlier call has not tried.

    A trial pretrains without the validation subjects of the split and is judged on them. The
    same call draws the same trials, also after an interruption; ``jobs`` of them are drawn and
    run side by side. Raises ``UsageError`` without Optuna, for several methods, protocols or
    benchmarks, for a split without validation subjects and for a value that an option does not
    take, ``RunError`` where a trial fails for another reason than a loss that is not finite.
    """
    check_single(request)
    optuna = _optuna()
    fixed, space = dimensions(request.overrides)
    _check_space(space, trials)
    [(benchmark, split)] = request.judged_on()
    choosing = _choosing(benchmark, split)
    request = replace(request, benchmarks=(benchmark,), split=choosing, overrides=tuple(fixed))
    with looked_up_once():
        cells = request.cells()
        for dimension in space:
            for drawn in dimension.ends():
                replace(request, overrides=(*fixed, dimension.option(drawn))).cells()
    join(resolve_device(cells[0].resolved.engine.device))
    store = ResultStore(request.output)
    file = _file(store.folder, cells, space, search_seed)
    state = SearchState("/".join(cells[0].judged_on), PROTOCOLS.get(request.protocols[0]).primary, file, ())
    with claimed(store, file.stem, reporter, ()):
        guard, sources = SourceGuard(store, request.keep_results, reporter), of_cell(cells[0])
        state = _read(state, space, lambda made_by: guard.stands_behind(sources, made_by))
        while True:
            count = min(jobs or 1, trials - len(state.trials))
            asked = of_first(functools.partial(_asked, optuna, space, state.trials, search_seed, count))
            points = [(drawn, tuple(one.option(drawn[one.key]) for one in space)) for drawn in json.loads(asked)]
            if not points:
                return state
            shown = "; ".join(" ".join(options) for _, options in points)
            reporter.line(f"trial {len(state.trials) + 1} of {trials}: {shown}")
            due = replace(request, variants=tuple(options for _, options in points))
            if jobs is None:
                run_grid(due, reporter)
            else:
                bench_in_jobs(due, jobs, reporter)
            made = tuple(
                _judged(store, one, drawn, options, state.primary)
                for one, (drawn, options) in zip(due.each_variant(), points, strict=True)
            )
            state = replace(state, trials=(*state.trials, *made))
            if is_first():
                _write(state, digests(sources))


def check_single(request: GridRequest) -> None:
    """Raise ``UsageError`` where a request is of several methods, protocols or benchmarks."""
    for flag, names in (
        ("method", request.methods),
        ("protocol", request.protocols),
        ("benchmark", request.benchmarks),
    ):
        if len(names) != 1:
            raise UsageError(f"--trials searches for one {flag} at a time, but --{flag} names {len(names)}")


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as fault:
        raise UsageError("--trials needs a package that is not installed: `pip install 'sslskel[search]'`") from fault
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _check_space(space: Sequence[Dimension], trials: int) -> None:
    if trials < 1:
        raise UsageError(f"--trials is {trials}; it must be at least 1")
    if not space:
        raise UsageError(
            "--trials needs values to choose from, for instance 'train.lr=tag(log,interval(1e-4,1e-2))' or"
            " method.mask_ratio=0.5,0.7,0.9"
        )
    for one in space:
        group, _, name = one.key.partition(".")
        if not shaping(group, {name: 1}):
            raise UsageError(f"'{one.key}' changes no score, so there is nothing to search")


def _choosing(benchmark: str, split: str) -> str:
    """Name of the split for choosing; ``UsageError`` where no training subject is held out."""
    judged_on = BENCHMARKS.get(benchmark)
    rule = judged_on.split(split)
    official = judged_on.split(rule.official or rule.name)
    if not official.holds_out(open_benchmark(judged_on)):
        raise UsageError(
            f"split '{official.name}' of '{benchmark}' holds out no training subjects, and a search may look at no"
            " others; name a split with a validation part"
        )
    return f"{official.name}{HELD_OUT}"


def _file(output: Path, cells: Sequence[Cell], space: Sequence[Dimension], seed: int) -> Path:
    """Where a search keeps its trials; another space, seed, dataset or version is another file."""
    datasets = {name: open_benchmark(BENCHMARKS.get(name)) for name in {*(c.benchmark for c in cells)}}
    judged = open_benchmark(BENCHMARKS.get(cells[0].judged_on[0]))
    identities = [cell.identity(datasets[cell.benchmark], judged) for cell in cells]
    name = digest({"cells": identities, "space": [asdict(one) for one in space], "seed": seed})[:10]
    return output / "search" / f"{cells[0].method}-{'-'.join(cells[0].judged_on)}-{name}.json"


def _asked(optuna: Any, space: Sequence[Dimension], tried: Sequence[Trial], seed: int, count: int) -> str:
    """The next points, as JSON: a function of what is known, the seed and their number alone."""
    study = optuna.create_study(direction="maximize")
    bounds = {one.key: _distribution(optuna, one) for one in space}
    for trial in tried:
        state = optuna.trial.TrialState.FAIL if trial.score is None else optuna.trial.TrialState.COMPLETE
        study.add_trial(
            optuna.trial.create_trial(state=state, params=dict(trial.drawn), distributions=bounds, value=trial.score)
        )
    asked = []
    for number in range(len(tried), len(tried) + count):
        study.sampler = optuna.samplers.TPESampler(seed=int(digest({"seed": seed, "trial": number})[:8], 16))
        drawn = study.ask(bounds).params
        asked.append({one.key: one.rounded(drawn[one.key]) for one in space})
    return json.dumps(asked)


def _distribution(optuna: Any, one: Dimension) -> Any:
    kinds = optuna.distributions
    if one.values:
        # The values of a range are ordered, so that the sampler learns more from their order than from their names.
        return (
            kinds.IntDistribution(0, len(one.values) - 1) if one.ordered else kinds.CategoricalDistribution(one.values)
        )
    kind = kinds.IntDistribution if isinstance(one.low, int) else kinds.FloatDistribution
    return kind(one.low, one.high, log=one.log)


def _judged(
    store: ResultStore, request: GridRequest, drawn: Mapping[str, Any], options: Sequence[str], primary: str
) -> Trial:
    """A trial that has run: its score, or that it diverged; ``RunError`` where it failed otherwise."""
    if not is_first():
        return Trial(tuple(options), drawn, None)
    grid = find_jobs(request)
    identities, missing = grid.identities, [identity for job in grid.jobs for identity in job.identities]
    if not missing:
        scores = [store.read(identity).scores[primary] for identity in identities]
        return Trial(tuple(options), drawn, sum(scores) / len(scores))
    fault = store.last_failure(missing[0])
    if fault.get("error") == Diverged.__name__:
        return Trial(tuple(options), drawn, None, str(fault["message"]))
    why = fault.get("message", "it left neither a record nor an error")
    raise RunError(f"the trial {' '.join(options)} failed, the same command tries it again: {why}")


def _read(
    state: SearchState, space: Sequence[Dimension], stands_behind: Callable[[Mapping[str, str]], bool]
) -> SearchState:
    """With the trials that the code of now has stored already; ``UsageError`` for a file that is damaged."""
    if not is_first() or not state.file.exists():
        return state
    try:
        content: Any = read_json(state.file)
        stored = content["trials"] if stands_behind(content.get("sources", {})) else []
        trials = tuple(Trial(**(one | {"options": tuple(one["options"])})) for one in stored)
        if any(set(trial.drawn) != {one.key for one in space} for trial in trials):
            raise ValueError("a trial has other options")
        if any(trial.options != tuple(one.option(trial.drawn[one.key]) for one in space) for trial in trials):
            raise ValueError("the options of a trial are not those that were drawn")
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as fault:
        raise UsageError(
            f"{state.file} cannot be read as trials of a search ({fault}); remove it: the records of trials stay, so"
            " that they are not run again"
        ) from fault
    return replace(state, trials=trials)


def _write(state: SearchState, sources: Mapping[str, str]) -> None:
    content = {
        "judged_on": state.split,
        "score": state.primary,
        "sources": dict(sources),
        "trials": [asdict(trial) for trial in state.trials],
    }
    with writing_in(state.file.parent, "the trials of the search"):
        publish(state.file, (json.dumps(content, indent=1) + "\n").encode(), replace_existing=True)
