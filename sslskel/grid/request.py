"""One request for a grid: what the command line, Python, jobs, SLURM, searches, tables and estimates ask for.

It is plain data, and can be written as arguments of ``sslskel bench``, which is how jobs and cluster
tasks get it. Composing a request into cells is here too; running them is in ``run``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from sslskel.config.compose import compose, option_names
from sslskel.encoders.open import open_encoders
from sslskel.errors import UsageError
from sslskel.grid.cell import Cell, require_cross_dataset
from sslskel.plugins.registry import BENCHMARKS, DEFAULT_BENCHMARK, METHODS, looked_up_once


@dataclass(frozen=True, kw_only=True)
class GridRequest:
    """Methods x protocols x benchmarks x seeds, and how their encoders are made."""

    methods: tuple[str, ...] = ()
    """A paper's table fills in its own; all else must name them."""
    protocols: tuple[str, ...] = ("linear",)
    """None at all means pretraining alone."""
    benchmarks: tuple[str, ...] = (DEFAULT_BENCHMARK,)
    """What encoders are judged on and, unless ``pretrain_on`` says otherwise, pretrained on."""
    seeds: tuple[int, ...] = (0,)
    output: Path = Path("runs")
    """The results folder."""
    split: str | None = None
    backbone: str | None = None
    preset: str | None = None
    overrides: tuple[str, ...] = ()
    """``GROUP.KEY=VALUE`` each."""
    init: Path | None = None
    """A checkpoint whose weights pretraining starts from."""
    pretrain_on: str | None = None
    """``NAME`` or ``NAME/SPLIT`` of another benchmark."""
    variants: tuple[tuple[str, ...], ...] = ((),)
    """More overrides: the grid is run once for each of these lists."""

    @looked_up_once()
    def cells(self, init: str | None = None) -> list[Cell]:
        """Every cell, in an order that pretrains each method and seed once; those of each variant in turn.

        Everything is composed and checked before the first cell is returned. An override of an
        option that only some methods or protocols of the grid have is set for those. ``init`` is
        :meth:`init_digest` where the caller has it already. Raises ``UsageError`` for a name, key,
        type or checkpoint that does not fit.
        """
        for name in ("methods", "benchmarks", "seeds", "variants"):
            if not getattr(self, name):
                raise UsageError(f"a grid without {name} has no cells; name at least one")
        digest = self.init_digest() if init is None else init
        return [cell for variant in self.variants for cell in self._cells_of(variant, digest)]

    def pretraining(self) -> GridRequest:
        """The same request without protocols."""
        return replace(self, protocols=())

    def each_variant(self) -> list[GridRequest]:
        """The same request once per variant, its overrides added to the others."""
        return [replace(self, overrides=(*self.overrides, *more), variants=((),)) for more in self.variants]

    def argv(self) -> list[str]:
        """Arguments of ``sslskel bench`` that ask for the same; raises ``ValueError`` where there are variants."""
        if self.variants != ((),):
            raise ValueError("a request with variants is no single command; see each_variant")
        made = (("--backbone", self.backbone), ("--preset", self.preset))
        return [
            *("--method", ",".join(self.methods), "--protocol", ",".join(self.protocols)),
            *("--benchmark", ",".join(self.benchmarks), "--seeds", "".join(f"{seed}," for seed in self.seeds)),
            *("--output", str(self.output)),
            *(part for flag, value in made if value for part in (flag, value)),
            *self._where(),
        ]

    def options(self) -> list[str]:
        """What tells this request from another one of the same names, by which logs are called apart."""
        return [*(value for value in (self.backbone, self.preset) if value), *self._where()]

    def init_digest(self) -> str:
        """Identity of the weights that pretraining starts from; empty for none."""
        if self.init is None:
            return ""
        if self.init.is_file():
            raise UsageError(
                f"--init takes a checkpoint directory that `sslskel pretrain` wrote, but {self.init} is a file"
            )
        return open_encoders(self.init).weights_sha256

    def _where(self) -> list[str]:
        named = (("--split", self.split), ("--init", self.init), ("--pretrain-on", self.pretrain_on))
        return [
            *(part for flag, value in named if value for part in (flag, str(value))),
            *self.overrides,
        ]

    def _cells_of(self, variant: tuple[str, ...], init: str) -> Iterable[Cell]:
        overrides, protocols = (*self.overrides, *variant), self.protocols or (None,)
        backbones = {method: self.backbone or METHODS.get(method).default_backbone for method in self.methods}
        options = {(m, p): option_names(m, backbones[m], p) for m in self.methods for p in protocols}
        shared = set[str]().union(*options.values())
        for name in self.benchmarks:
            place = self._place(name)
            for method in self.methods:
                row = []
                for protocol in protocols:
                    foreign = shared - options[method, protocol]
                    own = [one for one in overrides if one.partition("=")[0] not in foreign]
                    row.append(self._cell(method, backbones[method], protocol, place, own, init))
                yield from (replace(cell, seed=seed) for seed in self.seeds for cell in row)

    def _place(self, judged_on: str) -> _Place:
        """Where encoders are pretrained and judged; refuses protocols that need these to differ where they do not."""
        judged = judged_on, BENCHMARKS.get(judged_on).split(self.split).name
        home = _benchmark_and_split(self.pretrain_on) if self.pretrain_on else judged
        for protocol in self.protocols:
            require_cross_dataset(protocol, judged != home)
        return _Place(*home, *(judged if judged != home else ("", "")))

    def _cell(
        self, method: str, backbone: str, protocol: str | None, place: _Place, overrides: list[str], init: str
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
        )
        return Cell(
            method=method,
            backbone=backbone,
            benchmark=place.benchmark,
            split=place.split,
            preset=preset,
            seed=0,
            resolved=resolved,
            protocol=protocol,
            init=init,
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


def parse_seeds(text: str) -> tuple[int, ...]:
    """``3`` means seeds 0, 1, 2; ``4,7`` means those; ``5,`` means seed 5 alone. Raises ``UsageError``."""
    try:
        numbers = [int(number) for number in text.split(",") if number.strip()]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 0 or (("," not in text) and numbers[0] < 1):
        raise UsageError(f"--seeds {text} is not a count (3) or a comma list of seeds (0,1,2)")
    return tuple(range(numbers[0])) if "," not in text else tuple(dict.fromkeys(numbers))


def _benchmark_and_split(text: str) -> tuple[str, str]:
    """``NAME`` or ``NAME/SPLIT``."""
    name, slash, split = text.partition("/")
    return name, BENCHMARKS.get(name).split(split if slash else None).name
