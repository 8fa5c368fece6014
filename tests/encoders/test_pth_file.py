"""Damage and traps in ``.pth`` files: checksums are compared, sizes are known, and nothing takes long."""

from __future__ import annotations

import argparse
import io
import pickle
import pickletools
import random
import struct
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from released_files import dense, released_state

from sslskel.encoders.released import load_released
from sslskel.errors import CheckpointError


@pytest.fixture(autouse=True)
def soon() -> Iterator[None]:
    """Every file here is opened or refused in seconds."""
    start = time.process_time()
    yield
    assert time.process_time() - start < 30


def rewritten(path: Path, method: int = zipfile.ZIP_STORED, **members: bytes) -> Path:
    """A saved file with other contents of some members, by their last name, and right checksums."""
    torch.save(released_state(), path)
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(name, members.get(name.rpartition("/")[2].replace(".", "_"), content))
    return path


def test_every_changed_byte_of_a_weight_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save(released_state(dim=64), path)
    whole, chance = path.read_bytes(), random.Random(0)
    with zipfile.ZipFile(path) as archive:
        places = [m.header_offset + 200 for m in archive.infolist() if "/data/" in m.filename and m.file_size > 400]
    for place in chance.sample(places, 12):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="cut short or damaged; fetch it again"):
            load_released(path, num_heads=4)


def test_an_untouched_copy_opens(tmp_path: Path) -> None:
    torch.save(released_state(), tmp_path / "b.pth")
    copy = load_released(rewritten(tmp_path / "a.pth"), num_heads=4)
    assert torch.equal(copy(dense()), load_released(tmp_path / "b.pth", num_heads=4)(dense()))


def test_packed_members_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is packed, as torch\.save never does it"):
        load_released(rewritten(tmp_path / "a.pth", zipfile.ZIP_DEFLATED))


def shared_lists() -> bytes:
    """Some hundred bytes that stand for 2**200 values."""
    content: Any = []
    for _ in range(200):
        content = [content, content]
    return pickle.dumps({"model": {"a": 1}, "args": content, "state": content}, 2)


def colliding() -> bytes:
    """40,000 keys that Python files in one place."""
    return b"\x80\x02}(" + b"".join(pickle.dumps(n * (2**61 - 1), 2)[2:-1] + b"K\0" for n in range(40_000)) + b"u."


def many() -> bytes:
    return pickle.dumps(list(range(150_000)), 2)


def deep() -> bytes:
    return b"\x80\x02" + b"]" * 90_000 + b"a" * 89_999 + b"."


def nested() -> bytes:
    """Steps that make a tuple which takes as long to hash as 2**200 numbers."""
    content: Any = ()
    for _ in range(200):
        content = (content, content)
    return pickle.dumps(content, 2)[2:-1]


def nested_key() -> bytes:
    """A dict that has it as its only key."""
    return b"\x80\x02}" + nested() + b"K\x01s."


def call(name: str, *arguments: Any, times: int = 1) -> bytes:
    """A call of ``name``, again and again with what it gave where ``times`` is more than one."""
    given = [pickle.dumps(one, 2)[2:-1] for one in arguments]
    module, _, word = name.rpartition(".")
    looked_up = f"c{module}\n{word}\n".encode()
    first = b"(" + b"".join(given) + b"tR"
    again = b"q\xff0" + looked_up + b"(h\xff" + given[-1] + b"tR"
    return b"\x80\x02" + looked_up + first + again * (times - 1) + b"."


def legacy_start(pickles: int) -> bytes:
    """The first of the pickles in a file as written before PyTorch 1.6."""
    old = io.BytesIO()
    torch.save(released_state(), old, _use_new_zipfile_serialization=False)
    stream = io.BytesIO(old.getvalue())
    for _ in range(pickles):
        list(pickletools.genops(stream))
    return old.getvalue()[: stream.tell()]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (nested_key, "names a value by something else than a text or a number"),
        (lambda: b"\x80\x02}X\x05\0\0\0model" + nested_key()[2:-1] + b"s.", "names a value by something else"),
        (
            lambda: b"\x80\x02c__builtin__\nset\n(]" + nested() + b"atR.",
            "holds a .*set object, which could run code",
        ),
        (
            lambda: b"\x80\x02ccollections\nOrderedDict\n(](" + nested() + b"K\x01tatR.",
            "makes a collections.OrderedDict of something",
        ),
        (lambda: b"\x80\x02ccollections\nCounter\n(]" + nested() + b"atR.", "makes a collections.Counter of something"),
        (lambda: call("_codecs.encode", "x" * 99, "hex", times=60), "makes a _codecs.encode of something"),
        (lambda: call("builtins.bytearray", 2**40), "holds a builtins.bytearray object"),
        (lambda: call("torch.Tensor", 2**20, 2**20), "holds a torch.Tensor object"),
        (lambda: call("torch.Size", (1,) * 65), "makes a torch.Size of something"),
        (lambda: b"\x80\x02" + nested() + b"Q.", "keeps the values of tensors under strange names"),
        (lambda: pickle.dumps(("storage", 2**50), 2)[:-1] + b"Q.", "more values than it has bytes"),
        (
            lambda: b"\x80\x02ccollections\nOrderedDict\n)R](" + nested() + b"K\x01tab.",
            "the state",
        ),
        (shared_lists, "'a' in .* is a int, where a tensor was expected"),
        (colliding, "more than 64 bits"),
        (many, "more than 100,000 values beside its tensors"),
        (deep, "more than 100,000 values beside its tensors"),
        (lambda: pickle.dumps({"a": "x" * 2**23}, 2), "where at most 4,194,304 were expected|is a str, where a tensor"),
        (lambda: pickle.dumps({("model", 3): torch.Size([1])}, 2), "names a value by something else"),
        (lambda: b"\x80\x02\x8d" + struct.pack("<Q", 2**60) + b"x.", "damaged"),
    ],
)
@pytest.mark.parametrize("legacy", [False, True])
def test_small_pickles_that_stand_for_much_are_refused_soon(
    content: Any, reason: str, legacy: bool, tmp_path: Path
) -> None:
    path = tmp_path / "a.pth"
    if legacy:
        path.write_bytes(legacy_start(3) + content() + pickle.dumps([], 2))
        reason += "|cut short or damaged|holds a Tensor"
    else:
        rewritten(path, data_pkl=content())
    with pytest.raises(CheckpointError, match=reason):
        load_released(path)


