"""Faults of methods that are written after a description alone."""

from __future__ import annotations

from mutants.kind import Mutant, planted_in

AMR = "tests/methods/test_amr.py"
ASSL = "tests/methods/test_assl.py"
COLORIZATION = "tests/methods/test_colorization.py"
CPM = "tests/methods/test_cpm.py"
GFP = "tests/methods/test_gfp.py"
LONGT_GAN = "tests/methods/test_longt_gan.py"
MAE = "tests/methods/test_skeletonmae_wu.py"
MCC = "tests/methods/test_mcc.py"
S_JEPA = "tests/methods/test_s_jepa.py"
VIA = "tests/methods/test_via.py"

DESCRIBED: tuple[Mutant, ...] = (
    *planted_in(
        "methods",
        "methods/assl.py",
        ASSL,
        ("is its own neighbour", "cosine[rows, rows + begin] = -torch.inf", "cosine[rows, rows + begin] = 1.0"),
        ("lets the critic teach the encoder", "self.critic(features.detach())", "self.critic(features)"),
        ("guesses classes that it knows", "torch.where((batch.label >= 0)[:, None], own, guess)", "guess"),
        ("aligns labelled clips too", "mean_of(deceive, ~labelled,", "mean_of(deceive, every,"),
    ),
    *planted_in(
        "protocols",
        "sslskel/evaluation/finetune_training.py",
        ASSL,
        ("gives no unlabelled clips", "if not len(others):", "if True:"),
    ),
    *planted_in(
        "methods",
        "methods/cpm.py",
        CPM,
        ("asks the student who is near", "nearest(target,", "nearest(student,"),
        ("mines from the first epoch on", "progress.epoch >= config.mining_epoch", "progress.epoch >= 0"),
        ("has one temperature for both", "/ config.target_temperature", "/ config.temperature"),
        ("pushes all entries up", "logits.masked_fill(~positive, -math.inf)", "logits.masked_fill(~positive, 0.0)"),
    ),
    *planted_in(
        "methods",
        "methods/longt_gan.py",
        LONGT_GAN,
        ("replaces the whole clip", "torch.where(hidden & batch.valid", "torch.where(batch.valid"),
        ("shows the encoder everything", "left = true * ~hidden", "left = true"),
        ("adds the critic's verdict without weight", "(made)), self.config.deceive)", "(made)))"),
        ("looks at true clips alone", " + softplus(self.critic(made.detach()))", ""),
    ),
    *planted_in(
        "methods",
        "methods/colorization.py",
        COLORIZATION,
        ("takes the smaller direction", "torch.maximum(to_wanted, to_made)", "torch.minimum(to_wanted, to_made)"),
        ("paints its points blue first", "torch.stack([(1 - 2 * place).clamp(min=0)", "torch.stack([2 * place"),
        ("counts points that are not there", "away = ~there & there", "away = there & ~there"),
    ),
    *planted_in(
        "methods",
        "methods/mcc.py",
        MCC,
        ("breaks no clip", "torch.where(chosen[:, None], order, straight)", "straight.expand_as(order)"),
        ("may leave a broken clip whole", "order.roll(1, 1), order)", "order, order)"),
        ("plays faster always", "tracks=batch.tracks[:, ::speed]", "tracks=batch.tracks[:, ::2]"),
    ),
    *planted_in(
        "methods",
        "methods/skeletonmae_wu.py",
        MAE,
        ("counts what is seen too", ".square() * hidden[..., None]", ".square()"),
        (
            "hides joints of hidden frames alone",
            "lost_frames[:, :, None] | lost_joints",
            "lost_frames[:, :, None] & lost_joints",
        ),
        ("shows what is hidden", "self.point.to(batch.tracks), batch.tracks)", "batch.tracks, batch.tracks)"),
    ),
    *planted_in(
        "methods",
        "methods/s_jepa.py",
        S_JEPA,
        (
            "shows the teacher the view",
            "self.wanted(batch), order",
            "self.wanted(self.moved(batch, noise.view(1))), order",
        ),
        ("never centres", "(target - self.centre.to(target))", "target"),
        ("compares seen tokens", "order[:, seen.kept :]).to(predicted)", "order[:, : -seen.kept]).to(predicted)"),
    ),
    *planted_in(
        "methods",
        "methods/gfp.py",
        GFP,
        ("shows the target networks joints", "self.seen.apart(motion(batch.tracks))", "self.seen.apart(batch.tracks)"),
        (
            "counts variances as covariances",
            "covariance.square().sum() - spread.square().sum()",
            "covariance.square().sum()",
        ),
        ("leaves tokens in the order of the mask", "take_tokens(content, order.argsort(-1))", "content"),
    ),
    *planted_in(
        "methods",
        "methods/amr.py",
        AMR,
        ("looks at what rests", "k * mean / (moved + 1e-6)", "k * (moved + 1e-6) / mean"),
        ("adds the windows up", "torch.stack(by_length).mean(0)", "torch.stack(by_length).sum(0)"),
        ("predicts joints", "seen.apart(motion(batch.tracks))", "seen.apart(batch.tracks)"),
    ),
    *planted_in(
        "methods",
        "methods/via.py",
        VIA,
        ("turns nobody", "RandomRotation(self.config.turn)", "RandomRotation(0.0)"),
        ("retargets to the own performer", "self.together(other_motion, static)", "self.together(motion, static)"),
        ("counts frames without the person", "- tracks).square() * seen).sum()", "- tracks).square()).sum()"),
    ),
)
