"""Predict & Cluster: its decoder, its transform, its frames, its later port, and how its numbers are chosen."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslskel import NTU25, Batch, Errata, Erratum, PretextMethod, Shown
from sslskel.methods.common.errata import CHECKED, apart, bodies, built, kinect, seeded, terms_of, train, weights_of
from sslskel.transforms.body_axes import Landmarks, strided, turned

SMALL = {"hidden": 8, "layers": 1}


def method_of(flavour: str = "tensorflow", frames: int = 8, **options: object) -> PretextMethod:
    """A small method of one of the two releases."""
    kind = "original" if flavour == "tensorflow" else "stepped"
    return built("predict_cluster", kinect(frames), {**SMALL, "kind": kind}, flavour=flavour, **options)


def decoder() -> Shown:
    """How far the decoder's GRU moves in three steps."""
    shown: dict[str, float] = {}
    for flavour in ("tensorflow", "pytorch"):
        for fidelity in ("released", "paper"):
            method = method_of(flavour, fidelity=fidelity, basis="rotation")
            cell = method.get_submodule("decoder.cell")
            start = weights_of(cell)
            losses = train(method, bodies(), range(3), 0.01)
            shown[f"largest change of a weight, {flavour}, method.fidelity={fidelity}"] = apart(start, weights_of(cell))
            shown[f"loss of the third step, {flavour}, method.fidelity={fidelity}"] = losses[-1]
    return shown


def mirror() -> Shown:
    """The volume that three bones span, before and behind the transform, and a loss in either basis."""
    tracks = bodies(1, 1, 1).tracks
    shown: dict[str, float] = {}
    for name, mirrored in (("as released", True), ("as a rotation", False)):
        seen = turned(tracks, torch.ones(1, 1, dtype=torch.bool), Landmarks.of(NTU25), mirrored=mirrored)
        before, behind = (torch.linalg.det(rows[0, 0, 1:4] - rows[0, 0, :1]) for rows in (tracks, seen))
        shown[f"determinant {name}"] = float(behind / before)
    for basis in ("mirrored", "rotation"):
        shown[f"loss of the first step, method.basis={basis}"] = terms_of(method_of(basis=basis), bodies())["predict"]
    return shown


def padding() -> Shown:
    """The loss of the same clips of 6 frames in views of 8 and of 16."""
    return {
        f"loss in {frames} frames, {flavour}": terms_of(method_of(flavour, frames), bodies(frames=6))["predict"]
        for flavour in ("tensorflow", "pytorch")
        for frames in (8, 16)
    }


def direction() -> Shown:
    """What the first frame's state of each direction knows of the last frame."""
    tracks = bodies(2, 8, 1).joined(1)
    other = tracks.clone()
    other[:, -1] += 1
    shown: dict[str, float] = {}
    for release, kind in (("the paper's release", "original"), ("the port", "stepped")):
        backbone = seeded("gru_lengths", kinect(8, 1), kind=kind, **SMALL)
        first, second = (backbone(rows).grid[:, 0, 0] for rows in (tracks, other))
        shown[f"change of the reverse state of frame 1 with the last frame, {release}"] = apart(
            first[:, 8:], second[:, 8:]
        )
    return shown


