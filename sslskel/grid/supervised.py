"""Keeps supervised references to the protocols that train them on labels."""

from __future__ import annotations

from sslskel.api.method import PretextMethod
from sslskel.errors import UsageError
from sslskel.plugins.registry import PROTOCOLS


def require_labels(name: str, method: type[PretextMethod], protocol: str | None) -> None:
    """Raise ``UsageError`` where a supervised reference is to be pretrained (no protocol) or judged untrained."""
    if not method.reads_labels or (protocol is not None and PROTOCOLS.get(protocol).trains_classifiers):
        return
    reason = "there is nothing to pretrain" if protocol is None else f"'{protocol}' would judge it untrained"
    able = [one for one in PROTOCOLS.names() if PROTOCOLS.get(one).trains_classifiers]
    raise UsageError(
        f"'{name}' is a supervised reference, which learns from labels alone, so {reason}; bench it under a protocol"
        f" that trains it: {', '.join(able)}"
    )
