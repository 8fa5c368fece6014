"""Three named ways to train: what each computes, as overrides of a run's configuration.

``exact`` is what released code computes: the zeros of missing persons are trained on too, in fp32.
``present`` trains on the persons that are there, in fp32; the default. Its loss is another one.
``fast`` is ``present`` in bf16.
"""

from __future__ import annotations

from collections.abc import Sequence

from sslskel.config.compose import option_names
from sslskel.errors import UsageError, did_you_mean
from sslskel.plugins.registry import METHODS

BODIES = "method.empty_bodies"
MODES = {
    "exact": {BODIES: "reference", "engine.precision": "fp32"},
    "present": {BODIES: "present", "engine.precision": "fp32"},
    "fast": {BODIES: "present", "engine.precision": "bf16"},
}


def mode_overrides(mode: str, methods: Sequence[str]) -> list[str]:
    """The overrides that ``mode`` stands for; both options are part of a run's identity.

    A method without the option trains on present persons in every mode. Raises
    ``UsageError`` for an unknown mode, and for ``exact`` where no method can do that.
    """
    if mode not in MODES:
        raise UsageError(f"there is no mode '{mode}'{did_you_mean(mode, MODES)} (there are: {', '.join(MODES)})")
    able = [m for m in methods if BODIES in option_names(m, METHODS.get(m).default_backbone, None)]
    if mode == "exact" and not able:
        raise UsageError(
            f"mode exact trains on empty bodies too, but {', '.join(methods)} trains on present persons alone"
            f" (there is no option {BODIES}); use mode present or fast"
        )
    return [f"{key}={value}" for key, value in MODES[mode].items() if key != BODIES or able]
