"""Files are written by sslskel/files.py alone, whole or not at all; who writes elsewhere stands here with a reason."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("sslskel", "methods", "benchmarks")
WRITER, STREAMS = "sslskel/files.py", ("BytesIO", "replacing", "output_file")
OTHERS = {
    "sslskel/checks/processes.py: open(os.devnull, 'wb')": "throws output away",
    "sslskel/cli/streams.py: Path(os.devnull).open('w', encoding='utf-8')": "takes the place of a closed output",
    "sslskel/cli/streams.py: os.open(os.devnull, os.O_WRONLY)": "throws away what a full device did not take",
    "sslskel/data/store/grow.py: path.open('r+b')": "arrays larger than memory, under a name that is not the dataset's",
    "sslskel/data/store/journal.py: (folder / NAME).open('a+b')": "an append-only journal, which is also a lock",
    "sslskel/data/store/journal.py: (self.folder / name).open('ab')": "cuts unfinished arrays back to the journal",
    "sslskel/engine/log_file.py: self._path.open('a', encoding='utf-8')": "an append-only log, a line an epoch",
    "sslskel/engine/metrics_file.py: self._path.open('a', encoding='utf-8')": "an append-only log, a line a step",
    "sslskel/grid/jobs.py: job.log.open('wb')": "another process writes there as long as it runs",
    "sslskel/results/claims.py: os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 438)": "an empty lock",
    "sslskel/speed/machine.py: Path('/proc/self/clear_refs').write_text('5', encoding='ascii')": "no file of a disk",
}
"""Calls elsewhere that may write, and why the writer cannot do it for them."""

ALWAYS = frozenset({"write_text", "write_bytes", "touch", "tofile", "savetxt", "savefig", "save_file", "open_memmap"})
ALWAYS |= {"TemporaryFile", "NamedTemporaryFile", "mkstemp"} | {f"shutil.{way}" for way in ("move", "copytree")}
ALWAYS |= {"shutil.copy", "shutil.copy2", "shutil.copyfile"}
"""What writes whatever its arguments are, by its last name or in full."""
SAVERS = frozenset({"save", "savez", "savez_compressed"})
"""As functions of a module or methods they take a path or a stream; streams that somebody else opened are let pass."""
OPENERS = frozenset({"open", "fdopen", "memmap", "ZipFile", "GzipFile", "FileIO"})
MODE, READING = re.compile(r"[rwaxbt+:|*gzc]{1,5}"), re.compile(r"r[bt]{0,2}|r[:|].*|c")
"""What may be a mode, and which modes write nothing: ``c`` changes a copy of a memory map."""
FLAGS = frozenset({"O_WRONLY", "O_RDWR", "O_CREAT", "O_APPEND", "O_TRUNC"})


def name_of(call: ast.expr | None) -> str:
    """The last part of what is called."""
    called = call.func if isinstance(call, ast.Call) else None
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


def streams(tree: ast.AST) -> set[str]:
    """Names of bytes in memory, of files that the writer opened, and of files that a function is given."""
    bound: list[tuple[ast.expr | None, ast.expr | None]] = []
    parameters = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            bound += [(target, node.value) for target in node.targets]
        elif isinstance(node, ast.withitem):
            bound.append((node.optional_vars, node.context_expr))
        elif isinstance(node, ast.arg) and node.annotation is not None and ast.unparse(node.annotation) == "BinaryIO":
            parameters.add(node.arg)
    made = {target.id for target, value in bound if isinstance(target, ast.Name) and name_of(value) in STREAMS}
    return parameters | made


def opens_to_write(call: ast.Call) -> bool:
    """Whether one of its arguments is a mode or flag of writing, or a mode that only the running code knows."""
    named = [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    unknown = [*named, *(call.args[1:2] if isinstance(call.func, ast.Name) else [])]
    texts = [node.value for node in (*call.args, *named) if isinstance(node, ast.Constant)]
    modes = [text for text in texts if isinstance(text, str) and MODE.fullmatch(text)]
    return (
        any(not READING.fullmatch(mode) for mode in modes)
        or any(not isinstance(node, ast.Constant) for node in unknown)
        or any(isinstance(node, ast.Attribute) and node.attr in FLAGS for node in ast.walk(call))
    )


def writes(text: str) -> Iterator[str]:
    """The calls of a source that may write to a disk."""
    tree = ast.parse(text)
    known = streams(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = name_of(node)
            passed_on = any(isinstance(one, ast.Name) and one.id in known for one in node.args[:2])
            if (
                not ALWAYS.isdisjoint({name, ast.unparse(node.func)})
                or (name in SAVERS and isinstance(node.func, ast.Attribute) and not passed_on)
                or (name in OPENERS and opens_to_write(node))
            ):
                yield ast.unparse(node)


def test_files_are_written_in_one_place() -> None:
    files = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py") if file != ROOT / WRITER]
    writers = {
        f"{file.relative_to(ROOT).as_posix()}: {call}" for file in files for call in writes(file.read_text("utf-8"))
    }
    assert writers == set(OTHERS)


@pytest.mark.parametrize(
    "call",
    [
        "path.write_text('a')",
        "Path(name).write_bytes(b'a')",
        "path.open('w')",
        "path.open(mode='ab')",
        "open(path, 'x')",
        "open(path, mode)",
        "open(path, mode=mode)",
        "gzip.open(path, 'wt')",
        "tarfile.open(path, 'w:gz')",
        "zipfile.ZipFile(path, 'a')",
        "os.open(path, os.O_CREAT | os.O_WRONLY)",
        "np.save(path, table)",
        "np.savez(folder / 'a.npz', a=a)",
        "torch.save(kept, path)",
        "save_file(tensors, path)",
        "np.memmap(path, mode='w+')",
        "tempfile.NamedTemporaryFile()",
        "shutil.copy(a, b)",
    ],
)
def test_writing_is_found(call: str) -> None:
    assert list(writes(call)) == [call]


@pytest.mark.parametrize(
    "text",
    [
        "path.open()",
        "open(path)",
        "path.open('rb')",
        "open(path, 'r', encoding='utf-8')",
        "tarfile.open(path, 'r:gz')",
        "os.open(path, os.O_RDONLY)",
        "np.memmap(path, mode='r')",
        "archive.open(member)",
        "content = io.BytesIO()\nnp.save(content, table)",
        "with replacing(path) as file:\n    torch.save(kept, file)",
        "def draw(file: BinaryIO): sheet.save(file)",
        "publish(path, b'a')",
    ],
)
def test_reading_and_the_writer_are_let_pass(text: str) -> None:
    assert not list(writes(text))