def rate() -> Shown:
    """The port's schedule, stepped as it is built and as it is used."""
    start, kept = 1e-3, 0.95
    return {
        "rate in the last of 500 epochs, were it stepped every 50": start * kept ** (499 // 50),
        "rate in the last of 500 epochs, as released": start,
    }


def first_frame() -> Shown:
    """What a fixed-state decoder is compared with, with a read-out of zeros: it then repeats the first frame."""
    still = torch.arange(5.0)[None, :, None].expand(1, 5, 75)
    shown: dict[str, float] = {}
    for flavour in ("tensorflow", "pytorch"):
        method = method_of(flavour, 5, decoder="fixed_state")
        made_by = method.get_submodule("decoder")
        read_out = cast(nn.Linear, made_by.get_submodule("read_out"))
        nn.init.zeros_(read_out.weight)
        nn.init.zeros_(read_out.bias)
        made: Tensor = made_by(torch.zeros(1, 16), still).detach()
        wanted = still[:, still.shape[1] - made.shape[1] :]
        shown[f"frames that are compared, of 5, {flavour}"] = made.shape[1]
        shown[f"error in the first of them, {flavour}"] = float((made - wanted)[:, 0].abs().sum())
    return shown


def stride() -> Shown:
    """The last frame that is read of clips of some lengths, for views of 50 frames."""
    shown: dict[str, float] = {}
    for length in (50, 99, 149, 300):
        number = torch.arange(float(length))[None, :, None, None]
        read, _ = strided(number, torch.ones(1, length, dtype=torch.bool), 50)
        shown[f"last frame read of {length}"] = float(read.max()) + 1
    return shown


def best() -> Shown:
    """Nearest neighbours on test clips behind each of 24 steps, and which of these scores is printed."""

    def some(seed: int) -> tuple[Batch, Tensor]:
        labels = torch.arange(40) % 4
        batch = bodies(40, 8, 1, seed=seed)
        classes = bodies(4, 8, 1, seed=100)
        return batch._replace(tracks=batch.tracks + 0.7 * classes.tracks[labels]), labels

    (gallery, labels), (queries, wanted) = some(1), some(2)
    method = method_of(basis="none")
    encoder, scores = method.encoders()["joint"], []

    def score() -> float:
        with torch.no_grad():
            known, unseen = (functional.normalize(encoder.clip(batch), dim=1) for batch in (gallery, queries))
        return 100 * float((labels[(unseen @ known.T).argmax(1)] == wanted).float().mean())

    untrained = score()
    for step in range(24):
        train(method, gallery, range(step, step + 1), 0.03)
        scores.append(score())
    return {
        "accuracy before training (%)": untrained,
        "accuracy behind the last step (%)": scores[-1],
        "highest accuracy behind any step (%)": max(scores),
    }


ERRATA = Errata(
    title="Predict & Cluster (Su et al., CVPR 2020)",
    code="shlizee/Predict-Cluster@76a2e7c, its TensorFlow notebooks (the paper's) and its later PyTorch scripts",
    dated=CHECKED,
    entries=(
        Erratum(
            "decoder",
            "The decoder of fixed weights is trained like all else, in both releases.",
            "Title of the variant (fixed weights). TensorFlow: the list of the encoder's variables is built and not"
            " used. PyTorch: requires_grad is set on the module, where it does nothing, not on its parameters.",
            "Yes: losses and weights shown, from the same start. Small trainings of both: no difference beyond chance"
            " (docs/measured/studies/errata.md); on real data it was not measured.",
            "As released; `method.fidelity=paper` fixes the GRU of the decoder.",
            decoder,
        ),
        Erratum(
            "mirror",
            "The transform that turns a body to face one way mirrors it too: its determinant is -1.",
            "Pre-processing of both releases: the third axis is the product of the first two in the other order.",
            "Yes: the losses shown, from the same start. All clips are mirrored alike. Small trainings of both: no"
            " difference beyond chance (docs/measured/studies/errata.md); on real data it was not measured.",
            "As released; `method.basis=rotation`, the default under `method.fidelity=paper`, is a proper rotation.",
            mirror,
        ),
        Erratum(
            "padding",
            "The port's loss counts frames behind the end of a clip; the paper's release does not.",
            "PyTorch scripts: errors are summed up to the longest clip of the batch, and divided by the length alone.",
            "Yes: the losses shown are of the same clips. The effect on accuracy was not measured.",
            "`method.flavour=tensorflow`, which masks; `predict_cluster_pytorch` counts padding, to the end of the"
            " view.",
            padding,
        ),
        Erratum(
            "direction",
            "In the port both directions of the bidirectional GRU read forward in time.",
            "PyTorch scripts: the GRU is called with one frame at a time, its state carried.",
            "Yes: another network. The effect on accuracy was not measured.",
            "`predict_cluster` reads from both ends; `predict_cluster_pytorch` (`backbone.kind=stepped`) as the port.",
            direction,
        ),
        Erratum(
            "rate",
            "The port builds a schedule that lowers its rate every 50 epochs, and never steps it.",
            "PyTorch scripts: the schedule's step is not called.",
            "Yes: the two rates shown. The effect on accuracy was not measured.",
            "`predict_cluster` lowers the rate as the paper's release; `predict_cluster_pytorch` keeps it, as the"
            " port.",
            rate,
        ),
        Erratum(
            "first_frame",
            "With a fixed state the paper's release predicts from the second frame on, the port rebuilds from the"
            " first on, which the decoder was shown.",
            "Decoders of the two releases; the port compares its first output with frame 0, which is its input.",
            "Yes: another target for every frame. The effect on accuracy was not measured.",
            "Each `method.flavour` as its release, with `method.decoder=fixed_state`.",
            first_frame,
        ),
        Erratum(
            "stride",
            "Of clips of 50 to 99 frames the first 50 are read, of 100 to 149 the first 99: up to half of a clip is"
            " never seen.",
            "Pre-processing of both releases: every s-th frame is taken, s being the length over 50 rounded down.",
            "Yes, which frames are seen. The effect on accuracy was not measured.",
            "As released.",
            stride,
        ),
        Erratum(
            "best",
            "The printed accuracy is the highest on the test clips of all that were taken during training.",
            "Evaluation of both releases: nearest neighbours on the test part every 100 or 200 steps, the best is kept;"
            " there is no linear head in either, so that what later tables print as linear is, as far as the releases"
            " show, such an accuracy. In the authors' own log of NTU-60 cross-view: 56.7 untrained, 75.05 at best,"
            " 74.87 at the end.",
            "Yes: shown on synthetic clips; in the authors' log by 0.2 points.",
            "Protocols judge the last epoch, once.",
            best,
        ),
    ),
)
