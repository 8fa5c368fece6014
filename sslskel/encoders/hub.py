"""Exported encoders on a model hub: fetched by ``owner/name``, and put there; all by huggingface_hub.

Who may write or read what is that library's matter: ``hf auth login``, ``HF_TOKEN``, ``HF_ENDPOINT``, ``HF_HOME`` and
``HF_HUB_OFFLINE`` work as it describes them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from sslskel.encoders.export import CARD
from sslskel.engine.checkpoint import FILES, MANIFEST, fault_of
from sslskel.errors import CheckpointError, RunError, UsageError

HUB = "https://huggingface.co"
_NAME = re.compile(r"(?P<name>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[\w./-]+))?", re.ASCII)


def fetched(path: Path | str) -> Path | str:
    """The folder of the encoder that ``OWNER/NAME`` or ``OWNER/NAME@REVISION`` is the name of, fetched once and kept.

    Everything else is returned as it is: what exists here, paths of other forms and files, and what would lie in a
    folder that exists. Weights and facts are fetched, never code. Raises ``CheckpointError`` where there is none of the
    name, it cannot be reached, or it is no exported encoder.
    """
    named = _NAME.fullmatch(str(path))
    if named is None or Path(path).exists() or Path(path).parent.is_dir() or Path(path).suffix in (".pth", ".pt"):
        return path
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            named["name"],
            revision=named["revision"],
            allow_patterns=[MANIFEST, *FILES, CARD],
            endpoint=_endpoint(),
        )
    except Exception as fault:  # its errors have no common class
        raise CheckpointError(
            f"there is no checkpoint at {path}, and no encoder of this name could be fetched from"
            f" {_endpoint()}: {_reason(fault)}"
        ) from fault
    if not (Path(folder) / MANIFEST).is_file():
        raise CheckpointError(
            f"{_endpoint()}/{named['name']} is no encoder that sslskel exported: it has no {MANIFEST}; only folders of"
            " `sslskel export` can be opened by name"
        )
    return Path(folder)


def push(folder: Path | str, name: str, *, private: bool = False) -> str:
    """Put a folder that :func:`export` made on the hub as ``OWNER/NAME``, in one commit; returns its address.

    The repository is made where there is none, ``private`` or not; one that is there is given a new version. Raises
    ``CheckpointError`` for a damaged folder, ``UsageError`` for one that was not exported or a name of another form,
    ``RunError`` where the hub refuses or cannot be reached.
    """
    folder, named = Path(folder), _NAME.fullmatch(name)
    if named is None or named["revision"]:
        raise UsageError(f"'{name}' is no name on a hub; give OWNER/NAME")
    if not (folder / MANIFEST).is_file() or not (folder / CARD).is_file():
        raise UsageError(f"{folder} was not made by `sslskel export`; export the checkpoint and push that folder")
    damage = fault_of(folder)
    if damage is not None:
        raise CheckpointError(f"{folder} is damaged ({damage}); export the checkpoint again")
    from huggingface_hub import HfApi

    api = HfApi(endpoint=_endpoint())
    try:
        api.create_repo(name, private=private, exist_ok=True)
        api.upload_folder(repo_id=name, folder_path=folder, commit_message="An encoder exported by sslskel")
    except Exception as fault:  # its errors have no common class
        raise RunError(
            f"{folder} could not be put on {_endpoint()} as {name}: {_reason(fault)}; `hf auth login` says who you are"
        ) from fault
    return f"{_endpoint()}/{name}"


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", HUB).rstrip("/")


def _reason(fault: Exception) -> str:
    """What huggingface_hub says of a fault, on one line, without advice on its own options."""
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(fault).__name__
