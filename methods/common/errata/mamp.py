"""MAMP: what its scripts do otherwise than its paper, and what "1 %" of the labels are on two GPUs."""

from __future__ import annotations

import numpy as np
import torch

from sslskel import Batch, CentreCrop, Errata, Erratum, Noise, Shown, motion
from sslskel.methods.common.errata import CHECKED, apart, bodies, built, groups, head_scores, kinect, seeded

NTU60 = 40091
"""Training clips of NTU RGB+D 60, cross-subject."""


def kept() -> Shown:
    """Tokens that stay of 750 where 90 % are to be hidden."""
    method = built("masked_modelling", kinect(120), {"dim": 8, "depth": 1, "heads": 1}, mask_ratio=0.9)
    stay = int(vars(method)["num_kept"])
    return {"tokens that stay": stay, "tokens that 10 % are": 75, "share that is hidden (%)": 100 * (1 - stay / 750)}


def intensity() -> Shown:
    """Probability of the likeliest token over that of the least likely, in two units of the same clip."""
    tokens = bodies(1, 60, 1).tracks.reshape(1, 15, 4, 25, 3)
    change = (tokens[:, 1:] - tokens[:, :-1]).abs().mean((2, 4)).flatten()
    shown = {}
    for unit, scale in (("metres", 1.0), ("centimetres", 100.0)):
        moved = change * scale
        for name, values in (("the paper's softmax", moved), ("as released", moved / moved.max())):
            chance = (values / 0.8).softmax(0)
            shown[f"likeliest over least likely, {name}, in {unit}"] = float(chance.max() / chance.min())
    return shown


def padding() -> Shown:
    """Where motion is zero."""
    tracks = bodies(1, 12, 1).tracks
    ours, backward = motion(tracks), torch.zeros_like(tracks)
    backward[:, 1:] = tracks[:, 1:] - tracks[:, :-1]
    return {
        f"largest motion of the {frame} frame, {name}": float(moves[:, at].abs().max())
        for name, moves in (("as released", ours), ("as the paper says", backward))
        for frame, at in (("first", 0), ("last", -1))
    }


def decoder() -> Shown:
    """Weights of the pretrained model with either depth."""
    shown = {}
    for depth in (3, 5):
        method = built("masked_modelling", kinect(120), {}, decoder_depth=depth)
        count = sum(value.numel() for value in method.parameters())
        shown[f"million weights, decoder of {depth} blocks"] = count / 1e6
    return shown


def drawn(seed: int, share: float) -> set[int]:
    """Clips that a process with this seed shows the labels of."""
    order = np.arange(NTU60)
    np.random.RandomState(seed).shuffle(order)
    return set(order[: int(NTU60 * share)].tolist())


def union() -> Shown:
    """Clips that two processes draw, each for itself."""
    shown: dict[str, float] = {}
    for share in (0.01, 0.1):
        both = drawn(0, share) | drawn(1, share)
        shown[f"labelled clips at {share:.0%}, one process"] = len(drawn(0, share))
        shown[f"labelled clips at {share:.0%}, two processes"] = len(both)
        shown[f"share of the labels at {share:.0%}, two processes (%)"] = 100 * len(both) / NTU60
    return shown


def runs() -> Shown:
    """Clips that five runs draw together."""
    count = int(NTU60 * 0.01)
    own = [Noise(0, run).permutation("subset", NTU60, per="batch")[:count].tolist() for run in range(5)]
    return {
        "different clips in five runs, seed 0 in each": len(set().union(*(drawn(0, 0.01) for _ in range(5)))),
        "different clips in five runs, a draw for each": len({clip for run in own for clip in run}),
    }


def best() -> Shown:
    """Test accuracy of a head behind the last epoch, and the highest of all, on features of nine trainings."""
    last, most = [], []
    for seed in range(9):
        train_set, test_set = groups(10, 8, 16, 2.0, seed=seed), groups(10, 20, 16, 2.0, seed=100 + seed)
        scores = head_scores(train_set, test_set, epochs=100, rate=0.5)
        last.append(scores[-1])
        most.append(max(scores))
    return {
        "mean accuracy behind the last epoch (%)": sum(last) / 9,
        "mean of the highest accuracies of all epochs (%)": sum(most) / 9,
    }


def zero() -> Shown:
    """Frames that are read of a clip of 12, of which one in the middle is zero."""
    dense = bodies(1, 12, 1).dense(1)
    dense[:, :, 5] = 0
    there = int((dense.sum((1, 3, 4)) != 0).sum())
    return {
        "last frame that is read of 12, as released": there,
        "last frame that is read of 12, here": float(Batch.from_dense(dense).lengths()),
    }


