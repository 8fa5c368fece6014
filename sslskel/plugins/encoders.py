"""Exported encoders that are called by name: folders of ``encoders/`` in the local plugin folders.

What such a folder holds is for ``sslskel.encoders``.
"""

from __future__ import annotations

from pathlib import Path

from sslskel.errors import CheckpointError, did_you_mean
from sslskel.plugins.local import LOCAL_FOLDER, local_folders

FOLDER = "encoders"
SIGN = "manifest.json"
"""File that an exported encoder has."""


def encoder_folders() -> list[Path]:
    """The exported encoders that have a name here, sorted by it; two may have one."""
    folders = [sign.parent for root in local_folders() for sign in (root / FOLDER).glob(f"*/{SIGN}")]
    return sorted(folders, key=lambda folder: folder.name)


def checkpoint_path(path: Path | str) -> Path:
    """The path itself, or the folder of the exported encoder that it is the name of.

    Raises ``CheckpointError`` where there is neither, or several encoders of the name.
    """
    path = Path(path)
    if path.exists():
        return path
    known = encoder_folders()
    named = [folder for folder in known if path.parts == (folder.name,)]
    if len(named) > 1:
        raise CheckpointError(f"several encoders are called '{path}': {', '.join(map(str, named))}; give one's path")
    if named:
        return named[0]
    if len(path.parts) != 1 or path.suffix:
        raise CheckpointError(f"there is no checkpoint at {path}")
    names = sorted({folder.name for folder in known})
    places = [str(root / FOLDER) for root in local_folders()] or [str(Path(LOCAL_FOLDER) / FOLDER)]
    raise CheckpointError(
        f"there is no checkpoint at {path}, and no encoder of this name in"
        f" {', '.join(places)}{did_you_mean(str(path), names)} (there are: {', '.join(names) or 'none'})"
    )
