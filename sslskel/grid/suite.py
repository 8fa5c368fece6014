"""What a suite runs: its floors, the methods that are asked for, and each of these without learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from sslskel.config.compose import shaping, spoken
from sslskel.config.suites import Suite
from sslskel.errors import UsageError
from sslskel.grid.jobs import result_of, side_by_side
from sslskel.grid.request import GridRequest
from sslskel.grid.run import BenchResult, run_each
from sslskel.grid.suite_data import PREFIX
from sslskel.leaderboard.folder import board_of
from sslskel.leaderboard.suite import ColumnRule, SuiteRules, Training
from sslskel.plugins.registry import BENCHMARKS, METHODS, PROTOCOLS
from sslskel.progress import SILENT, Reporter
from sslskel.results.record import Record


def requests_of_suite(suite: Suite, request: GridRequest) -> list[GridRequest]:
    """The grids that a suite asks for: floors, methods, each with and without learning, and references.

    Methods, overrides and results folder come from the request; its benchmarks, protocols and seeds
    choose a part of the suite. Raises ``UsageError`` for what the suite does not have or fixes itself.
    """
    _refuse_fixed(suite, request)
    floors = tuple(name for name in suite.floors if name not in request.methods)
    trained = tuple(name for name in request.methods if METHODS.get(name).trains)
    still = tuple(name for name in request.methods if name not in trained)
    judges = tuple(name for name in request.protocols if name in suite.protocols)
    plain = replace(request, preset=suite.preset, protocols=judges)
    alone = replace(plain, pretrain_on=None)
    grids = []
    if judges and floors + still:
        grids.append(replace(alone, methods=floors + still))
    if judges and trained:
        variants = ((), suite.untrained) if suite.untrained else ((),)
        grids.append(replace(plain, methods=trained, variants=variants))
    references = [(name, suite.references[name]) for name in request.protocols if name in suite.references]
    return grids + [replace(alone, methods=(method,), protocols=(name,)) for name, method in references]


def _refuse_fixed(suite: Suite, request: GridRequest) -> None:
    """Raises ``UsageError`` for what would make numbers that do not belong to the suite."""
    if request.preset not in (None, suite.preset):
        raise UsageError(f"suite '{suite.name}' is of preset {suite.preset}, not {request.preset}; leave out --preset")
    if request.split:
        raise UsageError(f"suite '{suite.name}' names the split of each benchmark; leave out --split")
    for flag, asked, known in (
        ("benchmark", request.benchmarks, suite.benchmarks),
        ("protocol", request.protocols, suite.judged),
        ("seeds", map(str, request.seeds), tuple(map(str, range(suite.seeds)))),
    ):
        strange = [one for one in asked if one not in known]
        if strange:
            raise UsageError(
                f"suite '{suite.name}' has no {flag} {', '.join(strange)}; --{flag} chooses from {', '.join(known)}"
            )
    for override in request.overrides:
        if override.partition(".")[0] in ("protocol", "clip", "train"):
            raise UsageError(
                f"suite '{suite.name}' fixes clips, training and protocols, but '{override}' changes one; how a method"
                " trains belongs into its own presets"
            )


def bench_suite(
    suite: Suite,
    requests: Sequence[GridRequest],
    output: Path,
    *,
    jobs: int | None = None,
    reporter: Reporter = SILENT,
) -> BenchResult:
    """Run what is not there yet of :func:`requests_of_suite`; the board is the suite's.

    Raises and continues as ``run_grid``, with ``jobs`` as ``bench_in_jobs``.
    """
    for one in requests:
        one.cells()
    if jobs is None:
        result = run_each([each for one in requests for each in one.each_variant()], reporter)
    else:
        result = result_of(*side_by_side(requests, jobs, reporter))
    if (output / "records").is_dir():
        result.board = board_of(output, report=reporter.line, suite=rules_of(suite))
    return result


def rules_of(suite: Suite) -> SuiteRules:
    """What a record must be of to stand on the suite's board.

    Methods of local plugins are not imported for it: a board runs no code that only a record names.
    """
    plain = GridRequest(benchmarks=suite.benchmarks, preset=suite.preset)
    requests = [replace(plain, methods=suite.floors[:1], protocols=suite.protocols)]
    requests += [replace(plain, methods=(name,), protocols=(judge,)) for judge, name in suite.references.items()]
    columns = {}
    for cell in [cell for request in requests for cell in request.cells()]:
        assert cell.protocol is not None
        benchmark, split = cell.judged_on
        columns[f"{benchmark}/{split}", cell.protocol] = ColumnRule(
            BENCHMARKS.get(benchmark).version,
            PROTOCOLS.get(cell.protocol).version,
            shaping("protocol", cell.resolved.plain()["protocol"]),
        )
    return SuiteRules(suite, columns, _TrainingOf(suite))


class _TrainingOf:
    """Tells how a record's encoder was trained from the configuration that the suite would give it."""

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._imported = {entry.name for entry in METHODS.entries() if entry.source != "local"}
        overrides = (override.partition("=")[::2] for override in suite.untrained)
        self._untrained = {name: yaml.safe_load(value) for name, value in overrides}
        self._known: dict[tuple[str, str, str, str], Mapping[str, Any]] = {}

    def __call__(self, record: Record) -> Training:
        if not record.seen:
            return Training.own
        if self._learns_nothing(record):
            return Training.none
        method = record.method["name"]
        if method not in self._imported:
            return Training.unknown
        try:
            asked = self._of_suite(record)
        except UsageError:
            # A suite that is not known here was trained on.
            return Training.other
        return Training.own if asked == _training(record.config) else Training.other

    def _learns_nothing(self, record: Record) -> bool:
        options = self._untrained.items()
        return bool(options) and all(_option(record.config, name) == value for name, value in options)

    def _of_suite(self, record: Record) -> Mapping[str, Any]:
        trained_on = str(record.config.get("train", {}).get("suite", ""))
        key = record.method["name"], record.backbone["name"], record.benchmark["name"], trained_on
        if key not in self._known:
            method, backbone, benchmark, suite = key
            request = GridRequest(
                methods=(method,),
                backbone=backbone,
                benchmarks=(benchmark,),
                protocols=(),
                preset=self._suite.preset,
                pretrain_on=PREFIX + suite if suite else None,
            )
            [cell] = request.cells()
            self._known[key] = _training(cell.resolved.plain())
        return self._known[key]


def _training(config: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """What of clips and training shapes numbers."""
    return {group: shaping(group, spoken(group, config.get(group, {}))) for group in ("clip", "train")}


def _option(config: Mapping[str, Mapping[str, Any]], name: str) -> object:
    group, _, key = name.partition(".")
    return config.get(group, {}).get(key)