def test_the_names_behind_a_legacy_file_are_looked_at_too(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(legacy_start(4) + nested_key())
    with pytest.raises(CheckpointError, match="names a value by something else"):
        load_released(tmp_path / "a.pth")


def test_what_people_keep_beside_tensors_is_read(tmp_path: Path) -> None:
    state = released_state()
    optimiser = torch.optim.AdamW([torch.nn.Parameter(one) for one in state.values()])
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, [3, 5])
    sum(one.sum() for group in optimiser.param_groups for one in group["params"]).backward()
    optimiser.step()
    args = argparse.Namespace(milestones=(3, 5), raw=b"ab", nested={"a": [1, {"b": None}], 3: 0.5}, device="cuda:0")
    content = {
        "model": {name: torch.nn.Parameter(value) for name, value in state.items()},
        "module": torch.nn.Linear(2, 3).state_dict(),
        "optimizer": optimiser.state_dict(),
        "schedule": schedule.state_dict(),
        "args": args,
        "shape": torch.Size([2, 3]),
        "type": torch.float16,
    }
    for legacy in (False, True):
        torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=not legacy)
        assert load_released(tmp_path / "a.pth", num_heads=4).dim == 16


def test_a_second_pickle_or_end_that_only_pytorch_would_see_is_refused(tmp_path: Path) -> None:
    path = rewritten(tmp_path / "a.pth")
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    hostile = nested_key()
    with zipfile.ZipFile(tmp_path / "b.pth", "w") as archive:
        for name, content in contents.items():
            large = name.endswith("data.pkl")
            archive.writestr(name.replace("data.pkl", "DATA.PKL"), hostile if large else content)
    with pytest.raises(CheckpointError, match="names a value by something else"):
        load_released(tmp_path / "b.pth")
    rewritten(tmp_path / "c.pth", data_pkl=hostile)
    for content in (path.read_bytes() + path.read_bytes(), (tmp_path / "c.pth").read_bytes() + path.read_bytes()):
        (tmp_path / "d.pth").write_bytes(content)
        with pytest.raises(CheckpointError, match="cut short or damaged"):
            load_released(tmp_path / "d.pth")


def test_tensors_that_share_their_values_are_refused(tmp_path: Path) -> None:
    one = torch.zeros(2**20, dtype=torch.float16)
    torch.save({f"a{number}": one for number in range(2000)}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"share their values and would take 4,194,304,000 bytes"):
        load_released(tmp_path / "a.pth")


def test_a_million_members_are_not_listed(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save(released_state(), path)
    whole = bytearray(path.read_bytes())
    at = whole.rindex(b"PK\5\6")
    directory = struct.unpack_from("<I", whole, at + 16)[0]
    entry = bytes(whole[directory : directory + 46]) + b"a" * struct.unpack_from("<H", whole, directory + 28)[0]
    entry += b"b" * struct.unpack_from("<H", whole, directory + 30)[0]
    many = entry * 10**6
    large = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 10**6, 10**6, len(many), directory)
    locator = b"PK\6\7" + struct.pack("<IQI", 0, directory + len(many), 1)
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0)
    path.write_bytes(bytes(whole[:directory]) + many + large + locator + end)
    start = time.process_time()
    with pytest.raises(CheckpointError, match="lists more than 100,000 members"):
        load_released(path)
    assert time.process_time() - start < 3


@pytest.mark.parametrize("state", [[[1], [2]], "four", None])
def test_heads_that_are_no_number_are_passed_over(state: Any, tmp_path: Path) -> None:
    args = argparse.Namespace(model_args={"num_heads": state})
    torch.save({"model": released_state(), "args": args}, tmp_path / "a.pth")
    assert load_released(tmp_path / "a.pth", num_heads=4).dim == 16
