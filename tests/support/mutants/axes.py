"""Faults of UmURL and USDRL, and of their encoders over frames and joints."""

from __future__ import annotations

from mutants.kind import Mutant, planted_in

UMURL = "tests/methods/test_umurl_released.py"
USDRL = "tests/methods/test_usdrl_released.py"

AXES: tuple[Mutant, ...] = (
    *planted_in(
        "methods",
        "methods/umurl.py",
        UMURL,
        ("adds its streams up", "torch.stack(axis).mean(0)", "torch.stack(axis).sum(0)"),
        (
            "compares a stream with itself",
            "self.heads[stream.value](features[-1])",
            "self.heads[stream.value](features[0])",
        ),
        (
            "pulls its streams to the fused ones",
            "pulled_together(alone, torch.stack(alone)",
            "pulled_together(alone, torch.stack(fused)",
        ),
        (
            "weighs agreement 1",
            "weight = every[:3], every[3:], self.config.agreement",
            "weight = every[:3], every[3:], 1.0",
        ),
    ),
    *planted_in(
        "methods",
        "methods/usdrl.py",
        USDRL,
        ("counts one clip less in correlations", "@ unit[1] / len(first)", "@ unit[1] / (len(first) - 1)"),
        ("pulls to the mean of all four views", "torch.stack(some).mean(0)", "torch.stack(list(views)).mean(0)"),
        ("gives all kinds of features one weight", "share * getattr(self.config, kind)", "getattr(self.config, kind)"),
        ("draws attention's projection anew", "and layer not in joint", ""),
        (
            "reads joints whatever its stream",
            "self.encoder.prepare(view.joined(self.clip.persons))",
            "view.joined(self.clip.persons)",
        ),
    ),
    *planted_in(
        "losses",
        "sslskel/contrastive/redundancy.py",
        f"{UMURL} {USDRL}",
        ("takes covariances over all clips", "centred.T @ centred / (count - 1)", "centred.T @ centred / count"),
        ("counts variances as redundancy", " - covariance.diagonal().square().sum()", ""),
        ("wants a deviation of 2", "relu(1 - (", "relu(2 - ("),
    ),
    *planted_in(
        "methods",
        "sslskel/nn/two_axes.py",
        f"{UMURL} {USDRL}",
        (
            "takes means over an axis",
            "self.frames.amax(1), self.joints.amax(1)",
            "self.frames.mean(1), self.joints.mean(1)",
        ),
        ("takes the largest joints of a frame", "functional.adaptive_avg_pool1d", "functional.adaptive_max_pool1d"),
    ),
    *planted_in(
        "methods",
        "sslskel/backbones/dste.py",
        USDRL,
        (
            "goes around attention behind the convolution",
            'layer, "convolved") + x, layer',
            'layer, "convolved") + near, layer',
        ),
        ("keeps other tokens where they are", "% config.gap == 0", "% config.gap == 1"),
        ("skips no branch", "return Dropout(0.0, self._noise, rows)", "return Dropout(0.0, None, rows)"),
    ),
    *planted_in(
        "methods",
        "sslskel/backbones/sttr.py",
        USDRL,
        ("starts its layers apart", "copy.deepcopy(first) for", "PostNormLayer(config.width, config.heads) for"),
        (
            "has positions in one axis",
            "frames, joints = self.placed(axes)",
            "frames, joints = self.placed(axes).frames, axes.joints",
        ),
    ),
)
