"""What must stand below the table: warnings, and how the numbers were made.

Every sentence is a function of the records; nothing here changes a number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sslskel.api.benchmark import CLEAN
from sslskel.leaderboard.heads import head_note
from sslskel.leaderboard.imposed import EACH_OWN, home_of
from sslskel.leaderboard.labels import names_of
from sslskel.leaderboard.model import BoardCell, Column, Row, mean_words
from sslskel.leaderboard.seeds import seed_notes
from sslskel.results.origins import described, title_of
from sslskel.results.record import CHOSEN_EPOCH, CHOSEN_ON_TEST, DECLARED, Record
from sslskel.results.statistics import summarise

CHOSEN = ("epoch", "head", "checkpoint")
"""Of what a record may name the best on test."""


def notes_of(
    columns: Sequence[Column], rows: Sequence[Row], members: Sequence[Sequence[Record]], records: Sequence[Record]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Notes and warnings. ``members`` are the records of each column, ``records`` all of them."""
    if not records:
        return (), ()
    notes = [_column_note(column, own) for column, own in zip(columns, members, strict=True)]
    for of in CHOSEN:
        notes += filter(None, (_test_choice_note(at, columns[at], of, own, rows) for at, own in enumerate(members)))
    names = names_of(rows)
    notes += filter(None, (head_note(at, columns[at], own, rows, names) for at, own in enumerate(members)))
    notes += seed_notes(columns, rows, names)
    notes += filter(None, [_own_presets_note(rows, records)])
    presets = sorted({record.preset for record in records})
    notes += [_preset_note(preset, [r for r in records if r.preset == preset]) for preset in presets]
    notes += _description_notes(rows, records)
    chosen = _of_rows(rows, records, _chosen_epoch)
    notes += [f"epoch of pretraining chosen by labels: {name}: {'; '.join(texts)}" for name, texts in chosen.items()]
    origins = _of_rows(rows, records, lambda record: [described(one) for one in record.origins])
    notes += [f"read besides clips: {name}: {'; '.join(texts)}" for name, texts in origins.items()]
    notes += [_code_note(records), _cost_note(records), *filter(None, [_pretraining_note(rows)])]
    return tuple(notes), tuple(_warnings(columns, rows, members))


def _of_rows(
    rows: Sequence[Row], records: Sequence[Record], facts: Callable[[Record], Iterable[str]]
) -> dict[str, list[str]]:
    """What the records of each row say, each text once, by the row's name; rows without any are left out."""
    names, made = names_of(rows), {record.identity: record for record in records}
    of_row = {
        names[row.key]: [made[one] for cell in row.cells if cell for one in cell.records if one in made] for row in rows
    }
    texts = {name: list(dict.fromkeys(text for one in own for text in facts(one))) for name, own in of_row.items()}
    return {name: own for name, own in texts.items() if own}


def _warnings(columns: Sequence[Column], rows: Sequence[Row], members: Sequence[Sequence[Record]]) -> Iterable[str]:
    split = {
        f"{column.benchmark}/{column.split}: {record.benchmark['warning']}"
        for column, own in zip(columns, members, strict=True)
        for record in own
        if record.benchmark["warning"]
    }
    yield from sorted(split)
    yield from sorted(set().union(*(_copies(column, own) for column, own in zip(columns, members, strict=True))))
    unknown = sorted({r.method["name"] for own in members for r in own if r.method["plugin"] == "released"})
    if unknown:
        yield (
            "what released encoders saw in pretraining is not known, test clips not excluded, marked ‡:"
            f" {', '.join(unknown)}"
        )
    declared = {r.method["name"]: _declared(r) for own in members for r in own if r.method["plugin"] == DECLARED}
    if declared:
        saw = ", ".join(f"{name} ({declared[name]})" for name in sorted(declared))
        yield (
            "what these encoders saw in pretraining is what their owners declared, and was not checked, marked ‡:"
            f" {saw}"
        )
    yield from _origin_warnings(rows, [record for own in members for record in own])
    names = names_of(rows)
    for position, (column, own) in enumerate(zip(columns, members, strict=True)):
        leaking = [names[row.key] + _counted(cell, own) for row in rows if (cell := row.cells[position]) and cell.leak]
        if leaking:
            yield (
                f"{column.title}: pretraining saw clips of the test part, or of a split that may hold some,"
                f" marked †: {', '.join(leaking)}"
            )
        for what, values in (
            ("labelled clips", {r.labels for r in own}),
            ("test clips", {r.counts["test"] for r in own}),
        ):
            if len(values) > 1:
                yield f"{column.title}: rows used from {min(values)} to {max(values)} {what}"


