"""PCM3: prompts that cannot act, mixes at another speed, and distillation without prompts."""

from __future__ import annotations

import math

import torch

from sslskel import Errata, Erratum, Shown
from sslskel.methods.common.errata import CHECKED, bodies, built, kinect, terms_of

SMALL = {"hidden": 8, "layers": 1}
SIZES = {"queue": 16, "dim": 8, "decoder_width": 8}
FRAMES = 64


def prompts() -> Shown:
    """Loss terms in double precision before and after all prompts but one became N(0, 9)."""
    shown = {}
    batch = bodies(4, FRAMES)
    batch = batch._replace(tracks=batch.tracks.double())
    for fidelity in ("released", "paper"):
        method = built("pcm3", kinect(FRAMES), SMALL, **SIZES, fidelity=fidelity).double()
        before = terms_of(method, batch)
        replaced = [name for name, _ in method.named_parameters() if _is_prompt(name)]
        random = torch.Generator().manual_seed(0)
        for name, value in method.named_parameters():
            if name in replaced:
                value.data = 3 * torch.randn(value.shape, generator=random, dtype=torch.float64)
        after = terms_of(method, batch)
        shown[f"prompts that are replaced, method.fidelity={fidelity}"] = float(len(replaced))
        shown[f"largest change of a term of the loss, method.fidelity={fidelity}"] = max(
            abs(after[name] - before[name]) for name in before
        )
    return shown


def _is_prompt(name: str) -> bool:
    """Whether a parameter is a prompt other than that of the contrast."""
    return name.startswith("prompts.") and not name.startswith("prompts.tasks.contrast")


def resize() -> Shown:
    """Which of the partner's frames fill segments of a clip of 64 that begin at frame 20."""
    shown: dict[str, float] = {}
    for length in (28, 44):
        source = min(2 * length, FRAMES)
        read = [math.floor(at * source / length) for at in range(length)]
        shown[f"first partner's frame of a segment of {length} from frame 20 on"] = read[0]
        shown[f"speed of a segment of {length}"] = source / length
    return shown


def partner() -> Shown:
    """Partners of clip 0 in a batch of 8."""
    draws = torch.randint(1, 7, (2000,), generator=torch.Generator().manual_seed(0))
    return {
        "clips that could be partners of a clip of 8": 7,
        "clips that are, in 2000 draws": len(set(draws.tolist())),
        "times that it is the clip before it": float((draws == 7).sum()),
    }


def distillation() -> Shown:
    """Terms of distillation in a step without prompts."""
    shown = {}
    for fidelity in ("released", "paper"):
        method = built("pcm3", kinect(FRAMES), SMALL, **SIZES, prompts=False, fidelity=fidelity)
        terms = terms_of(method, bodies(4, FRAMES))
        shown[f"terms of distillation, method.fidelity={fidelity}"] = float(sum("distil" in name for name in terms))
    return shown


ERRATA = Errata(
    title="PCM3 (Zhang et al., ACM MM 2023)",
    code="JHang2020/PCM3@aee2400",
    dated=CHECKED,
    entries=(
        Erratum(
            "prompts",
            "Five of the six prompts cannot act in training: each is a constant in front of a batch norm, which takes"
            " constants out.",
            "Paper, section 3.4; model of the release: the four prompts of the input are added before the norm of the"
            " input, that of prediction before a linear layer and a norm. They shift running means alone.",
            "No term of the loss changes beyond rounding, whatever their values are. What prompts bring where they can"
            " act was not measured.",
            "As released; `method.fidelity=paper` adds them behind the norms.",
            prompts,
        ),
        Erratum(
            "resize",
            "A mix at another speed takes the partner's first frames, wherever the segment lies, and segments of more"
            " than half a clip are sped up less than twice.",
            "Mixing of the release: the partner is cut to its first 2L frames, and to the clip's 64.",
            "Yes: which frames are mixed. The effect on accuracy was not measured.",
            "As released; `method.fidelity=paper` reads around the same moment, at twice the speed.",
            resize,
        ),
        Erratum(
            "partner",
            "No clip is ever mixed with the one before it in the batch.",
            "Mixing of the release: partners are 1 to N - 2 clips further on, never N - 1.",
            "Yes, slightly: one of N - 1 partners. The effect on accuracy was not measured.",
            "As released; `method.fidelity=paper` takes any other clip.",
            partner,
        ),
        Erratum(
            "distillation",
            "Trainings without prompts, those of bone and motion, leave distillation out of the loss too.",
            "Loss of the release without prompts: the divergence is computed and not added.",
            "Yes: another loss for two of three streams. The effect on accuracy was not measured.",
            "As released; `method.fidelity=paper` keeps it.",
            distillation,
        ),
    ),
)
