"""Faults of methods that predict a teacher's features of tokens, or the noise that was added to them."""

from __future__ import annotations

from mutants.kind import Mutant, planted_in

SKELETON2VEC = "tests/methods/test_skeleton2vec_released.py"
MACDIFF = "tests/methods/test_macdiff_released.py"

PREDICTED: tuple[Mutant, ...] = (
    *planted_in(
        "methods",
        "methods/skeleton2vec.py",
        SKELETON2VEC,
        ("leaves seen tokens where they are", "if self.released:\n            place", "if False:\n            place"),
        (
            "hides other joints in every segment",
            "rank.repeat_interleave(tube, 1)[:, :groups]",
            "rank.repeat(1, tube, 1)[:, :groups]",
        ),
        ("takes the first layers", "[-self.config.target_layers :]", "[: self.config.target_layers]"),
        (
            "does not normalise the mean",
            "functional.layer_norm(torch.stack(layers).mean(0), size)",
            "torch.stack(layers).mean(0)",
        ),
        ("normalises instances as layers", "self.config.target_norm is TargetNorm.layer", "True"),
        (
            "pairs views with their person",
            "if not self.released or",
            "if True or",
        ),
        ("moves its teacher at once", "progress.step / config.momentum_steps", "1"),
        (
            "gives norms and biases no decay",
            "for p in self.parameters() if p.requires_grad]}]",
            "for p in self.parameters() if p.ndim > 1]}]",
        ),
        ("starts positions in time as drawn", "nn.init.zeros_(table)", "pass"),
        ("leaves absent persons out", "self.config.empty_bodies is EmptyBodies.reference", "False"),
    ),
    *planted_in(
        "methods",
        "methods/macdiff.py",
        MACDIFF,
        (
            "keeps the truncated number",
            "round(self.num_tokens * (1 - config.mask_ratio))",
            "int(self.num_tokens * (1 - config.mask_ratio) - 0.1)",
        ),
        ("masks by motion always", "uniform, self.config.tau)", "uniform, 0.8)"),
        ("tells nobody nothing", "> self.config.unconditional", ">= 0"),
        ("sees every person", "if not self.config.one_person:", "if True:"),
        (
            "mixes v with the other sign",
            "(1 - left).sqrt() * added - left.sqrt() * clean",
            "left.sqrt() * clean - (1 - left).sqrt() * added",
        ),
        ("counts absent persons as alike", "normalize(seen[first]", "normalize(seen"),
        ("shows raw clips to its encoder", "prepare=self.scale", "prepare=lambda tracks: tracks"),
        ("drops no modulation", ">= self.config.layer_mask", ">= 0"),
    ),
    *planted_in(
        "methods",
        "sslskel/nn/diffusion.py",
        MACDIFF,
        (
            "counts from one",
            "own_scale * (scale * self.norm(x) + shift)",
            "(1 + own_scale) * (scale * self.norm(x) + shift)",
        ),
        (
            "embeds sines first",
            "torch.cat([angles.cos(), angles.sin()], 1)",
            "torch.cat([angles.sin(), angles.cos()], 1)",
        ),
        ("weighs errors without the small constant", "(1 - left + 1e-3)", "(1 - left)"),
        ("bends the schedule its own way", "(1 - t) * (1 + curvature)", "(1 - t) * 2"),
    ),
)