def _copies(column: Column, records: Sequence[Record]) -> set[str]:
    return {
        f"{column.benchmark}/{column.split}: {record.copied_test_clips} of {record.counts['test']} test clips hold"
        f" frames of training clips, so that scores are too high; --split {column.split}{CLEAN} leaves them out"
        for record in records
        if record.copied_test_clips
    }


def _origin_warnings(rows: Sequence[Row], records: Sequence[Record]) -> Iterable[str]:
    unknown = _of_rows(rows, records, lambda r: [title_of(one) for one in r.origins if "saw" not in one])
    declared = _of_rows(rows, records, lambda r: [title_of(one) for one in r.origins if one.get("declared")])
    for files, verdict in (
        (unknown, "is not known, test clips not excluded, marked ‡"),
        (declared, "is what their owners declared, and was not checked, marked ‡"),
    ):
        if files:
            read = "; ".join(f"{name}: {', '.join(titles)}" for name, titles in files.items())
            yield f"what these files were made from {verdict}: {read}"


def _declared(record: Record) -> str:
    return " + ".join(sorted(f"{seen['dataset']}/{seen['split']}" for seen in record.seen)) or "no data"


def _counted(cell: BoardCell, records: Sequence[Record]) -> str:
    """How many test clips were seen, where that is known: `` (95 of 464 test clips)``."""
    of_cell = set(cell.records)
    counts = [
        (seen["overlap"], record.counts["test"])
        for record in records
        if record.identity in of_cell
        for seen in record.seen
        if seen.get("overlap")
    ]
    return " ({} of {} test clips)".format(*max(counts)) if counts else ""


def _description_notes(rows: Sequence[Row], records: Sequence[Record]) -> list[str]:
    named = _of_rows(rows, records, lambda record: ["described"] if record.method.get("described") else [])
    return [f"after the description, no code was released: {', '.join(named)}"] if named else []


def _chosen_epoch(record: Record) -> list[str]:
    """Which epoch a probe chose, in words; empty where the last one is judged."""
    details = record.extra.get("details")
    chosen = details.get(CHOSEN_EPOCH) if isinstance(details, dict) else None
    if not isinstance(chosen, dict):
        return []
    what, _, held = str(chosen.get("probe")).partition("/")
    return [f"seed {record.seed}: epoch {chosen.get('epoch')}, of the highest {what} score on held-out training {held}"]


def _column_note(column: Column, records: Sequence[Record]) -> str:
    counts = records[0].counts
    return (
        f"{column.title}: recipe {column.recipe}, selection {column.selection}, {counts['num_classes']} classes,"
        f" {max(record.labels for record in records)} labelled and {counts['test']} test clips; protocol version"
        f" {column.protocol_version}, benchmark version {column.benchmark_version}, data {column.fingerprint[:12]}"
    )


def _test_choice_note(position: int, column: Column, of: str, records: Sequence[Record], rows: Sequence[Row]) -> str:
    """What records say of their best test one of ``CHOSEN``; it is not a cell, so it can neither rank nor be bold."""
    best = {record.identity: share for record in records if (share := best_on_test(record, of)) is not None}
    parts, names = [], names_of(rows)
    for row in rows:
        cell = row.cells[position]
        by_weights = [[best.get(e.record) for e in one.evaluations] for one in cell.pretrainings] if cell else []
        known = [[share for share in shares if share is not None] for shares in by_weights]
        values = [summarise(shares).mean for shares in known if shares]
        if values:
            parts.append(f"{names[row.key]} {mean_words(summarise(values))}")
    return (
        f"{column.title}: for comparison only, the best test {of}, {CHOSEN_ON_TEST}: {', '.join(parts)}"
        if parts
        else ""
    )