def crop() -> Shown:
    """Frames of a test clip of 100 that are read."""
    shown = {}
    for name, share in (("as the paper says", 0.9), ("as released", 0.95)):
        read = CentreCrop(share)(torch.tensor([100]), 120, Noise(0))[0]
        shown[f"first frame of 100, {name}"] = float(read[0])
        shown[f"last frame of 100, {name}"] = float(read[-1])
    return shown


def copied() -> Shown:
    """The feature of a clip of one person whose second body is zero, as in NTU-60, and a copy, as in NTU-120."""
    backbone = seeded("transformer", kinect(), dim=16, depth=1, heads=2).eval()
    one = bodies(2, 12, 1).tracks
    alone, nobody = backbone(one).mean((1, 2)), backbone(torch.zeros_like(one)).mean((1, 2))
    return {
        "change of the feature when a copy takes the place of zeros": apart((alone + nobody) / 2, alone),
        "standard deviation of features": float(alone.detach().std()),
    }


ERRATA = Errata(
    title="MAMP (Mao et al., ICCV 2023)",
    code="maoyunyao/MAMP@09e6252",
    dated=CHECKED,
    entries=(
        Erratum(
            "union",
            "On two GPUs, as the scripts start them, each process draws its own labelled clips, so that a run called"
            " 1 % sees the labels of 1.98 %, and one called 10 % of 18.9 %.",
            "Semi-supervised scripts: the generator is seeded by 0 plus the process before the draw, and the sampler"
            " shuffles over both in every epoch. How many processes made the printed numbers is not known.",
            "Yes: up to twice the labels. The effect on accuracy was not measured.",
            "`semi` draws once for all processes; records name the labelled clips.",
            union,
        ),
        Erratum(
            "runs",
            "The five runs of a semi-supervised score draw the same clips.",
            "Paper: the mean of five runs, for chance in the draw. Scripts: the seed is 0 in each.",
            "Yes: their spread is not that of draws. The effect on accuracy was not measured.",
            "Draws of `semi` differ, and are the same ones for all methods.",
            runs,
        ),
        Erratum(
            "best",
            "The printed accuracy is the highest on the test clips of all epochs.",
            "Linear, fine-tuning and semi-supervised loops of the release (max_accuracy). The same is printed by the"
            " releases of SkeletonCLR, AS-CAL, GL-Transformer, InfoGCN, USDRL and UmURL.",
            "Yes: shown of synthetic features. Records here keep the test accuracy of every epoch where"
            " `protocol.report=best_test_epoch` asks for it, which is never ranked.",
            "Protocols judge the last epoch.",
            best,
        ),
        Erratum(
            "kept",
            "Of 750 tokens 74 stay where 90 % are to be hidden, not 75.",
            "Model of the release: int(750 * (1 - 0.9)), which is a little below 75 in floating point.",
            "Slightly: one token of 75. The effect on accuracy was not measured.",
            "As released.",
            kept,
        ),
        Erratum(
            "intensity",
            "Motion is divided by a clip's largest before the softmax, so that masking prefers moving joints mildly,"
            " and alike in all clips.",
            "Paper: the softmax of the intensity over a temperature. Model of the release: the division.",
            "Yes: which tokens are hidden. The effect on accuracy was not measured.",
            "As released.",
            intensity,
        ),
        Erratum(
            "padding",
            "Motion is the difference to the next frame, and zero in the last one.",
            "Paper: padding for the first frames. Model of the release: the last ones.",
            "Slightly: the target of the last segment. The effect on accuracy was not measured.",
            "As released.",
            padding,
        ),
        Erratum(
            "decoder",
            "The scripts for NTU RGB+D 60 have a decoder of three blocks.",
            "Paper, sections 4.2 and 4.4: five by default; its ablation has 84.9 for both on NTU RGB+D 60.",
            "In the paper's ablation not by a digit; not measured here.",
            "As the scripts: three on `ntu60`, five on `ntu120` and PKU-MMD; `method.decoder_depth`.",
            decoder,
        ),
        Erratum(
            "crop",
            "Test clips lose 5 % of their frames at both ends together, not 10 %.",
            "Paper: 0.9; feeders of the release: 0.95.",
            "Slightly: which frames are read. The effect on accuracy was not measured.",
            "As released; `clip.test_crop`.",
            crop,
        ),
        Erratum(
            "zero",
            "A frame of zeros within a clip cuts a frame from its end.",
            "Feeders of the release: frames that are not zero are counted, and as many read from the first on.",
            "Of clips with such frames alone. The effect on accuracy was not measured.",
            "A clip is read to its last frame with a person.",
            zero,
        ),
        Erratum(
            "copied",
            "In clips of one person the second body is zeros in NTU RGB+D 60, and a copy of the first in 120.",
            "Preparation scripts of the release, which are CTR-GCN's.",
            "Yes: the features shown. The effect on accuracy was not measured.",
            "`ntu120` has no second body there; `ntu120_copied` has the copy.",
            copied,
        ),
    ),
)
