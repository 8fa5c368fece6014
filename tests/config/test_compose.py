"""Configuration: layers in their order, and one sentence for everything that is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from sslskel.config.compose import compose, from_plain, to_plain, with_options
from sslskel.config.groups import ClipConfig, EngineConfig, Optimiser, Precision, TrainConfig
from sslskel.errors import UsageError
from sslskel.grid.cell import Cell
from sslskel.grid.request import GridRequest, parse_seeds
from sslskel.plugins.presets import presets, read_preset
from sslskel.plugins.registry import METHODS


def mamp(*overrides: str, preset: str = "released") -> object:
    return compose("mamp", backbone="transformer", preset=preset, protocol="linear", overrides=overrides)


def test_defaults_are_the_dataclasses() -> None:
    resolved = compose("masked_modelling", backbone="transformer", preset="released")
    assert resolved.clip == ClipConfig()
    assert resolved.train == TrainConfig()
    assert resolved.engine == EngineConfig()
    assert resolved.method == METHODS.get("masked_modelling").Config()


def test_overrides_beat_presets_and_presets_beat_defaults() -> None:
    cpu = compose("mamp", backbone="transformer", preset="cpu")
    assert cpu.backbone.dim == read_preset("cpu")["backbone"]["transformer"]["dim"] != TrainConfig().lr
    mine = compose("mamp", backbone="transformer", preset="cpu", overrides=["backbone.dim=32", "train.optimiser=sgd"])
    assert mine.backbone.dim == 32
    assert mine.train.optimiser is Optimiser.sgd
    assert mine.clip == cpu.clip


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("method.mask_ratoi=0.5", "did you mean 'method.mask_ratio'"),
        ("train.epochs=many", r"train\.epochs.*many"),
        ("train.epochs=0", "at least 1"),
        ("train.optimiser=adamax", "adam"),
        ("method.mask_ratio=1.5", "mask_ratio"),
        ("epochs", "GROUP.KEY=VALUE"),
        ("+train.new=1", "no option"),
        ("protocol.epochs=[1", "protocol.epochs"),
    ],
)
def test_every_wrong_override_is_one_sentence(override: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        mamp(override)
    assert "\n" not in str(caught.value)


@dataclass(frozen=True)
class Inner:
    ratio: float = 0.5


@dataclass(frozen=True)
class Frozen:
    width: int = 4
    sizes: list[int] = field(default_factory=lambda: [1])
    inner: Inner = field(default_factory=Inner)


@dataclass
class Literals:
    kind: Literal["a", "b"] = "a"


def test_a_frozen_configuration_takes_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(METHODS.get("random_init"), "Config", Frozen)
    overrides = ["method.width=5", "method.sizes=[2,3]"]
    made = compose("random_init", backbone="transformer", preset="cpu", overrides=overrides)
    assert made.method == Frozen(5, [2, 3])
    assert with_options({"method": Frozen(7)}, overrides[1:])["method"] == Frozen(7, [2, 3])
    assert from_plain(Frozen, to_plain(Frozen(5, [2], Inner(0.25))), "it") == Frozen(5, [2], Inner(0.25))


def test_a_configuration_of_other_types_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(METHODS.get("random_init"), "Config", Literals)
    with pytest.raises(UsageError, match=r"group 'method' cannot be set from the command line: .*Enum") as caught:
        compose("random_init", backbone="transformer", preset="cpu")
    assert "\n" not in str(caught.value)


def test_unknown_preset_lists_the_known(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="released"):
        mamp(preset="huge")


@pytest.mark.parametrize("name", presets())
@pytest.mark.parametrize("method", METHODS.names())
def test_every_preset_fits_every_method(name: str, method: str) -> None:
    assert compose(method, backbone="transformer", preset=name, protocol="linear").train.epochs >= 1


def test_preset_with_an_unknown_key_names_the_preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "sslskel_plugins" / "configs" / "preset"
    folder.mkdir(parents=True)
    (folder / "wrong.yaml").write_text("train: {epoch: 3}")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"preset 'wrong'.*epoch"):
        mamp(preset="wrong")


def test_plain_data_round_trip() -> None:
    train = TrainConfig(optimiser=Optimiser.sgd, milestones=[3], epochs=7)
    assert from_plain(TrainConfig, to_plain(train), "train") == train
    with pytest.raises(UsageError, match="checkpoint"):
        from_plain(TrainConfig, {"epochz": 1}, "checkpoint")


@pytest.mark.parametrize(("text", "seeds"), [("3", (0, 1, 2)), ("4,7", (4, 7)), ("5,", (5,)), ("1,1", (1,))])
def test_seeds(text: str, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "0", "-1", "two", "1,x", "-1,2"])
def test_wrong_seeds(text: str) -> None:
    with pytest.raises(UsageError, match="--seeds"):
        parse_seeds(text)


def cells(methods: list[str], protocols: list[str], benchmark: str, *overrides: str) -> list[Cell]:
    return GridRequest(
        methods=tuple(methods), protocols=tuple(protocols), benchmarks=(benchmark,), overrides=overrides
    ).cells()


def test_identity_covers_what_shapes_numbers_and_nothing_else(tiny: str) -> None:
    from sslskel.data.prepare import open_benchmark
    from sslskel.plugins.registry import BENCHMARKS

    dataset = open_benchmark(BENCHMARKS.get(tiny))

    def identities(*overrides: str, protocol: str = "linear") -> tuple[str, str]:
        [cell] = cells(["mamp"], [protocol], tiny, *overrides)
        return cell.pretrain_identity(dataset), cell.identity(dataset)

    base = identities()
    assert identities("engine.threads=2", "train.keep_checkpoints=9", "engine.device=cpu") == base
    assert identities("protocol.lr=0.2")[0] == base[0] != identities("train.lr=0.2")[0]
    assert identities("protocol.lr=0.2")[1] != base[1]
    assert identities("protocol.encode_batch=7") == base
    assert identities("protocol.block=7", protocol="knn") == identities(protocol="knn")
    assert identities("protocol.k=7", protocol="knn") != identities(protocol="knn")
    assert len({base[0], identities("engine.precision=bf16")[0], identities("engine.precision=tf32")[0]}) == 3
    assert identities(protocol="knn")[0] == base[0]
    [floor] = cells(["random_init"], ["knn"], tiny)
    [longer] = cells(["random_init"], ["knn"], tiny, "train.epochs=9")
    assert floor.pretrain_identity(dataset) == longer.pretrain_identity(dataset)
    assert floor.resolved.engine.precision is Precision.fp32


def test_an_override_goes_to_the_cells_that_have_the_option(tiny: str) -> None:
    made = cells(["mamp", "random_init"], ["linear", "knn"], tiny, "method.tau=0.5", "protocol.k=3")
    assert {cell.resolved.method.tau for cell in made if cell.method == "mamp"} == {0.5}
    assert {cell.resolved.protocol.k for cell in made if cell.protocol == "knn"} == {3}
    with pytest.raises(UsageError, match=r"no option 'method\.tau'"):
        cells(["random_init"], ["linear"], tiny, "method.tau=0.5")


def test_layers_of_a_method_preset_are_for_its_own_backbone_alone() -> None:
    own = compose("predict_cluster_pytorch", backbone="gru_lengths", preset="quick").plain()
    other = compose("predict_cluster_pytorch", backbone="gru_stepped", preset="quick").plain()
    assert own["backbone"]["kind"] == "stepped"
    assert "kind" not in other["backbone"]
    assert own["method"] == other["method"]
