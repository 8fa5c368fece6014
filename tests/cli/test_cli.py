"""The installed command, end to end on the tiny benchmark: records, board, reuse, and every user error."""

from __future__ import annotations

import csv
import importlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from sslskel.cli.command import parse

VERBS = (
    "bench", "pretrain", "evaluate", "embed", "export", "leaderboard", "ensemble", "compare", "reproduce",
    "list", "show", "check", "data", "new", "runs", "doctor", "speed", "sweep", "errata", "completion", "push",
)  # fmt: skip


def test_help_lists_every_verb_and_imports_no_torch(sslskel) -> None:  # type: ignore[no-untyped-def]
    done = sslskel("--help")
    assert done.returncode == 0
    assert all(f"  {verb} " in done.stdout for verb in VERBS)
    for verb in VERBS:
        assert sslskel(verb, "--help").returncode == 0


@pytest.mark.parametrize("words", [("--help",), ("list",), ("bench", "--help")])
def test_help_and_list_import_no_torch(words: tuple[str, ...]) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from sslskel.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_help_takes_no_third_of_a_second_of_a_processor() -> None:
    import subprocess
    import sys

    code = (
        "import time; from sslskel.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(time.process_time())"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(3)]
    assert min(float(done.stdout.splitlines()[-1]) for done in runs) < 0.3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("bnch",), "did you mean 'bench'"),
        (("bench",), "--method"),
        (("bench", "--method", "mampp"), "did you mean 'mamp'"),
        (("bench", "--method", "mamp", "--benchmark", "tinny"), "did you mean 'tiny'"),
        (("bench", "--method", "mamp", "--protocol", "liner"), "did you mean 'linear'"),
        (("bench", "--method", "mamp", "--benchmark", "tiny", "--preset", "cpuu"), "did you mean 'cpu'"),
        (("bench", "--method", "mamp", "--benchmark", "tiny", "--split", "xsubb"), "did you mean 'xsub'"),
        (("bench", "--method", "mamp", "--benchmark", "tiny", "--device", "tpu"), "no device 'tpu'"),
        (("bench", "--method", "mamp", "--benchmark", "tiny", "--precision", "fp8"), "fp8"),
        (("bench", "--method", "mamp", "--benchmark", "tiny", "--backbone", "gru9"), "no backbone"),
        (("bench", "--method", "mamp", "--benchmark", "tiny", "method.mask=1"), "no option 'method.mask'"),
        (("bench", "--method", "mamp", "--benchmark", "tiny", "clip.frames=15"), "15"),
        (("bench", "--method", "mamp", "--benchmark", "tiny", "--seeds", "x"), "--seeds"),
        (("bench", "--method", "mamp", "--benchmark", "utd_mhad"), "sslskel data prepare utd_mhad"),
        (("bench", "--method", "mamp", "--benchmark", "tiny", "--init", "nowhere"), "nowhere"),
        (("evaluate", "--checkpoint", "nowhere"), "nowhere"),
        (("leaderboard", "--results", "nowhere"), "nowhere"),
        (("embed", "--checkpoint", "nowhere", "--output", "x.npz"), "nowhere"),
        (("data", "prepare", "utd_mhad", "--source", "nowhere"), "nowhere"),
        (("data", "prepare", "utd_mhad"), "source"),
        (("new", "method", "My-Idea"), "My-Idea"),
        (("new", "method", "mamp"), "already"),
        (("show", "mampp"), "did you mean 'mamp'"),
        (("bench", "--method", "mamp", "engine.checkpoint_every=1"), "`sslskel show engine` lists those of engine"),
        (("list", "--unknown"), "--unknown"),
        (("runs", "list", "--results", "nowhere"), "nowhere"),
    ],
)
def test_user_errors_are_one_sentence_and_leave_nothing(sslskel, tmp_path: Path, words, message: str) -> None:  # type: ignore[no-untyped-def]
    done = sslskel(*words)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("list", "methods"), 0),
        (("bnch",), 2),
        (("bench", "--method", "mamp", "--benchmark", "tiny", "train.lr=1e30", "train.min_lr=1e30"), 1),
    ],
)
def test_the_process_ends_with_the_command_s_code(command, words: tuple[str, ...], code: int) -> None:  # type: ignore[no-untyped-def]
    done = command(*words)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert bool(done.stdout) == (code != 2)


