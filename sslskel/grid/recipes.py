"""One pretraining under several evaluation recipes: that of the method's own paper, and those that all methods share.

Which are a method's own, its card says; which are shared, the protocols do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sslskel.api.encoder import Encoder
from sslskel.config.compose import option_names
from sslskel.config.stages import stages_of
from sslskel.encoders.open import open_encoders
from sslskel.errors import CheckpointError, UsageError
from sslskel.grid.jobs import side_by_side
from sslskel.grid.pretrain import pretrain_folder
from sslskel.grid.request import GridRequest
from sslskel.grid.run import run_each
from sslskel.leaderboard import build_board
from sslskel.leaderboard.cells import same_weights
from sslskel.leaderboard.compare import Comparison, NotPaired, Side, corrected, paired
from sslskel.leaderboard.formats.recipe_table import (
    BOTH,
    OWN,
    SHARED,
    MethodRecipes,
    RecipeRow,
    own_beside_shared,
    recipe_page,
)
from sslskel.plugins.registry import METHODS, PROTOCOLS
from sslskel.progress import SILENT, Reporter
from sslskel.results.record import Record, RecordError
from sslskel.results.store import ResultStore


@dataclass(frozen=True)
class RecipesCompared:
    """What became of the recipes of each method."""

    methods: tuple[MethodRecipes, ...]
    failures: tuple[str, ...]
    """One sentence per cell that failed or was left out."""

    def markdown(self) -> str:
        """The page: scores side by side, what differs, what the recipe changes, how it was made."""
        records = [record for one in self.methods for row in one.rows for record in row.records]
        return recipe_page(self.methods, self.failures, build_board(records))


def own_recipes(method: str) -> tuple[str, ...]:
    """Protocols under which the method's own paper or code judges frozen encoders, by its card."""
    return METHODS.get(method).card.protocols


def shared_recipes() -> tuple[str, ...]:
    """Built-in protocols under whose defaults all methods are compared, by name."""
    return tuple(name for name, protocol in PROTOCOLS.built_in() if protocol.common)


def with_first_stages(methods: Sequence[str]) -> tuple[str, ...]:
    """The methods, each of several stages behind the method of its first: what later stages add is its recipe too."""
    ordered = [one for name in methods for one in (*(stage.method for stage in stages_of(name)[:1]), name)]
    return tuple(dict.fromkeys(ordered))


def requests_of_recipes(request: GridRequest) -> list[GridRequest]:
    """A grid for each method: its own recipes, then the shared ones. Raises ``UsageError`` where one does not fit."""
    if not request.methods:
        raise UsageError("recipes are compared for the encoders of a method; name it with --method")
    methods = with_first_stages(request.methods)
    judged = {name: tuple(dict.fromkeys((*own_recipes(name), *shared_recipes()))) for name in methods}
    options = {name: _options(name, protocols, request.backbone) for name, protocols in judged.items()}
    known = set[str]().union(*options.values())
    requests = []
    for name, protocols in judged.items():
        # As in one grid: an option that only other methods have is set for those.
        overrides = tuple(one for one in request.overrides if one.partition("=")[0] not in known - options[name])
        requests.append(replace(request, methods=(name,), protocols=protocols, overrides=overrides))
    for one in requests:
        one.cells()
    return requests


def _options(method: str, protocols: Sequence[str], backbone: str | None) -> set[str]:
    """Every option that an override of these cells may set, those of earlier stages included."""
    network = backbone or METHODS.get(method).default_backbone
    names = [method, *(stage.method for stage in stages_of(method))]
    return set[str]().union(*(option_names(name, network, judge) for name in names for judge in protocols))


def compare_recipes(request: GridRequest, *, jobs: int | None = None, reporter: Reporter = SILENT) -> RecipesCompared:
    """Run what is not there yet of every method under its own and the shared recipes, and compare them in pairs.

    Methods, the benchmark, seeds, preset and overrides come from the request, protocols from cards and protocols. One
    pretraining serves all recipes of a method. With ``jobs``, that many pretrainings run side by side. Raises
    ``UsageError`` before anything runs where a method is not known, or a recipe does not fit it or the data; a cell
    that fails or is left out is named in the result. Interrupted, the same call continues.
    """
    if len(request.benchmarks) != 1:
        raise UsageError("recipes are compared on one benchmark; give one name to --benchmark")
    requests = requests_of_recipes(request)
    failures: list[str] = []
    if jobs is not None:
        failures += side_by_side(requests, jobs, reporter)[1]
    result = run_each(requests, reporter, [f"recipes of {one.methods[0]}" for one in requests])
    failures += [failure for failure in result.failures if failure not in failures]
    store = ResultStore(request.output)
    methods = [_compared(one, result.records, store) for one in requests]
    return RecipesCompared(tuple(one for one in methods if one.rows), tuple(failures))


def _compared(request: GridRequest, records: Sequence[Record], store: ResultStore) -> MethodRecipes:
    """One method's rows, and every recipe of its own beside every shared one, corrected for their number."""
    [method] = request.methods
    preset = METHODS.preset(method)
    rows = [row for name in request.protocols if (row := _row(name, request, records))]
    comparisons, sentences = list[Comparison](), list[str]()
    for own, other in own_beside_shared(rows):
        first, second = (Side(row.protocol, same_weights(row.records)) for row in (own, other))
        score = own.records[0].primary
        try:
            if score != other.records[0].primary:
                raise NotPaired("they rank by different scores")
            comparisons.append(paired(store, method, score, first, second))
        except (NotPaired, RecordError) as fault:
            sentences.append(f"{own.protocol} and {other.protocol} are not compared: {fault}")
    paper = str(preset.get("paper", METHODS.get(method).card.paper))
    return MethodRecipes(method, paper, rows, sentences, corrected(comparisons))


def _row(protocol: str, request: GridRequest, records: Sequence[Record]) -> RecipeRow | None:
    """The records under one protocol; None where there are none."""
    [method] = request.methods
    own = [one for one in records if (one.method["name"], one.protocol["name"]) == (method, protocol)]
    if not own:
        return None
    shared, named = protocol in shared_recipes(), protocol in own_recipes(method)
    whose = BOTH if shared and named else OWN if named else SHARED
    ordered = sorted(own, key=lambda record: record.seed)
    return RecipeRow(protocol, whose, PROTOCOLS.get(protocol).trains, ordered, _width(ordered[0], request))


def _width(record: Record, request: GridRequest) -> str:
    """How many numbers a head reads of a clip, per stream where there are several; empty where no checkpoint is."""
    cell = next(one for one in request.cells() if one.seed == record.seed)
    try:
        opened = open_encoders(pretrain_folder(request.output, cell, record.pretrain_identity))
    except CheckpointError:
        return ""
    options = record.config["protocol"]
    levels = options.get("levels") or [options.get("level", "")]
    return " + ".join(
        " or ".join(dict.fromkeys(str(_read(encoder, str(level))) for level in levels))
        for encoder in opened.encoders.values()
    )


def _read(encoder: Encoder, level: str) -> int:
    return encoder.levels[level] if level else encoder.dim
