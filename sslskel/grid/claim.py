"""Holds a piece of work for one run, where several runs share a results folder."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sslskel.api.distributed import is_first
from sslskel.progress import Reporter
from sslskel.results.store import ResultStore

POLL_SECONDS = 1.0


@contextmanager
def claimed(store: ResultStore, identity: str, reporter: Reporter, needs: Sequence[str]) -> Iterator[None]:
    """Hold a piece of work for this run; waits while another run on the same folder does it.

    Of several processes of one run the first holds it for all. ``needs`` are the identities of pretrainings that
    nobody may remove until the work is done.
    """
    if not is_first():
        yield
        return
    waiting = False
    while (claim := store.claim(identity, needs)) is None:
        if not waiting:
            reporter.line(f"  waiting for {store.holder(identity)}; remove that file if no process is at work there")
            waiting = True
        time.sleep(POLL_SECONDS)
    with claim:
        yield
