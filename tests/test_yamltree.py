"""Whatever lies in the place of a manifest is refused in one line, quickly and in little memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import programs

FULL = 4 << 20
HEAD = "application: app\n"
TENFOLD = [f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)]
LAUGHS = f"{HEAD}documents:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n{''.join(TENFOLD)}"
MAPPINGS = [f"  a{n}: &a{n} {{{', '.join(f'k{k}: *a{n - 1}' for k in range(10))}}}\n" for n in range(1, 10)]

TEXTS: dict[str, tuple[str | bytes, str]] = {
    "nothing": (b"", ": the file is empty (the least it needs is `application: NAME`)"),
    "a merge conflict": (
        f"{HEAD}<<<<<<< HEAD\na: 1\n=======\n>>>>>>> x\n",
        ":2:1: a merge conflict is left in the file",
    ),
    "a tab": (f"{HEAD}\taccount: 1\n", ":2:1: a tab is used for indentation, where YAML takes spaces alone"),
    "UTF-16": (HEAD.encode("utf-16"), ": byte 0 is not UTF-8 (is this a text file?)"),
    "binary": (bytes(range(128)) * 8192, ": not a YAML text: "),
    "a billion laughs": (LAUGHS, ":3:30: the document grows too large through its aliases"),
    "laughing mappings": (
        f"{HEAD}documents:\n  a0: &a0 {{a: x}}\n{''.join(MAPPINGS)}",
        ":3:15: the document grows too large through its aliases",
    ),
    "a snake that bites its tail": (
        f"{HEAD}documents: &a {{a: *a}}\n",
        ":2:12: the nesting is too deep through its aliases",
    ),
    "10 MB": (HEAD + "#" * (10 << 20), ": the file is larger than 4 MiB (a manifest has some hundred lines)"),
    "many keys": ((HEAD + "".join(f"k{n}: v\n" for n in range(500_000)))[:FULL], ":50000:1: the file holds too much"),
    "a long list": (f"{HEAD}documents: [{'x,' * (1 << 20)}]", ":2:200001: the file holds too much"),
    "brackets": (f"{HEAD}documents: {'[' * (1 << 20)}", ":2:111: the nesting is too deep (at most 100 levels)"),
    "braces": (f"{HEAD}documents: {'{a: ' * (1 << 19)}", ":2:408: the nesting is too deep (at most 100 levels)"),
    "dashes": (f"{HEAD}documents:\n  {'- ' * (1 << 20)}", ":3:201: the nesting is too deep (at most 100 levels)"),
    "a long key": (f"{HEAD}? {'x' * (FULL - 100)}\n: 1\n", f':2:3: unknown key "{"x" * 100}..."'),
    "a long number": (
        f"{HEAD}platform: {{a: 1}}\naccount: {'9' * 100_000}\n",
        ":2:11: expected a text, found a mapping",
    ),
    "a text with lines": (
        f'{HEAD}packages: {{a: {{version: "1\\n\\e[31m2"}}}}',
        r':2:25: the value "1\n\x1b[31m2" is not',
    ),
}


def refusal(folder: Path) -> tuple[str, float]:
    """What the program says of the manifest in a folder, and the most memory it took, in MB."""
    done = programs.run("panorama-build", "check", cwd=folder, env=dict(os.environ))
    assert (done.status, done.stdout) == (3, ""), done
    return done.stderr, done.peak / 1024


@pytest.mark.parametrize(("text", "complaint"), TEXTS.values(), ids=TEXTS)
def test_any_text_that_is_no_manifest_is_refused_within_100_mb(
    tmp_path: Path, text: str | bytes, complaint: str
) -> None:
    (tmp_path / "panorama.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    said, memory = refusal(tmp_path)
    first, *more = said.splitlines()
    assert first.startswith(f"ERROR: panorama.yaml{complaint}")
    assert len(first) < 300 and len(more) < 2 and "Traceback" not in said
    assert memory < 100


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda path: None, ": there is no such file (panorama-build init DIR makes one)"),
        (os.mkdir, ": can't be read: Is a directory"),
        (os.mkfifo, ": is no file"),
        (lambda path: os.symlink("panorama.yaml", path), ": can't be read: Too many levels of symbolic links"),
        (lambda path: os.symlink("/dev/zero", path), ": is no file"),
    ],
    ids=["nothing", "a folder", "a pipe", "a loop", "a device"],
)
def test_what_is_no_file_is_refused(tmp_path: Path, make: Callable[[Path], None], complaint: str) -> None:
    make(tmp_path / "panorama.yaml")
    assert refusal(tmp_path)[0] == f"ERROR: panorama.yaml{complaint}\n"


def test_a_byte_order_mark_is_taken(tmp_path: Path) -> None:
    (tmp_path / "panorama.yaml").write_bytes(b"\xef\xbb\xbfacount: 1\n")
    assert refusal(tmp_path)[0].startswith('ERROR: panorama.yaml:1:1: unknown key "acount"')


def test_a_hundred_mistakes_are_enough(tmp_path: Path) -> None:
    (tmp_path / "panorama.yaml").write_text(HEAD + "".join(f"k{n}: 1\n" for n in range(1000)))
    lines = refusal(tmp_path)[0].splitlines()
    assert lines[0] == "ERROR: panorama.yaml: these are 100 mistakes, and there may be more"
    assert len(lines) == 101
