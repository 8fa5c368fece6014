"""Keeps supervised references and semi-supervised systems to the protocols that train them on labels."""

from __future__ import annotations

from sslskel.api.method import PretextMethod
from sslskel.errors import UsageError
from sslskel.plugins.registry import PROTOCOLS


def require_labels(name: str, method: type[PretextMethod], protocol: str | None) -> None:
    """Raise ``UsageError`` where a supervised reference is to be pretrained (no protocol) or judged untrained.

    Also where a semi-supervised system would get no unlabelled clips.
    """
    if method.reads_unlabelled:
        _require_unlabelled(name, protocol)
    if not method.reads_labels or (protocol is not None and PROTOCOLS.get(protocol).trains_classifiers):
        return
    reason = "there is nothing to pretrain" if protocol is None else f"'{protocol}' would judge it untrained"
    able = [one for one in PROTOCOLS.names() if PROTOCOLS.get(one).trains_classifiers]
    raise UsageError(
        f"'{name}' is a supervised reference, which learns from labels alone, so {reason}; bench it under a protocol"
        f" that trains it: {', '.join(able)}"
    )


def _require_unlabelled(name: str, protocol: str | None) -> None:
    if protocol is not None and PROTOCOLS.get(protocol).gives_unlabelled:
        return
    reason = "there is nothing to pretrain" if protocol is None else f"'{protocol}' gives it no unlabelled ones"
    able = [one for one in PROTOCOLS.names() if PROTOCOLS.get(one).gives_unlabelled]
    raise UsageError(
        f"'{name}' is a semi-supervised system, which learns from labelled clips beside unlabelled ones, and {reason};"
        f" bench it under a protocol that gives it both: {', '.join(able)}"
    )
