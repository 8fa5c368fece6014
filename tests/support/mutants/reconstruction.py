"""Faults of methods that give a clip again from its feature, and of what they stand on."""

from __future__ import annotations

from mutants.kind import Mutant, planted_in

RELEASED = "tests/methods/test_predict_cluster_released.py"
OWN = "tests/methods/test_predict_cluster.py"

RECONSTRUCTION: tuple[Mutant, ...] = (
    *planted_in(
        "methods",
        "methods/predict_cluster.py",
        f"{RELEASED} -k 'port or release'",
        ("counts padding in the paper's release", "is Flavour.tensorflow:", "is None:"),
        ("divides by all frames of the view", "counted.sum(1).clamp(min=1)", "counted.shape[1]"),
        ("predicts the frame that it was shown", "(made - frames[:, start:])", "(made - frames[:, : made.shape[1]])"),
    ),
    *planted_in(
        "methods",
        "methods/predict_cluster.py",
        f"{RELEASED} -k 'port or paper'",
        ("never fixes the decoder", "cell.requires_grad_(False)", "cell.requires_grad_(True)"),
    ),
    *planted_in(
        "methods",
        "sslskel/nn/sequence_decoder.py",
        f"{RELEASED} -k 'port or paper'",
        ("is shown the frame before", "shown[:, 1:] = frames[:, 1:]", "shown[:, 1:] = frames[:, :-1]"),
        ("carries its fixed state's output alone", "x = x + self.read_out(", "x = self.read_out("),
    ),
    *planted_in(
        "views",
        "sslskel/transforms/body_axes.py",
        f"{RELEASED} {OWN} -k 'made or turned or rotation or frames'",
        ("keeps frames with missing joints", "torch.where(whole.any(1, keepdim=True), whole, kept)", "kept"),
    ),
    *planted_in(
        "views",
        "sslskel/transforms/body_axes.py",
        f"{RELEASED} {OWN} -k 'made or turned or rotation or frames or moves'",
        ("sees who moves least", "argsort(descending=True, stable=True)", "argsort(stable=True)"),
        (
            "mirrors never",
            "if mirrored else torch.linalg.cross(up, across)",
            "if not mirrored else torch.zeros_like(up)",
        ),
        ("takes the first frames of a long clip", "(count // frames).clamp(min=1)", "torch.ones_like(count)"),
    ),
    *planted_in(
        "methods",
        "sslskel/nn/original_gru.py",
        "tests/nn/test_original_gru.py",
        ("resets behind the matrix", "torch.cat([x, r * state], -1)", "torch.cat([x, state], -1)"),
        ("reads both directions forward", "torch.stack([x, x.flip(1)])", "torch.stack([x, x])"),
    ),
    *planted_in(
        "optimisers",
        "sslskel/engine/optimisers.py",
        "tests/engine/test_optimisers.py",
        ("keeps torch's epsilon", "EPSILON / math.sqrt(1 - group", "EPSILON / math.sqrt(1 - 0 * group"),
    ),
)
