"""Files and folders that appear whole or not at all, and the one sentence about a disk that cannot take them."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import BinaryIO

import pytest
from fault_tools import failing_sync

from sslskel.errors import RunError, UsageError
from sslskel.files import (
    MOST_BYTES,
    name_folder,
    new_folder,
    parse_json,
    publish,
    read_regular,
    replacing,
    require_output,
    sync_folder,
    write_output,
    write_synced,
    writing_in,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def interrupted(_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("replace", [False, True])
def test_a_full_disk_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, replace: bool
) -> None:
    publish(tmp_path / "old", b"old")
    monkeypatch.setattr(os, "fsync", failing_sync(number))
    with (
        pytest.raises(RunError, match=r"^no space left for it in .*MiB free\): free some.*runs prune.* again"),
        writing_in(tmp_path, "it"),
    ):
        publish(tmp_path / ("old" if replace else "new"), b"new", replace_existing=replace)
    assert names(tmp_path) == ["old"]
    assert (tmp_path / "old").read_bytes() == b"old"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_disk_that_is_full_while_bytes_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path / "a", b"old")
    opened = Path.open

    def full(self: Path, mode: str = "r") -> BinaryIO:
        opened(self, mode).close()
        return open("/dev/full", "wb")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(RunError, match="no space left for it"), writing_in(tmp_path, "it"):
        publish(tmp_path / "a", b"new" * 10**6, replace_existing=True)
    with (
        pytest.raises(RunError, match="no space left"),
        writing_in(tmp_path, "it"),
        new_folder(tmp_path / "b") as folder,
    ):
        write_synced(folder / "c", b"new")
    monkeypatch.undo()
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_writer_says_how_to_make_room_and_which_error_it_is(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match=r"free some on /scratch, and give the same command again"),
        writing_in(tmp_path / "not" / "there", "it", hint=" on /scratch", error=UsageError),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_permission_denied_is_one_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with (
            pytest.raises(RunError, match=r"Permission denied\): make the folder writable or choose another") as fault,
            writing_in(tmp_path, "it"),
        ):
            publish(tmp_path / "a", b"new")
        assert "\n" not in str(fault.value)
    finally:
        tmp_path.chmod(0o700)


def test_a_read_only_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", failing_sync(errno.EROFS))
    with (
        pytest.raises(RunError, match=r"it cannot be written in .*Read-only.*make the folder writable"),
        writing_in(tmp_path, "it"),
    ):
        publish(tmp_path / "a", b"new")
    assert names(tmp_path) == []


def test_the_first_of_several_writers_wins_unless_it_may_be_replaced(tmp_path: Path) -> None:
    assert publish(tmp_path / "deep" / "a", b"one")
    assert not publish(tmp_path / "deep" / "a", b"two")
    assert (tmp_path / "deep" / "a").read_bytes() == b"one"
    assert publish(tmp_path / "deep" / "a", b"two", replace_existing=True)
    assert (tmp_path / "deep" / "a").read_bytes() == b"two"
    assert names(tmp_path / "deep") == ["a"]


@pytest.mark.parametrize("replace", [False, True])
def test_a_file_has_the_mode_that_any_new_file_gets(tmp_path: Path, replace: bool) -> None:
    before = os.umask(0o027)
    try:
        publish(tmp_path / "a", b"", replace_existing=replace)
        with new_folder(tmp_path / "b"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o750


def test_a_file_in_pieces_appears_when_it_is_whole(tmp_path: Path) -> None:
    publish(tmp_path / "a", b"old")
    with replacing(tmp_path / "a") as file:
        file.write(b"ne")
        file.flush()
        assert (tmp_path / "a").read_bytes() == b"old"
        file.write(b"w")
    assert (tmp_path / "a").read_bytes() == b"new"
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "a") as file:
        interrupted(file.write(b"half"))
    assert (tmp_path / "a").read_bytes() == b"new"
    assert names(tmp_path) == ["a"]


def test_a_folder_or_a_device_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    os.mkfifo(tmp_path / "b")
    for name in ("a", "b"):
        with (
            pytest.raises(RunError, match=r"cannot be written in .*there is a folder or a device of that name"),
            writing_in(tmp_path, name),
        ):
            publish(tmp_path / name, b"new", replace_existing=True)
    assert names(tmp_path) == ["a", "b"]


def read_pipe(path: Path, heard: list[bytes]) -> threading.Thread:
    thread = threading.Thread(target=lambda: heard.append(path.read_bytes()), daemon=True)
    thread.start()
    return thread


def test_an_output_goes_into_a_pipe_and_a_device(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    heard: list[bytes] = []
    reader = read_pipe(tmp_path / "pipe", heard)
    write_output(tmp_path / "pipe", b"x" * 10**6)
    reader.join(30)
    assert heard == [b"x" * 10**6]
    (tmp_path / "null").symlink_to("/dev/null")
    write_output(tmp_path / "null", b"new")
    assert names(tmp_path) == ["null", "pipe"]
    assert stat.S_ISFIFO((tmp_path / "pipe").lstat().st_mode)
    assert os.readlink(tmp_path / "null") == "/dev/null"
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.parametrize("there", [True, False])
def test_an_output_goes_where_a_link_leads(tmp_path: Path, there: bool) -> None:
    if there:
        (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to("file")
    write_output(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"
    assert names(tmp_path) == ["file", "link"]


_TO_STDOUT = """
import os
from pathlib import Path
from sslskel.files import write_output
print("before")
write_output(Path("mine"), b"board\\n")
print("after")
"""


@pytest.mark.parametrize("name", ["/dev/stdout", "/proc/self/fd/1", "/dev/fd/1"])
def test_an_output_to_standard_output_is_neither_lost_nor_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / "mine").symlink_to(name)
    with (tmp_path / "log").open("wb") as log:
        subprocess.run([sys.executable, "-c", _TO_STDOUT], cwd=tmp_path, stdout=log, check=True)
    assert (tmp_path / "log").read_text() == "before\nboard\nafter\n"
    assert os.readlink("/dev/stdout").startswith("/proc/")


def test_what_cannot_be_written_is_refused_before_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("", "file/below"):
        with pytest.raises(UsageError, match=r"is a folder; name the file|is not a folder"):
            require_output(tmp_path / name)
    for name in ("file", "new", "deep/new"):
        require_output(tmp_path / name)


def test_a_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    with new_folder(tmp_path / "a") as folder:
        write_synced(folder / "b", b"1")
        assert not (tmp_path / "a").exists()
    assert (tmp_path / "a" / "b").read_bytes() == b"1"
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "c") as folder:
        interrupted(write_synced(folder / "b", b"1"))
    assert names(tmp_path) == ["a"]


def test_a_folder_never_replaces_one_that_holds_something(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_synced(tmp_path / name / "c", name.encode())
    with pytest.raises(OSError, match="not empty"):
        name_folder(tmp_path / "a", tmp_path / "b")
    with pytest.raises(OSError, match="not empty"), new_folder(tmp_path / "b"):
        pass
    assert (tmp_path / "b" / "c").read_bytes() == b"b"
    assert names(tmp_path) == ["a", "b"]


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "nothing", "large"])
def test_only_regular_files_of_a_sane_size_are_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "large":
        path.touch()
        os.truncate(path, MOST_BYTES + 1)
    with pytest.raises(OSError, match=r"not a file|No such file|at most 268,435,456 are read"):
        read_regular(path)


@pytest.mark.parametrize("text", ["1e999", "NaN", "-Infinity", "1" * 400, "1" * 5000, "-" + "9" * 20, "[" * 10**5, "{"])
def test_json_that_nothing_can_use_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(?!Exceeds)"):
        parse_json(text)


def test_json_of_numbers_that_programs_use_is_read() -> None:
    assert parse_json(f"[{2**64 - 1}, {-(2**63)}, 1.5, -0.0]") == [2**64 - 1, -(2**63), 1.5, -0.0]


def test_a_folder_that_cannot_be_opened_is_no_fault(tmp_path: Path) -> None:
    sync_folder(tmp_path / "missing")


_WRITER = """
import sys
from pathlib import Path
from sslskel.files import new_folder, publish, write_synced
here = Path(sys.argv[1])
print("ready", flush=True)
for number in range(10**6):
    publish(here / "file", b"%07d" % number * 10**5, replace_existing=True)
    with new_folder(here / f"folder{number}") as folder:
        for name in "abc":
            write_synced(folder / name, b"x" * 10**5)
"""


def test_a_killed_writer_leaves_only_what_is_whole(tmp_path: Path) -> None:
    for pause in (0.02, 0.05, 0.11):
        process = subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(pause)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        content = (tmp_path / "file").read_bytes() if (tmp_path / "file").exists() else b""
        assert content == content[:7] * 10**5
        for folder in tmp_path.glob("folder*"):
            assert [len((folder / name).read_bytes()) for name in "abc"] == [10**5] * 3
        for folder in tmp_path.glob("folder*"):
            folder.rename(tmp_path / f"seen-{pause}-{folder.name}")
