"""One request for a grid: what the command line, Python, jobs, SLURM, searches, tables and estimates ask for.

It is plain data, and can be written as arguments of ``sslskel bench``, which is how jobs and cluster
tasks get it. Composing a request into cells is here too; running them is in ``run``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sslskel.config.compose import compose, option_names
from sslskel.config.stages import Stage, stages_of
from sslskel.errors import UsageError
from sslskel.grid.cell import Cell, require_cross_dataset
from sslskel.grid.initial import InitialWeights, initial_weights
from sslskel.grid.origins import known_origins
from sslskel.grid.suite_data import PREFIX, read_suite_data, require_common_body
from sslskel.plugins.registry import BENCHMARKS, DEFAULT_BENCHMARK, DEFAULT_PROTOCOL, METHODS, looked_up_once, once


@dataclass(frozen=True, kw_only=True)
class GridRequest:
    """Methods x protocols x benchmarks x seeds, and how their encoders are made."""

    methods: tuple[str, ...] = ()
    """A paper's table fills in its own; all else must name them."""
    protocols: tuple[str, ...] = (DEFAULT_PROTOCOL,)
    """None at all means pretraining alone."""
    benchmarks: tuple[str, ...] = (DEFAULT_BENCHMARK,)
    """What encoders are judged on and, unless ``pretrain_on`` says otherwise, pretrained on: ``NAME``, of which
    ``split`` is taken, or ``NAME/SPLIT``."""
    seeds: tuple[int, ...] = (0,)
    output: Path = Path("runs")
    """The results folder."""
    split: str | None = None
    backbone: str | None = None
    preset: str | None = None
    overrides: tuple[str, ...] = ()
    """``GROUP.KEY=VALUE`` each."""
    init: Path | None = None
    """A checkpoint to start from, a folder of one run per seed, or a path with ``{seed}``; ``:PART`` takes a part."""
    pretrain_on: str | None = None
    """``NAME`` or ``NAME/SPLIT`` of another benchmark, or ``suite:NAME``; see ``sslskel.grid.suite_data``."""
    keep_results: bool = False
    """Whether results of plugins that were edited at the same version are kept: their numbers are unchanged."""
    variants: tuple[tuple[str, ...], ...] = ((),)
    """More overrides: the grid is run once for each of these lists."""

    @looked_up_once()
    def cells(self) -> list[Cell]:
        """Every cell, in an order that pretrains each method and seed once; those of each variant in turn.

        Everything is composed and checked before the first cell is returned. An override of an
        option that only some methods or protocols of the grid have is set for those. Raises
        ``UsageError`` for a name, key, type or checkpoint that does not fit, and for a file that
        a method reads and that is not there.
        """
        for name in ("methods", "benchmarks", "seeds", "variants"):
            if not getattr(self, name):
                raise UsageError(f"a grid without {name} has no cells; name at least one")
        init = self.initial()
        return [cell for variant in self.variants for cell in self._cells_of(variant, init)]

    def judged_on(self) -> list[tuple[str, str]]:
        """Benchmark and split of every entry of ``benchmarks``; ``UsageError`` for unknown ones."""
        return [_benchmark_and_split(text, self.split) for text in self.benchmarks]

    def pretraining(self) -> GridRequest:
        """The same request without protocols."""
        return replace(self, protocols=())

    def single_pretraining(self) -> Cell:
        """The one pretraining that is asked for; protocols are not looked at. Raises ``UsageError`` for several."""
        cells = self.pretraining().cells()
        if len(cells) != 1:
            raise UsageError(
                f"this takes one method, benchmark and seed, but the request is of {len(cells)} pretrainings"
            )
        return cells[0]

    def each_variant(self) -> list[GridRequest]:
        """The same request once per variant, its overrides added to the others."""
        return [replace(self, overrides=(*self.overrides, *more), variants=((),)) for more in self.variants]

    def argv(self) -> list[str]:
        """Arguments of ``sslskel bench`` that ask for the same; raises ``ValueError`` where there are variants."""
        if self.variants != ((),):
            raise ValueError("a request with variants is not a single command; see each_variant")
        made = (("--backbone", self.backbone), ("--preset", self.preset))
        return [
            *("--method", ",".join(self.methods), "--protocol", ",".join(self.protocols)),
            *("--benchmark", ",".join(self.benchmarks), "--seeds", "".join(f"{seed}," for seed in self.seeds)),
            *("--results", str(self.output)),
            *(part for flag, value in made if value for part in (flag, value)),
            *(["--keep-results"] if self.keep_results else []),
            *self._where(),
        ]

    def options(self) -> list[str]:
        """What tells this request from another one of the same names, by which logs are called apart."""
        return [*(value for value in (self.backbone, self.preset) if value), *self._where()]

    def initial(self) -> dict[int, InitialWeights]:
        """The weights that each seed's pretraining starts from; empty for none. A running grid reads them once."""
        init, seeds = self.init, self.seeds
        if init is None:
            return {}
        return once(("initial", str(init), *map(str, seeds)), lambda: initial_weights(init, seeds))

    def _where(self) -> list[str]:
        named = (("--split", self.split), ("--init", self.init), ("--pretrain-on", self.pretrain_on))
        return [
            *(part for flag, value in named if value for part in (flag, str(value))),
            *self.overrides,
        ]

    def _cells_of(self, variant: tuple[str, ...], init: Mapping[int, InitialWeights]) -> Iterable[Cell]:
        overrides, protocols = (*self.overrides, *variant), self.protocols or (None,)
        backbones = {method: self.backbone or METHODS.get(method).default_backbone for method in self.methods}
        chains = {method: stages_of(method) for method in self.methods}
        every = [(stage.method, method) for method, chain in chains.items() for stage in chain]
        networks = [*((method, backbones[method]) for method in self.methods), *((m, backbones[of]) for m, of in every)]
        shared = set[str]().union(*(option_names(m, network, p) for m, network in networks for p in protocols))
        for judged in self.judged_on():
            place = self._place(judged)
            asked = (*place.overrides, *overrides)
            for method in self.methods:
                row = [
                    self._chain(method, chains[method], backbones[method], protocol, place, asked, shared)
                    for protocol in protocols
                ]
                for seed in self.seeds:
                    one = init.get(seed)
                    start = ("", "") if one is None else (one.digest, one.of_seeds)
                    yield from (cell.with_seed(seed, *start) for cell in row)

    def _chain(
        self,
        method: str,
        stages: Sequence[Stage],
        backbone: str,
        protocol: str | None,
        place: _Place,
        overrides: Sequence[str],
        shared: set[str],
    ) -> Cell:
        """A cell with the stages before it; of the overrides each stage gets those whose options it has."""

        def own(name: str, judge: str | None) -> list[str]:
            foreign = shared - option_names(name, backbone, judge)
            return [one for one in overrides if one.partition("=")[0] not in foreign]

        former = None
        for stage in stages[:-1]:
            pretraining = replace(place, target="", target_split="")
            made = self._cell(stage.method, backbone, None, pretraining, own(stage.method, None), stage.layer)
            former = replace(made, former=former, part=stage.part)
        if not stages:
            return self._cell(method, backbone, protocol, place, own(method, protocol), {})
        last = stages[-1]
        cell = self._cell(last.method, backbone, protocol, place, own(last.method, protocol), last.layer)
        return replace(cell, method=method, former=former, part=last.part)

    def _place(self, judged: tuple[str, str]) -> _Place:
        """Where encoders are pretrained and judged; refuses protocols that need these to differ where they do not."""
        if self.pretrain_on and self.pretrain_on.startswith(PREFIX):
            data = read_suite_data(self.pretrain_on.removeprefix(PREFIX), judged[0])
            home, crosses = data.home, not data.contains(judged[0])
            overrides = (f"train.suite={data.words}", *data.suite.pretraining)
        else:
            home = _benchmark_and_split(self.pretrain_on) if self.pretrain_on else judged
            crosses, overrides = judged != home, ()
        for protocol in self.protocols:
            require_cross_dataset(protocol, crosses)
        return _Place(*home, *(judged if judged != home else ("", "")), overrides)

    def _cell(
        self,
        method: str,
        backbone: str,
        protocol: str | None,
        place: _Place,
        overrides: Sequence[str],
        layer: Mapping[str, Mapping[str, object]],
    ) -> Cell:
        benchmark = BENCHMARKS.get(place.benchmark)
        preset = self.preset or benchmark.preset
        resolved = compose(
            method,
            backbone=backbone,
            preset=preset,
            protocol=protocol,
            recipe=benchmark.recipe,
            overrides=overrides,
            stage=layer,
            benchmarks=(place.benchmark, place.target or place.benchmark),
        )
        require_common_body(resolved)
        return Cell(
            method=method,
            backbone=backbone,
            benchmark=place.benchmark,
            split=place.split,
            preset=preset,
            seed=0,
            resolved=resolved,
            protocol=protocol,
            origins=known_origins(METHODS.get(method), resolved.method),
            target=place.target,
            target_split=place.target_split,
        )


@dataclass(frozen=True)
class _Place:
    """Where encoders are pretrained, and what they are judged on where that is another benchmark."""

    benchmark: str
    split: str
    target: str
    target_split: str
    overrides: tuple[str, ...] = ()
    """Options of pretraining there, weaker than those of the request."""


def parse_seeds(text: str) -> tuple[int, ...]:
    """``3`` means seeds 0, 1, 2; ``4,7`` means those; ``5,`` means seed 5 alone. Raises ``UsageError``."""
    try:
        numbers = [int(number) for number in text.split(",") if number.strip()]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 0 or (("," not in text) and numbers[0] < 1):
        raise UsageError(f"--seeds {text} is not a count (3) or a comma list of seeds (0,1,2)")
    return tuple(range(numbers[0])) if "," not in text else tuple(dict.fromkeys(numbers))


def _benchmark_and_split(text: str, default: str | None = None) -> tuple[str, str]:
    """``NAME``, with the default split, or ``NAME/SPLIT``."""
    name, slash, split = text.partition("/")
    return name, BENCHMARKS.get(name).split(split if slash else default).name
