"""Packs a pretrained encoder to share: weights, configuration, records and a card in one folder.

The folder is a checkpoint and a results folder at once; no path of this machine is needed to use it.
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Sequence
from pathlib import Path

import yaml

from sslskel.config.compose import from_plain
from sslskel.config.groups import ClipConfig
from sslskel.encoders.meta import CheckpointMeta, Construction
from sslskel.engine.checkpoint import pack, resolve
from sslskel.engine.origins import by_content
from sslskel.errors import UsageError
from sslskel.files import new_folder, write_synced, writing_in
from sslskel.plugins.local import LOCAL_FOLDER
from sslskel.plugins.registry import BENCHMARKS, DEFAULT_PROTOCOL
from sslskel.results.origins import described
from sslskel.results.record import Record, RecordError
from sslskel.results.store import ResultStore
from sslskel.text import escape, percent, plain, table
from sslskel.transforms.clip import clip_spec

CARD = "README.md"

_log = logging.getLogger("sslskel")


def export(checkpoint: Path | str, target: Path | str, *, results: Path | str | None = None) -> tuple[Path, int]:
    """Write ``target``, a folder that ``sslskel evaluate --checkpoint`` takes; returns it and its number of records.

    ``checkpoint`` is a run's folder below ``pretrain/`` or one step's directory; ``results`` is
    the results folder with the records made from it, by default the one around the checkpoint.
    Raises ``CheckpointError`` for a damaged checkpoint, ``UsageError`` where the target
    exists, ``RunError`` where it cannot be written. The folder appears whole or not at all.
    """
    step, target = resolve(Path(checkpoint)), Path(target)
    if target.exists():
        raise UsageError(f"{target} is there already; remove it or choose another folder")
    store = ResultStore(_results_of(step) if results is None else results)
    with writing_in(target.parent, f"the export '{target.name}'"), new_folder(target) as temporary:
        state = pack(step, temporary)
        meta = CheckpointMeta.from_json(state["meta"], step)
        records = _packed_records(store, ResultStore(temporary), meta.identity)
        write_synced(temporary / CARD, _card(target.name, meta, state["step"], records).encode())
    return target, len(records)


def _packed_records(store: ResultStore, own: ResultStore, identity: str) -> list[Record]:
    """Copy an encoder's records and predictions; one line of warning names each that is left out."""
    packed = []
    for record in store.records():
        if record.pretrain_identity != identity:
            continue
        try:
            packed.append(own.write(record, store.predictions(record) or None))
        except RecordError as fault:
            _log.warning("left out record %s: %s", record.identity, fault)
    return packed


def _results_of(step: Path) -> Path:
    """The results folder around RESULTS/pretrain/RUN/step-...; a lone checkpoint has no records."""
    return step.resolve().parent.parent.parent


def _card(name: str, meta: CheckpointMeta, step: int, records: Sequence[Record]) -> str:
    """What a recipient of the folder must know: data, recipe, results, licence, limits, use."""
    made = meta.construction
    assert made is not None
    seen = [
        f"- {escape(s['dataset'])}, split {escape(s['split'])}, part {escape(s['part'])}: {s['clips']:,} clips,"
        f" data {escape(s['fingerprint'][:12])}"
        for s in meta.seen
    ]
    brought = [f"- {escape(described(origin))}" for origin in meta.origins]
    named = {origin["option"]: origin["sha256"] for origin in meta.origins if "option" in origin}
    options = by_content(made.method, named)
    recipe = {"clip": made.clip, "train": made.train, "method": options, "backbone": made.backbone}
    together = str(made.train.get("suite", ""))
    folder = shlex.quote(plain(name))
    blocks = [
        _front_matter(meta),
        f"# {escape(name)}",
        f"An encoder of 3D human skeletons: method {escape(meta.method.name)} (version"
        f" {meta.method.version}), backbone {escape(meta.backbone.name)}, preset {escape(meta.preset)},"
        f" seed {meta.seed}, precision {escape(made.precision)}, step {step:,}.",
        "## Data",
        *([f"Pretrained on suite:{escape(together)}, without the clips that its splits test:"] if together else []),
        "\n".join(seen) or ("It was not trained here." if brought else "It was not trained on any clip."),
        *(["Besides clips it comes from:", "\n".join(brought)] if brought else []),
        _body(made),
        "## Results",
        _scores(records),
        "## Use",
        "```sh\n"
        f"sslskel evaluate --checkpoint {folder} --protocol {DEFAULT_PROTOCOL} --benchmark {meta.benchmark.name}\n"
        f"sslskel leaderboard --results {folder}\n```",
        f"In Python, `sslskel.load_encoder({folder!r})` gives a module that maps (N, C, T, V, M) to (N, D).",
        *_code(meta),
        "## Licence",
        f"Data: {escape(_licences(meta))}. Whether weights learned from data fall under its licence is"
        " not settled; treat them as if they did.",
        "## Limits",
        f"Trained {'' if together else 'and evaluated '}on {escape(_datasets(meta))} alone unless the results say"
        " otherwise: other layouts, frame rates, sensors and people were not tried. Scores are of the test part of the"
        " splits named above, with this"
        " one seed.",
        "## Recipe",
        f"```yaml\n{yaml.safe_dump(recipe, sort_keys=True, allow_unicode=False)}```",
    ]
    return "\n\n".join(blocks) + "\n"


