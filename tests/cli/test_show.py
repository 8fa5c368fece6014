"""`sslskel show` explains options, and `bench --cfg` says where each value comes from."""

from __future__ import annotations

import pytest

from sslskel.cli import main


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["show", *words]) == 0
    return capsys.readouterr().out


def test_options_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    said = shown(capsys, "mamp")
    assert (
        "  method.masking=motion_aware\n      one of: random, motion_aware. How the hidden tokens are chosen.\n" in said
    )
    assert "  method.mask_ratio=0.9\n      number. Share of tokens hidden; " in said
    assert "      text. auto, cpu, cuda, cuda:0, mps ...\n" in shown(capsys, "engine")


def test_a_kind_may_stand_before_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "protocol", "knn") == shown(capsys, "knn") == shown(capsys, "knn", "--kind", "protocol")
    said = shown(capsys, "preset", "quick")
    assert said.startswith("quick: preset, configs/preset/quick.yaml\nsmallest encoder")
    assert "\nbackbone transformer:\n  dim=64\n" in said
    assert said == shown(capsys, "quick")


def test_a_suite_says_what_it_fixes(capsys: pytest.CaptureFixture[str]) -> None:
    said = shown(capsys, "suite", "open-quick")
    assert said == shown(capsys, "open-quick")
    assert said.startswith("open-quick: suite, configs/suite/open-quick.yaml\nversion ")
    assert "\nsupervised reference: " in shown(capsys, "open")
    assert "`sslskel bench --suite open-quick --method METHOD` runs it" in said


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("a", "b", "c"), "'a b c' names nothing; write NAME or KIND NAME, of method, backbone"),
        (("methods", "mamp"), "'methods mamp' names nothing"),
        (("method", "mamp", "--kind", "protocol"), "'method' and --kind protocol are two kinds"),
        (("suite", "opn"), "there is no suite 'opn'; did you mean 'open'"),
        (("encoder", "nowhere"), "there is no checkpoint at nowhere, and no encoder of this name"),
        (("preset", "quik"), "there is no preset 'quik'; did you mean 'quick'"),
        (("protocol", "mamp"), "there is no protocol 'mamp'"),
        (("quik",), "there is nothing called 'quik'; did you mean 'quick'"),
    ],
)
def test_what_is_not_there_is_a_sentence(
    words: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", *words]) == 2
    assert sentence in capsys.readouterr().err


def test_the_configuration_is_printed_with_its_sources_and_nothing_runs(
    tiny: str, capsys: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("none") / "runs"
    words = ["--benchmark", tiny, "--protocol", "knn", "--seeds", "2", "--results", str(folder), "method.tau=0.5"]
    assert main(["bench", "--method", "mamp,random_init", "--cfg", *words]) == 0
    said = capsys.readouterr().out
    titles = [line for line in said.splitlines() if line.startswith("#")]
    assert titles == [f"# {name} on transformer, preset tiny, tiny/xsub, knn" for name in ("mamp", "random_init")]
    assert "\nmethod.tau=0.5  # the command\n" in said
    assert "\nmethod.mask_ratio=0.9  # default\n" in said
    assert not folder.exists()
    assert main(["bench", "--method", "random_init", "--cfg", *words[:4], "--device", "gpu"]) == 2
    assert "there is no device 'gpu' on this machine" in capsys.readouterr().err
