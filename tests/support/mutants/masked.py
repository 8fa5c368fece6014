"""Faults of masked modelling."""

from __future__ import annotations

from mutants.kind import Mutant, planted_in

RELEASED = "tests/methods/test_masked_modelling_released.py"
MASKING = "tests/methods/test_masking.py"

MASKED: tuple[Mutant, ...] = (
    *planted_in(
        "methods",
        "methods/masked_modelling/__init__.py",
        f"{RELEASED} {MASKING}",
        ("has its own stride", "motion(tracks, self.config.motion_stride)", "motion(tracks, 1)"),
        ("judges motion at its own stride", "partial(motion, stride=self.config.motion_stride)", "motion"),
        ("never normalises a target", "normalise_tokens(tokens) if self.config.normalise_target else tokens", "tokens"),
        (
            "always normalises a target",
            "normalise_tokens(tokens) if self.config.normalise_target else tokens",
            "normalise_tokens(tokens)",
        ),
        (
            "keeps one token more",
            "int(self.num_tokens * (1 - config.mask_ratio))",
            "round(self.num_tokens * (1 - config.mask_ratio) + 0.5)",
        ),
        ("hides its own share", "int(self.num_tokens * (1 - config.mask_ratio))", "int(self.num_tokens * (1 - 0.9))"),
        ("counts clips for tokens", "each.new_full((), hidden.numel())", "each.new_full((), len(hidden))"),
        (
            "predicts the tokens that are seen",
            "target = self.targets(tracks, hidden)",
            "target = self.targets(tracks, keep.repeat(1, 60)[:, : hidden.shape[1]])",
        ),
        (
            "sees the target",
            "encode_kept(self.backbone, self.signal(tracks, self.config.input), keep)",
            "encode_kept(self.backbone, self.signal(tracks, self.config.target), keep)",
        ),
        ("measures what is predicted by absolute error", ".square().mean(-1)", ".abs().mean(-1)"),
        ("leaves missing persons out", "if self.config.empty_bodies is EmptyBodies.reference:", "if False:"),
        (
            "judges motion where it saw joints",
            "unchanged if self.config.input is Signal.joint else",
            "unchanged if self.config.input is Signal.motion else",
        ),
    ),
    *planted_in(
        "methods",
        "methods/masked_modelling/__init__.py",
        f"{RELEASED} {MASKING}",
        ("has its own temperature of motion", "else config.tau", "else 0.8"),
        ("masks by motion always", "0.0 if config.masking is Masking.random else config.tau", "config.tau"),
    ),
    *planted_in(
        "methods",
        "sslskel/nn/token_masks.py",
        f"{RELEASED} {MASKING}",
        (
            "hides what moves least",
            "return torch.log_softmax(scaled, -1) + gumbel",
            "return gumbel - torch.log_softmax(scaled, -1)",
        ),
        ("never draws", "return torch.log_softmax(scaled, -1) + gumbel", "return torch.log_softmax(scaled, -1)"),
        ("ignores tau 0", "if tau <= 0:", "if tau < 0:"),
        (
            "divides by the biased variance",
            "torch.var_mean(tokens, dim=-1, keepdim=True)",
            "torch.var_mean(tokens, dim=-1, keepdim=True, correction=0)",
        ),
        (
            "gives the first segment no motion",
            "first = change[:, :1] if change.shape[1] else",
            "first = 0 * change[:, :1] if change.shape[1] else",
        ),
    ),
    *planted_in(
        "methods",
        "sslskel/nn/token_decoder.py",
        RELEASED,
        ("leaves the places out", "x = content + positions", "x = content"),
        ("has no final norm", "self.pred(self.norm(x))", "self.pred(x)"),
    ),
    *planted_in(
        "methods",
        "sslskel/nn/shared_tokens.py",
        "tests/nn/test_shared_tokens.py",
        ("counts seen tokens as hidden ones", "scatter(1, order[:, :kept], 0)", "scatter(1, order[:, :kept], 1)"),
        ("leaves out what seen tokens weigh", " + own.sum(-1)", ""),
        ("goes on where digits are lost", "> FARTHEST", "> 1e9"),
    ),
)
