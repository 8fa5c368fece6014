"""How a list of checks is run and what it says: names, skips, expected failures.

Nothing here knows what is checked.
"""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from sslskel.errors import SslskelError, UsageError, did_you_mean

S = TypeVar("S")
Check = Callable[[S], str | None]
"""Passes where it returns; what it returns is worth saying beside that."""
DECLARED = "expected_failed_checks_exist"
"""Name of the result that says whether declared failures are of checks that there are."""


@dataclass(frozen=True)
class CheckResult:
    """The result of one check. A skipped check has neither passed nor failed."""

    name: str
    passed: bool
    skipped: bool = False
    detail: str = ""
    """Why it failed or was skipped, or what else is worth knowing."""

    @property
    def failed(self) -> bool:
        """Neither passed nor skipped."""
        return not (self.passed or self.skipped)


class Skip(Exception):
    """Raised by a check that does not apply, with the reason."""


def expect(condition: object, message: str) -> None:
    """Fail the running check with a sentence unless the condition holds."""
    if not condition:
        raise AssertionError(message)


def descriptions(checks: Mapping[str, Check[S]]) -> dict[str, str]:
    """Name of each check and what it holds, in one sentence."""
    return {name: (check.__doc__ or "").strip().splitlines()[0] for name, check in checks.items()}


def run_checks(
    subject: S, checks: Mapping[str, Check[S]], expected: Mapping[str, str], only: Collection[str] | None = None
) -> list[CheckResult]:
    """Run all checks, or those named in ``only``; one result each, whatever happens inside.

    ``expected`` maps names of checks that may fail to the reason; such a failure counts
    as skipped. A name in ``expected`` that is not a check is a failure, ``DECLARED``,
    which can be asked for too. Raises ``UsageError`` for a name in ``only`` that is no check.
    """
    for name in only or ():
        if name not in (*checks, DECLARED):
            raise UsageError(f"there is no check '{name}'{did_you_mean(name, checks)} (there are: {', '.join(checks)})")
    wanted = {name: check for name, check in checks.items() if only is None or name in only}
    with _one_thread():
        results = [_judged(_run(name, check, subject), expected) for name, check in wanted.items()]
    unknown = sorted(set(expected) - set(checks))
    if unknown and (only is None or DECLARED in only):
        detail = f"expected_failed_checks names {', '.join(unknown)}, which is not a check; correct or remove it"
        results.append(CheckResult(DECLARED, False, detail=detail))
    elif only is not None and DECLARED in only:
        results.append(CheckResult(DECLARED, True))
    return results


@contextmanager
def _one_thread() -> Iterator[None]:
    """Tensors here are tiny: more threads only wait for each other, on a busy machine for minutes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _run(name: str, check: Check[S], subject: S) -> CheckResult:
    try:
        detail = check(subject)
    except Skip as reason:
        return CheckResult(name, False, True, str(reason))
    except (AssertionError, SslskelError) as fault:
        return CheckResult(name, False, detail=str(fault) or type(fault).__name__)
    except Exception as fault:
        last = traceback.extract_tb(fault.__traceback__)[-1]
        place = f"{last.filename}, line {last.lineno}"
        return CheckResult(name, False, detail=f"{type(fault).__name__}: {fault} ({place})")
    return CheckResult(name, True, detail=detail or "")


def _judged(result: CheckResult, expected: Mapping[str, str]) -> CheckResult:
    reason = expected.get(result.name)
    if reason is None or result.skipped:
        return result
    if result.passed:
        return CheckResult(result.name, True, detail=f"passes, though declared as an expected failure: {reason}")
    return CheckResult(result.name, False, True, f"expected: {reason} ({result.detail})")


@contextmanager
def global_generators_untouched() -> Iterator[None]:
    """Fail the running check where the block draws from or seeds a global generator."""

    def states() -> tuple[bytes, bytes, object]:
        drawn = np.random.get_state(legacy=False)
        return torch.get_rng_state().numpy().tobytes(), repr(drawn).encode(), random.getstate()

    before = states()
    yield
    names = ("torch's", "numpy's", "Python's")
    touched = [name for name, old, new in zip(names, before, states(), strict=True) if old != new]
    expect(not touched, f"{' and '.join(touched)} global generator was used; draw from the Noise that is handed in")
