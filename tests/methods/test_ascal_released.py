"""AS-CAL against recorded runs of the released code: views, both epochs of its training, schedule."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from recorded import Recorded
from released_contrast import close, value
from released_pstl import off_diagonal
from released_sequences import ascal_name, ascal_state, body_of, case_of, files
from replays import Made, RecordedClips, contrasts, made, spied, train
from stored_clips import dense_clip, stored
from torch import Tensor
from toy_features import Pass, given, run_of
from undrawn_clips import undrawn

from sslskel.api.batch import Batch, StepOutput
from sslskel.api.dataset import DatasetInfo
from sslskel.api.noise import Noise, ReplayNoise
from sslskel.api.skeleton import NTU25
from sslskel.api.view import Augment
from sslskel.backbones.lstm import Lstm, LstmConfig
from sslskel.config.compose import from_plain
from sslskel.data.loader import ClipSource
from sslskel.engine.schedule import learning_rate
from sslskel.evaluation.linear_head import fit_epoch, step_rate
from sslskel.evaluation.linear_training import LinearConfig, LinearTraining
from sslskel.evaluation.subsets import first_of_classes
from sslskel.methods.ascal import CHANGES, AsCal, AsCalConfig, Change
from sslskel.plugins.registry import PROTOCOLS
from sslskel.transforms.augment import AxisRotation
from sslskel.transforms.augment_time import JointMask


def ascal(case: Recorded, **more: object) -> Made:
    """The method with the recorded sizes and weights; an epoch is a step here, so the first ones fill the queue."""
    config = case.config
    values = {
        "engine.device": "cpu",
        "backbone.hidden": config["hidden"],
        "backbone.layers": config["layers"],
        "backbone.pooled": config["tap"],
        "method.queue": config["K"],
        "method.temperature": config["T"],
        "method.momentum": config["momentum"],
        "method.filling_epochs": config["steps_first_epoch"],
        "clip.frames": config["frames"],
        "train.batch_size": config["batch"],
        "train.lr": config["lr"],
        "train.epochs": config["steps_first_epoch"] + config["steps"],
    }
    if config["head_dim"]:
        values |= {"method.projector": config["head_flag"], "method.dim": config["head_dim"]}
    values |= {name.replace("__", "."): option for name, option in more.items()}
    options = [f"{name}={option}" for name, option in values.items()]
    run = made("ascal", *options, body=body_of(config["joints"]), persons=config["persons"])
    run.method.load_state_dict(ascal_state(case, "state/"))
    return run


def pairs(case: Recorded) -> RecordedClips:
    """The recorded views, query and key of every step in turn."""
    views = [Batch.from_dense(half) for pair in case.tensor("in/pairs") for half in pair.split(3, 1)]
    return RecordedClips(views)


def check(run: Made, case: Recorded, prefix: str, tolerance: float) -> None:
    """All weights, the queue and its place."""
    mine = run.method.state_dict()
    for name, wanted in ascal_state(case, prefix).items():
        close(mine[name].to(wanted.dtype), wanted, tolerance if wanted.is_floating_point() else 0)


@pytest.mark.parametrize("name", files("ascal"))
def test_training(shared: Path, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    case = case_of(shared, name)
    run = ascal(case)
    filling, calls = (
        case.config["steps_first_epoch"],
        spied(monkeypatch, contrasts(run.method)["contrast"], "similarities"),
    )
    assert float(case["check/copy_difference"]) == 0, "the key starts as the query"

    def on_step(step: int, output: StepOutput) -> None:
        assert value(output, "contrast") == pytest.approx(case["loss"][step], rel=1e-5)
        [((query, key), similar)] = calls.taken()
        for what, mine in (("query", query), ("key", key), ("logits", similar / case.config["T"])):
            close(mine.detach(), case.tensor(f"out/{what}")[step])
        gradients = {f"{n}": p.grad for n, p in run.method.named_parameters() if p.grad is not None}
        assert bool(gradients) is (step >= filling), "the first epoch has no backward pass"
        assert sorted(case.tensor("draws/shuffle")[step].tolist()) == list(range(case.config["batch"]))
        if step == filling - 1:
            check(run, case, "after_first_epoch/", 1e-5)
        if step == filling:
            wanted = {ascal_name(n): gradient for n, gradient in case.group("grad/").items()}
            assert set(wanted) == set(gradients)
            apart = torch.stack([(gradients[n] - wanted[n]).double().norm() for n in wanted]).norm()
            assert float(apart / torch.stack([g.double().norm() for g in wanted.values()]).norm()) < 1e-5

    train(run, pairs(case), tmp_path, on_step)
    check(run, case, "state_after/", 1e-5)


@pytest.mark.parametrize("name", files("ascal"))
def test_the_queue_starts_uniform(shared: Path, name: str) -> None:
    case = case_of(shared, name)
    bound, recorded = float(case["check/queue_bound"]), case.tensor("init/queue")
    assert float(recorded.abs().max()) <= bound
    assert recorded.shape == case["state/queue"].shape
    config = case.config
    sizes = ["backbone.hidden=" + str(config["hidden"]), f"method.queue={200 * config['K']}", "engine.device=cpu"]
    if config["head_dim"]:
        sizes += [f"method.projector={config['head_flag']}", f"method.dim={config['head_dim']}"]
    entries = contrasts(made("ascal", *sizes).method)["contrast"].queue.entries
    assert bound * 0.99 < float(entries.abs().max()) <= bound * (1 + 1e-6)
    assert float(entries.mean()) == pytest.approx(0, abs=0.05 * bound)


@pytest.mark.parametrize("name", files("ascal_linear"))
def test_the_rate_over_epochs(shared: Path, name: str) -> None:
    rates, options = case_of(shared, name)["lr/pretrain_epoch1_to_61"], made("ascal").resolved.train
    assert [learning_rate(options, epoch) for epoch in range(61)] == pytest.approx(rates.tolist(), rel=1e-12)
    assert (options.epochs, options.batch_size, options.drop_last) == (60, 32, False)


def draws(case: Recorded, name: str) -> list[Tensor]:
    """What an augmentation drew, in order."""
    found = {int(n.rpartition("draw")[2].partition("_")[0]): n for n in case if n.startswith(f"{name}/draw")}
    return [case.tensor(found[at]) for at in sorted(found)]


def one(value: Tensor) -> Tensor:
    """A draw of a single clip."""
    return value.reshape(1, *value.shape).double()


def ordered(first: Tensor, count: int) -> Tensor:
    """An order of all that begins as drawn."""
    rest = [at for at in range(count) if at not in first.tolist()]
    return torch.cat([first, torch.tensor(rest, dtype=first.dtype)])[None]


def site_draws(kind: str, drawn: Sequence[Tensor], x: Tensor) -> dict[str, Tensor]:
    """Recorded draws of an augmentation under our sites; ``x`` (C, T, V, M) is what it changes."""
    frames, joints = x.shape[1:3]
    if kind in ("flip", "randomFlip"):
        return {"time_flip": one(drawn[0])}
    if kind == "zeroAxis":
        return {"axis.chance": torch.zeros(1), "axis.which": drawn[0][None]}
    if kind == "rotate":
        return {"turn.axis": drawn[0][None], "turn.angle": one(drawn[1] / 30)}
    if kind == "blur":
        return {"blur.sigma": one((drawn[0] - 0.1) / 1.9), "blur.chance": one(drawn[1])}
    if kind == "shear":
        u = torch.stack(list(drawn))
        whole = torch.ones((), dtype=u.dtype)
        matrix = torch.stack([whole, u[0], u[3], u[1], whole, u[4], u[2], u[5], whole]).reshape(3, 3)
        return {"shear.off_diagonal": one(off_diagonal(matrix, 1.0))}
    if kind == "gausNoise":
        return {"noise.chance": torch.zeros(1), "noise.values": drawn[0].permute(3, 1, 2, 0) / 0.05}
    assert kind == "zeroJoints"
    least = 20 if frames < 100 else 50
    return {
        "mask.joint_count": drawn[0][None] - 5,
        "mask.joints": ordered(drawn[1], joints),
        "mask.frame_count": drawn[2][None] - least,
        "mask.frames": ordered(drawn[3], frames),
    }


def changed(x: Tensor, augment: Sequence[Augment], recorded: dict[str, Tensor]) -> Tensor:
    """(C, T, V, M) -> the same, with recorded draws."""
    spec = undrawn(body_of(x.shape[2]), x.shape[1], persons=x.shape[3])
    noise, batch = ReplayNoise(recorded), Batch.from_dense(x[None])
    for change in augment:
        batch = change(batch, noise, spec)
    return batch.dense(spec.persons)[0]


KINDS = {
    "subtract1": Change.centre,
    "flip": Change.reverse,
    "zeroAxis": Change.axis_mask,
    "rotate": Change.rotate,
    "zeroJoints": Change.joint_mask,
    "blur": Change.blur,
    "shear": Change.shear,
}
"""Released augmentation -> option of the method."""


@pytest.mark.parametrize("name", files("ascal_aug"))
def test_augmentations(shared: Path, name: str) -> None:
    case = case_of(shared, name)
    x = case.tensor("in/x")
    assert tuple(x.shape[1:]) == (case.config["frames"], case.config["joints"], case.config["persons"])
    for place in sorted({n.rpartition("/")[0] for n in case if "/case" in n}):
        kind = place.partition("/")[0]
        if kind == "noise":
            assert float(case[f"{place}/y_minus_x_matches"]) < 1e-12
            drawn = site_draws("gausNoise", [case.tensor(f"{place}/noise").double()], x)
            close(changed(x, CHANGES[Change.noise], drawn), x + case.tensor(f"{place}/noise").double(), 1e-12)
            continue
        wanted, drawn = case.tensor(f"{place}/y"), draws(case, place)
        if kind == "rotate_fixed":
            mine = [
                changed(x, [AxisRotation(angle, angle, axis)], {"turn.angle": torch.zeros(1)})
                for angle in [float(drawn[0])]
                for axis in range(3)
            ]
            apart = [float((one_of - wanted).abs().max() / wanted.abs().max()) for one_of in mine]
            assert min(apart) < 1e-6, "about one of the axes"
            continue
        if kind == "zeroJoints_fixed":
            joints, frames = map(len, drawn)
            augment: Sequence[Augment] = (JointMask((joints, joints), (frames, frames)),)
            of_sites = {"mask.joint_count": torch.zeros(1), "mask.frame_count": torch.zeros(1)}
            of_sites |= {"mask.joints": ordered(drawn[0], x.shape[2]), "mask.frames": ordered(drawn[1], x.shape[1])}
        else:
            augment, of_sites = CHANGES[KINDS[kind]], site_draws(kind, drawn, x) if drawn else {}
        mine_of = changed(x, augment, of_sites)
        close(mine_of.to(wanted.dtype), wanted, 1e-12 if wanted.dtype == torch.float64 else 1e-6)


OF_CHAIN = {
    "subtract": Change.centre,
    "randomFlip": Change.reverse,
    "shear": Change.shear,
    "rotate": Change.rotate,
    "gausNoise": Change.noise,
}
SIZES = {"randomFlip": 1, "shear": 6, "rotate": 2, "gausNoise": 1}
"""Draws of an augmentation."""


@pytest.mark.parametrize("name", files("ascal_aug"))
def test_views_as_a_run_draws_them(shared: Path, name: str, tmp_path: Path) -> None:
    case = case_of(shared, name)
    x, frames = case.tensor("in/x"), case.config["selected_frames"]
    body, persons = body_of(x.shape[2]), x.shape[3]
    info = DatasetInfo("recorded", 1, body, ("A",), fps=30.0, persons=persons)
    data = stored(tmp_path / "data", [dense_clip("clip", x.permute(1, 2, 0, 3).numpy())], info)
    chains = sorted({n.split("/")[1] for n in case if n.startswith("chain/")})
    assert chains
    for chain in chains:
        parts = chain.split("_")
        changes = ",".join(OF_CHAIN[part].value for part in parts)
        run = made("ascal", f"clip.frames={frames}", f"method.changes=[{changes}]", body=body, persons=persons)
        source = ClipSource(data, torch.tensor([0]).numpy(), run.method.clip, dtype=torch.float64)
        for at, view in enumerate(run.method.views()):
            drawn, of_sites = draws(case, f"chain/{chain}/view{at + 1}"), dict[str, Tensor]()
            for part in parts[1:]:
                own, drawn = drawn[: SIZES[part]], drawn[SIZES[part] :]
                of_sites |= site_draws(part, own, x[:, :frames])
            assert not drawn
            mine = source.batch(torch.tensor([0]), view, ReplayNoise(of_sites)).dense(persons)[0]
            close(mine, case.tensor(f"chain/{chain}/view{at + 1}/y").double(), 1e-6)


def test_what_protocols_see() -> None:
    run = made("ascal", "clip.frames=12", "backbone.hidden=4", "method.queue=8")
    [(stream, encoder)] = run.method.encoders().items()
    assert stream == "joint"
    assert encoder.backbone is contrasts(run.method)["contrast"].query.backbone  # type: ignore[attr-defined]
    spec = encoder.spec
    assert repr(spec.test_view) == repr(spec.train_view), "nothing is drawn for a linear head"
    long = spec.test_view.sample(torch.tensor([5, 30]), 12, Noise(0))
    assert long.tolist() == [[0, 1, 2, 3, 4, *[-1] * 7], list(range(12))]
    x = torch.randn(1, 3, 12, 25, 2, generator=torch.Generator().manual_seed(0))
    batch = Batch.from_dense(x)
    for augment in spec.test_view.augment:
        batch = augment(batch, Noise(0), spec)
    close(batch.dense(2), x - x[:, :, :, NTU25.centre, None], 1e-6)


def test_raw_features_scale_the_logits_by_the_square() -> None:
    query, key = (torch.randn(3, 4, generator=torch.Generator().manual_seed(at)) for at in (0, 1))
    for unit_length, factor in ((False, 4), (True, 1)):
        config = AsCalConfig(queue=8, unit_length=unit_length)
        contrast = AsCal(config, lambda clip: Lstm(LstmConfig(hidden=4), clip), undrawn(NTU25)).contrast
        embed = contrast.query.embed
        plain = contrast.similarities(embed(query), embed(key))[:, 0]
        close(contrast.similarities(embed(2 * query), embed(2 * key))[:, 0], factor * plain)


@pytest.mark.parametrize("name", files("ascal_linear"))
def test_the_linear_head(shared: Path, name: str) -> None:
    case = case_of(shared, name)
    features, labels = case.tensor("in/feature"), case.tensor("in/label")
    assert (features.shape[1], case["state/classifier.weight"].shape[0]) == (case.config["dim"], case.config["classes"])
    config = from_plain(LinearConfig, PROTOCOLS.preset("linear_ascal")["config"], name)
    rates = [step_rate(config.lr, epoch, config.milestones, config.decay) for epoch in range(config.epochs)]
    assert rates == pytest.approx(case["lr/linear_epoch1_to_90"].tolist(), rel=1e-12)
    assert config.label() == "ascal"
    parts, _ = given(features, labels, features, labels, case.config["classes"])
    training = LinearTraining(
        config, {"joint": Pass(case.config["dim"])}, parts.train, case.config["classes"], run_of()
    )
    contender = training.reported[0]
    head, optimiser = contender.heads["joint"], contender.optimisers["joint"]
    assert not head.fc.bias.any()
    assert float(head.fc.weight.detach().std()) == pytest.approx(0.01, rel=0.5)
    head.fc.load_state_dict(case.group("state/classifier."))
    for wanted in case["loss"]:
        loss = fit_epoch(head, optimiser, features, labels, [torch.arange(len(labels))], rates[:1])
        assert float(loss) == pytest.approx(float(wanted), rel=1e-5)
    for part, value_after in case.group("state_after/classifier.").items():
        close(getattr(head.fc, part).detach(), value_after)


@pytest.mark.parametrize("name", files("ascal_linear"))
def test_clips_with_labels(shared: Path, name: str) -> None:
    case = case_of(shared, name)
    labels, classes = case.tensor("subset/labels").long(), case.config["subset_classes"]
    shares = [n.partition("/")[2] for n in case if n.startswith("subset/") and n != "subset/labels"]
    assert shares
    for share in shares:
        assert first_of_classes(labels, float(share), classes).tolist() == case[f"subset/{share}"].tolist()
