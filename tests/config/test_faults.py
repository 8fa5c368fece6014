"""Values that do not fit are told in this project's words: the option, what it takes, and what it was given."""

from __future__ import annotations

import pytest

from sslskel.config.compose import from_plain, with_options
from sslskel.config.groups import EngineConfig, TrainConfig
from sslskel.errors import UsageError


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("train.epochs=one", "train.epochs takes a whole number, not 'one'"),
        ("train.epochs=", "train.epochs takes a whole number, not an empty value"),
        ("train.epochs=null", "train.epochs takes a whole number, not 'null'"),
        ("train.lr=fast", "train.lr takes a number, not 'fast'"),
        ("train.suite=[1]", "train.suite takes text, not '[1]'"),
        ("train.also=3", "train.also takes a list, [A,B], not '3'"),
        ("engine.compile=maybe", "engine.compile takes true or false, not 'maybe'"),
        (
            "engine.precision=bf61",
            "engine.precision takes one of fp32, tf32, bf16, fp16, fp64, not 'bf61'; did you mean 'bf16'?",
        ),
        ("train.suite=a(b", "'train.suite=a(b' cannot be read as GROUP.KEY=VALUE; close every bracket and quote"),
    ],
)
def test_what_an_option_takes_is_said(override: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        with_options({"train": TrainConfig(), "engine": EngineConfig()}, [override])
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_a_long_value_is_cut() -> None:
    with pytest.raises(UsageError) as caught:
        with_options({"train": TrainConfig()}, [f"train.epochs={'x' * 1000}"])
    assert len(str(caught.value)) < 150


def test_of_a_file_too() -> None:
    with pytest.raises(UsageError, match=r"^a file: epochs takes a whole number, not 'many'$"):
        from_plain(TrainConfig, {"epochs": "many"}, "a file")