def best_on_test(record: Record, of: str) -> float | None:
    """Accuracy of the best test one of ``CHOSEN``, 0 to 1; None where the record holds none that can be read."""
    details = record.extra.get("details")
    best = details.get(f"best_test_{of}") if isinstance(details, dict) else None
    share = best.get("top1") if isinstance(best, dict) else None
    return float(share) if isinstance(share, (int, float)) and 0 <= share <= 1 else None


def _own_presets_note(rows: Sequence[Row], records: Sequence[Record]) -> str:
    """Which preset each benchmark has for the rows in whose columns nobody chose one; empty without such rows."""
    named = {one for row in rows if row.key.preset == EACH_OWN for cell in row.cells if cell for one in cell.records}
    presets = sorted({(home_of(record), record.preset) for record in records if record.identity in named})
    listed = ", ".join(f"{home} {preset}" for home, preset in presets)
    return f"preset {EACH_OWN}: {listed}" if listed else ""


def _preset_note(preset: str, records: Sequence[Record]) -> str:
    trained = [record for record in records if record.seen]
    facts = [_values(records, "clip", "frames", "{} frames")]
    facts += [_values(trained, "train", "epochs", "{} epochs of pretraining")]
    facts += [_values(trained, "train", "stop_after", "ended after {} of them")]
    facts += [_values(trained, "train", "batch_size", "{} clips in a batch")]
    weights = sorted({record.backbone["parameters"] for record in trained})
    facts += [f"{_from_to(weights)} weights in a pretrained encoder" if weights else ""]
    facts += [_values(trained, "train", "lr", "learning rate {}")]
    return f"preset {preset}: {', '.join(filter(None, facts)) or 'no option is known'}"


def _values(records: Sequence[Record], group: str, name: str, words: str) -> str:
    values = {value for r in records if isinstance(value := r.config.get(group, {}).get(name), (int, float))}
    return words.format(_from_to(sorted(values))) if values else ""


def _from_to(values: Sequence[float]) -> str:
    return f"{values[0]:,}" if len(values) == 1 else f"{values[0]:,} to {values[-1]:,}"


def _code_note(records: Sequence[Record]) -> str:
    versions = _listed(r.environment.get("sslskel") for r in records)
    torch = _listed(r.environment["torch"] for r in records)
    commits = _listed(r.environment["commit"][:12] for r in records)
    changed = sum(r.environment["dirty"] for r in records)
    text = f"made with sslskel {versions}, torch {torch}" + (f", commit {commits}" if commits != "unknown" else "")
    silent = sum(not r.sources for r in records)
    text += f"; {changed} of {len(records)} records with uncommitted changes" if changed else ""
    # Boards of early records alone stay as they were.
    earlier = 0 < silent < len(records)
    return text + (f"; {silent} of {len(records)} records do not say which source made them" if earlier else "")


def _cost_note(records: Sequence[Record]) -> str:
    pretrained = {r.pretrain_identity: r.cost.get("pretrain_seconds") or 0.0 for r in records if r.seen}
    judged = [r.cost.get("evaluate_seconds") or 0.0 for r in records]
    machines = _listed(name for r in records for name in (r.environment["cpu"], *_gpus(r)))
    return (
        f"cost: {len(pretrained)} pretrained encoders in {sum(sorted(pretrained.values())) / 3600:.2f} h,"
        f" {len(records)} evaluations in {sum(sorted(judged)) / 3600:.2f} h, on {machines}"
    )


def _pretraining_note(rows: Sequence[Row]) -> str:
    names = names_of(rows)
    parts = [
        f"{names[row.key]} {row.pretrain_seconds / 60:.1f} min at {row.samples_per_second:.0f} clips/s,"
        f" {row.parameters:,} weights in the encoder"
        for row in rows
        if row.trained and row.pretrain_seconds
    ]
    return f"one pretraining, median over seeds: {'; '.join(parts)}" if parts else ""


def _gpus(record: Record) -> list[str]:
    names = record.environment.get("gpus")
    return [str(name) for name in names] if isinstance(names, list) else []


def _listed(names: Iterable[Any]) -> str:
    return ", ".join(sorted({str(name) for name in names if name})) or "unknown"