def test_bench_pretrains_evaluates_records_ranks_and_reuses(command, sslskel, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    words = ("bench", "--method", "mamp,random_init,raw_features", "--protocol", "logreg,knn", "--benchmark", "tiny",
             "--seeds", "2", "--results", "out", "--device", "cpu")  # fmt: skip
    first = command(*words)
    assert first.returncode == 0, first.stderr
    assert "12 cells run, 0 already there" in first.stdout
    records = sorted((tmp_path / "out" / "records").glob("*.json"))
    assert len(records) == 12
    assert len(list((tmp_path / "out" / "pretrain").iterdir())) == 6
    before = {path: path.read_bytes() for path in records}
    again = sslskel(*words)
    assert "0 cells run, 12 already there" in again.stdout
    assert {path: path.read_bytes() for path in records} == before
    content = json.loads(records[0].read_text())
    assert content["counts"] == {"train": 18, "validation": 6, "test": 6, "num_classes": 3}
    with np.load(tmp_path / "out" / content["predictions"]["file"]) as rows:
        assert len(rows["keys"]) == 6

    board = sslskel("leaderboard", "--results", "out", "--format", "json", "--output", "board.json")
    assert board.returncode == 0
    rows = json.loads((tmp_path / "board.json").read_text())["rows"]
    assert {row["method"] for row in rows} == {"mamp", "random_init", "raw_features"}
    assert all(cell["seeds"] == [0, 1] for row in rows for cell in row["cells"])
    lines = list(csv.DictReader(io.StringIO(sslskel("leaderboard", "--results", "out", "--format", "csv").stdout)))
    assert {float(line["mean"]) for line in lines} == {c["summary"]["mean"] for row in rows for c in row["cells"]}

    listed = sslskel("runs", "list", "--results", "out").stdout.splitlines()
    assert len(listed) == 6
    assert all("finished" in line and "2 records" in line for line in listed)
    assert sslskel("runs", "prune", "--results", "out", "--yes").stdout == ""


def test_evaluate_and_embed_a_checkpoint(sslskel, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    made = sslskel("pretrain", "--method", "mamp", "--benchmark", "tiny", "--seed", "3", "--results", "out")
    assert made.returncode == 0, made.stderr
    folder = made.stdout.strip()
    judged = sslskel("evaluate", "--checkpoint", folder, "--protocol", "knn", "--results", "out")
    assert judged.returncode == 0, judged.stderr
    [record] = (tmp_path / "out" / "records").glob("*.json")
    assert json.loads(record.read_text())["seed"] == 3
    benched = sslskel("bench", "--method", "mamp", "--benchmark", "tiny", "--protocol", "knn", "--seeds", "3,",
                      "--results", "out")  # fmt: skip
    assert "0 cells run, 1 already there" in benched.stdout
    done = sslskel("embed", "--checkpoint", folder, "--output", "features.npz")
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "features.npz") as arrays:
        assert arrays["features"].shape == (24, 16)
        assert sorted(set(arrays["parts"].tolist())) == ["test", "train"]

    from sslskel import load_encoder

    encoder = load_encoder(tmp_path / folder)
    assert encoder(torch.randn(2, 3, 16, 25, 2)).shape == (2, 16)


def test_a_run_from_other_weights_is_another_row_and_inherits_what_they_saw(sslskel, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    made = sslskel("pretrain", "--method", "mamp", "--benchmark", "tiny", "--results", "out")
    words = ("bench", "--method", "mamp", "--benchmark", "tiny", "--protocol", "knn", "--results", "out")
    assert sslskel(*words).returncode == 0
    continued = sslskel(*words, "--init", made.stdout.strip())
    assert continued.returncode == 0, continued.stderr
    assert "init" in continued.stdout
    records = [json.loads(path.read_text()) for path in (tmp_path / "out" / "records").glob("*.json")]
    assert sorted(len(record["seen"]) for record in records) == [1, 2]
    assert sslskel(*words, "--init", str(tmp_path / "out" / "records")).returncode == 2


def test_a_method_without_a_backbone_names_none(sslskel, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert sslskel("bench", "--method", "raw_features", "--benchmark", "tiny", "--protocol", "knn").returncode == 0
    [record] = (tmp_path / "runs" / "records").glob("*.json")
    content = json.loads(record.read_text())
    assert content["backbone"] == {"name": "none", "parameters": 0, "version": 1}
    assert content["environment"]["device"] == "cpu"


def test_dry_run_lists_cells_and_writes_nothing(sslskel, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    done = sslskel("bench", "--method", "mamp,random_init", "--benchmark", "tiny", "--seeds", "2", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "4 of 4 cells to run" in done.stdout
    assert not list(tmp_path.iterdir())


def test_new_method_works_at_once_outside_a_checkout(sslskel, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    made = sslskel("new", "method", "my_idea")
    assert made.returncode == 0, made.stderr
    checked = sslskel("check", "method", "my_idea")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    benched = sslskel("bench", "--method", "my_idea", "--benchmark", "tiny")
    assert benched.returncode == 0, benched.stderr
    assert "my_idea" in benched.stdout
    assert sslskel("new", "method", "my_idea").returncode == 2


def test_new_backbone_works_at_once_outside_a_checkout(sslskel, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    made = sslskel("new", "backbone", "my_net")
    assert made.returncode == 0, made.stderr
    assert "sslskel bench --method METHOD --backbone my_net" in made.stdout
    checked = sslskel("check", "backbone", "my_net")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert sslskel("new", "method", "my_idea").returncode == 0
    words = ("--method", "my_idea", "--backbone", "my_net", "--protocol", "finetune", "--benchmark", "tiny")
    benched = sslskel("bench", *words, "train.epochs=1", "protocol.epochs=2", "protocol.warmup_epochs=1")
    assert benched.returncode == 0, benched.stderr
    assert "my_net" in benched.stdout
    assert sslskel("new", "backbone", "my_net").returncode == 2
    assert sslskel("new", "backbone", "st_gcn").returncode == 2


def test_new_protocol_works_at_once_outside_a_checkout(sslskel, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    made = sslskel("new", "protocol", "my_way")
    assert made.returncode == 0, made.stderr
    checked = sslskel("check", "protocol", "my_way")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    benched = sslskel("bench", "--method", "random_init", "--protocol", "my_way", "--benchmark", "tiny")
    assert benched.returncode == 0, benched.stderr
    assert "my_way" in benched.stdout
    assert sslskel("new", "protocol", "my_way").returncode == 2
    assert sslskel("new", "protocol", "knn").returncode == 2


def test_damaged_prepared_data_stops_before_any_work(sslskel, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert sslskel("data", "verify", "tiny", SSLSKEL_DATA=str(tmp_path / "data")).returncode == 0
    file = tmp_path / "data" / "tiny" / "joints.npy"
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.chmod(0o644)
    file.write_bytes(content)
    for words in (("data", "verify", "tiny"), ("bench", "--method", "random_init", "--benchmark", "tiny")):
        done = sslskel(*words, SSLSKEL_DATA=str(tmp_path / "data"))
        assert done.returncode == 2, done.stderr
        assert "joints.npy" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_failed_run_exits_1_and_is_noted(sslskel, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    done = sslskel("bench", "--method", "mamp", "--benchmark", "tiny", "--seeds", "1", "train.lr=1e30",
                    "train.min_lr=1e30", "train.warmup_epochs=0")  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "step" in done.stderr
    [failure] = (tmp_path / "runs" / "failures").glob("*.json")
    assert json.loads(failure.read_text())["error"] == "Diverged"


def test_speed_writes_json(sslskel, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    done = sslskel("speed", "--method", "mamp", "--benchmark", "tiny", "--steps", "2", "--output", "speed.json")
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "speed.json").read_text())
    assert report["pretraining"]["samples_per_second"] > 0
    assert set(report["pretraining"]["seconds"]) == {"load", "forward", "backward", "optimiser"}
    assert report["peak_memory_bytes"] > 0


def test_list_and_show(sslskel) -> None:  # type: ignore[no-untyped-def]
    listed = sslskel("list", "methods").stdout
    assert "    MAMP: motion-aware masking, motion predicted from joints\n" in listed
    assert "    SkeletonCLR: momentum contrast on skeleton clips, the baseline of the ...\n" in listed
    assert max(map(len, listed.splitlines())) <= 80
    assert [line for line in listed.splitlines()[1::2] if not line.startswith("    ")] == []
    assert sslskel("list", "--check").returncode == 0
    shown = sslskel("show", "mamp").stdout
    assert "method.mask_ratio=0.9" in shown
    assert sslskel("show", "tiny").returncode == 0
    assert "  train.lr=0.1\n" in sslskel("show", "crossclr").stdout
    assert "  train.checkpoint_epochs=20\n" in sslskel("show", "train").stdout


def test_list_and_show_tell_of_local_plugins(sslskel, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert sslskel("new", "method", "my_idea").returncode == 0
    file = tmp_path / "sslskel_plugins" / "methods" / "my_idea.py"
    text = file.read_text()
    sized = '    Config = MyIdeaConfig\n    presets = {"quick": {"train": {"epochs": 2}}}\n'
    file.write_text(text.replace("    Config = MyIdeaConfig\n", sized))
    shown = sslskel("show", "my_idea").stdout
    assert str(file) in shown
    assert "sizes of its own in presets: quick" in shown
    preset = tmp_path / "sslskel_plugins" / "configs" / "method" / "my_strong.yaml"
    preset.parent.mkdir(parents=True)
    preset.write_text("plugin: my_idea\nconfig: {jitter: 0.2}\n")
    assert str(preset) in sslskel("list", "methods").stdout, "where it is, as of other local files"
    table = sslskel("list", "methods", "--table").stdout
    assert "| `my_idea` |" in table
    assert "| `mamp` |" in table


@pytest.mark.long
def test_bench_under_torchrun_writes_one_record_per_cell(command_env: dict[str, str], tmp_path: Path) -> None:
    import subprocess
    import sys

    words = ["bench", "--method", "mamp,random_init", "--benchmark", "tiny", "--protocol", "linear,knn"]
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29611", "-m"]
    for expected in ("4 cells run", "0 cells run, 4 already there"):
        done = subprocess.run(
            [*launch, "sslskel", *words, "--device", "cpu"],
            cwd=tmp_path,
            env=command_env,
            capture_output=True,
            text=True,
            timeout=280,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.count(expected) == 1
    assert len(list((tmp_path / "runs" / "records").glob("*.json"))) == 4


@pytest.mark.parametrize("verb", VERBS)
def test_help_says_what_may_follow_as_key_and_value(verb: str, sslskel) -> None:  # type: ignore[no-untyped-def]
    module = importlib.import_module(f"sslskel.cli.{verb}")
    shown = "KEY=" in sslskel(verb, "--help").stdout
    assert shown == bool(getattr(module, "OVERRIDES", ""))


def test_help_says_what_a_pretraining_can_start_from(sslskel) -> None:  # type: ignore[no-untyped-def]
    for verb in ("bench", "sweep", "pretrain"):
        text = " ".join(sslskel(verb, "--help").stdout.split())
        assert ":PART takes a part (encoder, a module's name, or THEIRS=OURS)" in text
        assert "per seed: a folder of one run of each seed, or a path with {seed} in it" in text


def test_a_results_folder_is_called_the_same_everywhere(sslskel) -> None:  # type: ignore[no-untyped-def]
    reading = ("leaderboard", "compare", "ensemble", "export", "runs", "doctor")
    writing = ("bench", "sweep", "pretrain", "evaluate", "reproduce")
    for verb in VERBS:
        text = sslskel(verb, *(["list"] if verb == "runs" else []), "--help").stdout
        assert ("--results" in text) == (verb in (*reading, *writing)), verb


def test_repeated_sources_add_up() -> None:
    options = parse(["data", "prepare", "utd_mhad", "--source", "a", "b", "--source", "c"])
    assert options.source == [Path("a"), Path("b"), Path("c")]