def _front_matter(meta: CheckpointMeta) -> str:
    """What a model hub reads of a card, as YAML between dashes."""
    tags = ["skeleton", "self-supervised-learning", "action-recognition", meta.method.name, meta.backbone.name]
    facts = {
        "library_name": "sslskel",
        "pipeline_tag": "feature-extraction",
        "license": "other",
        "license_name": "of-the-training-data",
        "tags": list(dict.fromkeys(plain(tag) for tag in tags)),
    }
    return f"---\n{yaml.safe_dump(facts, sort_keys=False, allow_unicode=False)}---"


def _body(made: Construction) -> str:
    """What clips the encoder reads."""
    dataset = made.dataset
    spec = clip_spec(dataset.info, from_plain(ClipConfig, made.clip, "clip"))
    rate = "frames/s, to which clips of other rates are resampled" if spec.resampled else "frames/s"
    return (
        f"Layout {escape(spec.layout.name)}, {spec.layout.num_joints} joints, {spec.coordinates} coordinates, unit"
        f" {escape(spec.unit)}, {spec.fps:g} {rate}, at most {dataset.persons} persons."
    )


def _datasets(meta: CheckpointMeta) -> str:
    """The datasets that it was made for or trained on."""
    assert meta.construction is not None
    return ", ".join(dict.fromkeys(entry["dataset"] for entry in meta.seen)) or meta.construction.dataset.name


def _code(meta: CheckpointMeta) -> list[str]:
    """Which files of local plugins it takes to open the folder."""
    parts = {"methods": meta.method.origin, "backbones": meta.backbone.origin}
    places = [f"{LOCAL_FOLDER}/{kind}/{Path(file).name}" for kind, file in parts.items() if Path(file).is_absolute()]
    if not places:
        return []
    return [f"Its code is not part of sslskel; ask its owner, and copy it to {escape(' and '.join(places))}."]


def _scores(records: Sequence[Record]) -> str:
    if not records:
        return "No record was made from it yet."
    rows = []
    for record in sorted(records, key=lambda r: (r.benchmark["name"], r.protocol["name"], r.identity)):
        place = f"{record.benchmark['name']}/{record.benchmark['split']}"
        names = (place, record.protocol["name"], record.protocol["recipe"])
        score = f"{escape(record.primary)} {percent(record.scores[record.primary])} %"
        rows.append([*map(escape, names), score])
    return table(("benchmark", "protocol", "recipe", "score"), rows, range(3, 4))


def _licences(meta: CheckpointMeta) -> str:
    """Of the benchmark, or of every dataset that was trained on where these are several."""
    names = list(dict.fromkeys(entry["dataset"] for entry in meta.seen))
    if len(names) < 2:
        return _licence(meta.benchmark.name)
    return "; ".join(f"{name}: {_licence(name)}" for name in names)


def _licence(benchmark: str) -> str:
    known = BENCHMARKS.installed(benchmark)
    return "of a benchmark that is not installed here" if known is None else known.licence
