"""Pruning removes what nothing needs, says why, and can hurt nothing else: a results folder with a trap in it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from sslskel import files
from sslskel.engine.checkpoint import load_optimiser, load_weights, read_state, resolve, save_checkpoint
from sslskel.errors import RunError, UsageError
from sslskel.grid.request import GridRequest
from sslskel.grid.run import evaluate, pretrain, run_grid
from sslskel.grid.runs import PretrainRun, list_runs, prune
from sslskel.results.store import ResultStore

Command = Callable[..., Any]
PLUGINS = Path(__file__).resolve().parents[1] / "support" / "plugins"


def request(seeds: tuple[int, ...] = (0,), **changes: Any) -> GridRequest:
    asked: dict[str, Any] = {"methods": ("random_init",), "protocols": ("knn",), "benchmarks": ("tiny",)}
    return GridRequest(**{**asked, "seeds": seeds, "overrides": ("backbone.dim=8", "backbone.depth=1"), **changes})


@pytest.fixture(scope="module")
def made(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with one run that a record needs, and one that none does."""
    place = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSLSKEL_PLUGINS", str(PLUGINS))
        patch.setenv("SSLSKEL_DATA", str(data_folder))
        patch.chdir(place)
        run_grid(request())
        pretrain(request((1,)))
    return place / "runs"


@pytest.fixture
def runs(made: Path, tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it in the working folder."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(made, "runs"))


def folder_of(seed: int) -> Path:
    [folder] = [path for path in Path("runs/pretrain").iterdir() if f"-s{seed}-" in path.name]
    return folder


def rewrite(folder: Path, state: Mapping[str, Any] | None = None, **meta: Any) -> None:
    """Write a run's checkpoint again, sound and with something else in it."""
    step = resolve(folder)
    before = read_state(step)
    content = {**before, **(state or {}), "meta": {**before["meta"], **meta}}
    weights, optimiser = load_weights(step), load_optimiser(step)
    shutil.rmtree(step)
    content.pop("step")
    content.pop("format")
    save_checkpoint(folder, int(before["step"]), weights, optimiser, content, keep=1)


def snapshot(folder: Path = Path()) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def pruned(**options: Any) -> list[str]:
    return [run.folder.name for run in prune("runs", really=True, **options)]


def why_kept(seed: int, **options: Any) -> str:
    [run] = [run for run in list_runs("runs", **options) if f"-s{seed}-" in run.folder.name]
    return run.kept


def test_what_no_record_needs_is_listed_with_its_size_and_why_and_removed(runs: Path, sslskel: Command) -> None:
    unused, used = folder_of(1), folder_of(0)
    listed = sslskel("runs", "prune").stdout
    assert f"would remove {unused} (" in listed
    assert "MiB): finished at step 0; no record was made with it and no other run needs it" in listed
    assert unused.is_dir()
    assert sslskel("runs", "prune", "--yes").stdout.startswith(f"removed {unused}")
    assert [used] == list(Path("runs/pretrain").iterdir())
    assert why_kept(0) == "1 record was made with it"
    assert run_grid(request()).reused == 1


@pytest.mark.parametrize("identity", ["../../precious", "{root}/precious", "..", "", "x" * 32, 7, ["a"]])
def test_an_identity_that_leads_elsewhere_is_refused(identity: Any, runs: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("years")
    if isinstance(identity, str):
        identity = identity.format(root=tmp_path)
    rewrite(folder_of(1), identity=identity)
    before = snapshot()
    assert pruned(unfinished=True) == []
    assert "where an identity of 8 to 64 hexadecimal digits was expected" in why_kept(1)
    with pytest.raises(UsageError, match="an identity of 8 to 64 hexadecimal digits"):
        evaluate(folder_of(1), "knn")
    assert snapshot() == before


@pytest.mark.parametrize("place", ["pretrain", "run", "features"])
def test_what_a_link_leads_to_is_left_alone(place: str, runs: Path, tmp_path: Path) -> None:
    run = folder_of(1)
    kept = runs / "features" / str(read_state(run)["meta"]["identity"])
    kept.mkdir(parents=True)
    (kept / "a.features").write_bytes(b"a")
    linked = {"pretrain": runs / "pretrain", "run": run, "features": runs / "features"}[place]
    linked.rename(tmp_path / "scratch")
    linked.symlink_to(tmp_path / "scratch")
    before = snapshot(tmp_path / "scratch")
    assert pruned() == ([run.name] if place == "features" else [])
    assert snapshot(tmp_path / "scratch") == before
    if place != "features":
        assert why_kept(1) == "it is not in runs: a link leads there"


def test_an_unfinished_run_is_kept_until_it_is_given_up(runs: Path, sslskel: Command) -> None:
    rewrite(folder_of(1), {"finished": False})
    assert "unfinished at step 0" in why_kept(1)
    assert pruned() == []
    assert "unfinished at step 0; the same command continues from it" in sslskel("runs", "prune").stdout
    assert len(pruned(unfinished=True)) == 1


def test_what_a_process_works_on_stays_whatever_is_given_up(runs: Path) -> None:
    identity = read_state(folder_of(1))["meta"]["identity"]
    claim = ResultStore(runs).claim("ab" * 16, [identity])
    assert claim is not None
    with claim:
        assert pruned(unfinished=True) == []
        assert f"process {os.getpid()} of {socket.gethostname()}, which holds runs/claims" in why_kept(1)
    assert len(pruned()) == 1


def test_a_claim_that_does_not_say_what_for_keeps_everything(runs: Path) -> None:
    claim = ResultStore(runs).claim("ab" * 16)
    assert claim is not None
    with claim:
        assert pruned(unfinished=True) == []
        assert "does not say what for and may need it" in why_kept(1)


def test_a_run_on_which_work_began_meanwhile_stays(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = read_state(folder_of(1))["meta"]["identity"]
    claim = ResultStore(runs).claim(f"pretrain-{identity}", [identity])
    monkeypatch.setattr(ResultStore, "holders", lambda store: [])
    before = snapshot(folder_of(1))
    with pytest.raises(RunError, match=r"could not be removed.*has begun to work on it"):
        prune("runs", really=True)
    assert claim is not None
    assert snapshot(folder_of(1)) == before


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ab" * 16 + ".json", '{"schema": 2}'),
        ("ab" * 16 + ".json", "{"),
        ("ab" * 16 + ".json", None),
        ("notes.txt", "to be read"),
    ],
)
def test_a_record_that_cannot_be_read_may_need_any_run(name: str, content: str | None, runs: Path) -> None:
    file = runs / "records" / name
    os.mkfifo(file) if content is None else file.write_text(content)
    assert pruned(unfinished=True) == []
    assert f"runs/records/{name} cannot be read" in why_kept(1)
    file.unlink()
    assert len(pruned()) == 1


def hide(hidden: Path, patch: pytest.MonkeyPatch) -> None:
    """Nobody may read a file or a folder; root could whatever its mode is."""
    looks = {"scandir": os.scandir, "stat": os.stat}

    def refuse(name: str) -> Callable[..., Any]:
        def look(path: Any = ".", **options: Any) -> Any:
            if (name == "scandir" or hidden.suffix) and not isinstance(path, int) and Path(path) == hidden:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return looks[name](path, **options)

        return look

    for name in looks:
        patch.setattr(os, name, refuse(name))


@pytest.mark.parametrize("place", ["runs/records", "runs/pretrain", "record", "run"])
def test_what_may_not_be_read_may_need_any_run(place: str, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [record] = Path("runs/records").iterdir()
    with monkeypatch.context() as patch:
        hide({"record": record, "run": folder_of(0)}.get(place, Path(place)), patch)
        if place == "runs/pretrain":
            with pytest.raises(UsageError, match="runs/pretrain cannot be read: Permission denied"):
                pruned()
        else:
            assert pruned(unfinished=True) == []
            assert "Permission denied" in why_kept(1)
    assert len(pruned()) == 1


def damage(folder: Path) -> None:
    (resolve(folder) / "model.safetensors").write_bytes(b"")


def newer(folder: Path) -> None:
    manifest = resolve(folder) / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 2'))


def hold_more(folder: Path) -> None:
    (folder / "thesis.txt").write_text("years")


def speak_nonsense(folder: Path) -> None:
    rewrite(folder, seen=7)


@pytest.mark.parametrize("hurt", [damage, newer, hold_more, speak_nonsense])
def test_a_run_that_is_not_known_in_full_stays(hurt: Callable[[Path], None], runs: Path) -> None:
    hurt(folder_of(1))
    assert pruned(unfinished=True) == []
    assert why_kept(1)


def test_a_run_that_cannot_be_read_may_need_any_other(runs: Path) -> None:
    damage(folder_of(0))
    for file in (runs / "records").iterdir():
        file.unlink()
    assert pruned(unfinished=True) == []
    assert "is not known in full (its checkpoints are damaged) and may need it" in why_kept(1)


def test_a_folder_that_is_no_run_stays(runs: Path) -> None:
    (runs / "pretrain" / "notes").mkdir()
    (runs / "pretrain" / "notes" / "a.txt").write_text("mine")
    assert "notes" not in pruned(unfinished=True)
    assert (runs / "pretrain" / "notes" / "a.txt").exists()


@pytest.mark.parametrize("key", ["stages", "origins", "init_identity"])
def test_what_a_needed_run_came_from_stays(key: str, runs: Path) -> None:
    """Through a third run, in either order of names."""
    pretrain(request((2,)))
    one, two = (read_state(folder_of(seed))["meta"]["identity"] for seed in (1, 2))

    def source(identity: str) -> dict[str, Any]:
        facts: dict[str, Any] = {"identity": identity, "kind": "checkpoint", "name": "n", "sha256": "0" * 64}
        facts |= {"method": "m", "version": 1, "options": "none", "taken": "the backbone"}
        return {"init": "f" * 64, key: identity} if key == "init_identity" else {key: [facts]}

    rewrite(folder_of(0), **source(two))
    rewrite(folder_of(2), **source(one))
    assert pruned() == []
    assert [run.records for run in list_runs("runs")] == [1, 1, 1]
    rewrite(folder_of(0), init="", stages=[], origins=[], init_identity="")
    assert len(pruned()) == 2


def test_an_unfinished_run_keeps_what_it_came_from(runs: Path) -> None:
    pretrain(request((2,)))
    rewrite(
        folder_of(2), {"finished": False}, init="f" * 64, init_identity=read_state(folder_of(1))["meta"]["identity"]
    )
    assert pruned() == []
    assert why_kept(1) == f"{folder_of(2).name} was made with it"


def test_a_run_says_which_run_its_first_weights_are_of(runs: Path) -> None:
    first = folder_of(1)
    pretrain(request((3,), init=first))
    meta = read_state(folder_of(3))["meta"]
    assert meta["init_identity"] == read_state(first)["meta"]["identity"]
    rewrite(folder_of(3), init_identity="")
    assert "started from weights of another run and does not say which" in why_kept(3)
    assert pruned() == []


def test_features_of_an_encoder_that_stays_stay(runs: Path) -> None:
    copy = runs / "pretrain" / f"copy-s1-{folder_of(1).name[-10:]}"
    shutil.copytree(folder_of(1), copy)
    (copy / "mine.txt").write_text("years")
    kept = runs / "features" / str(read_state(copy)["meta"]["identity"])
    kept.mkdir(parents=True)
    assert len(pruned()) == 1
    assert kept.is_dir()
    (copy / "mine.txt").unlink()
    assert len(pruned()) == 1
    assert not kept.exists()


def test_a_removal_that_was_interrupted_is_finished(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    name = folder_of(1).name
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            pruned()
    assert [run.folder.name for run in list_runs("runs") if not run.kept] == [f".{name}.pruned-{os.getpid()}"]
    assert len(pruned()) == 1
    assert [folder_of(0)] == list(Path("runs/pretrain").iterdir())


def full(*_: object, **__: object) -> None:
    """Takes the place of whatever writes."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_after_a_full_disk_pruning_takes_nothing_that_the_same_command_continues_from(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(store: ResultStore, *_: object) -> None:
        with files.writing_in(store.folder, "a record"):
            full()

    with monkeypatch.context() as patch:
        patch.setattr(ResultStore, "write", write)
        [failure] = run_grid(request((1,))).failures
    assert "free some, for instance with `sslskel runs prune`, which keeps what this command continues from" in failure
    assert pruned() == []
    encoder = resolve(folder_of(1)) / "manifest.json"
    before = encoder.stat().st_mtime_ns
    assert run_grid(request((1,))).ran == 1
    assert encoder.stat().st_mtime_ns == before
    assert list((runs / "claims").glob("*.unfinished")) == []


def test_on_a_full_disk_there_is_still_room_made(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sslskel.results.claims.publish", full)
    assert len(pruned()) == 1


def test_work_that_was_given_up_is_forgotten(runs: Path) -> None:
    identity = read_state(folder_of(1))["meta"]["identity"]
    claim = ResultStore(runs).claim("ab" * 16, [identity])
    with pytest.raises(RuntimeError), claim:  # type: ignore[union-attr]
        raise RuntimeError
    [note] = (runs / "claims").glob("*.unfinished")
    assert why_kept(1) == f"the command that left {note} continues from it"
    assert pruned() == []
    assert len(pruned(unfinished=True)) == 1
    assert not note.exists()


def test_a_record_of_other_code_does_not_keep_an_outdated_encoder(runs: Path) -> None:
    run, record = folder_of(0), next((runs / "records").iterdir())
    old = run.with_name(f"{run.name}.outdated-1")
    shutil.copytree(run, old)
    sources = read_state(run)["meta"]["sources"]
    rewrite(old, sources={**sources, "method": "0" * 12})
    [listed] = [one for one in list_runs("runs") if one.folder == old]
    assert (listed.kept, listed.records) == ("", 0)
    content = json.loads(record.read_text())
    del content["digest"]
    record.write_text(json.dumps({**content, "sources": {**content["sources"], "method": "0" * 12}}))
    by_name: dict[str, PretrainRun] = {one.folder.name: one for one in list_runs("runs")}
    assert by_name[old.name].records == 1
    assert old.name not in pruned()
