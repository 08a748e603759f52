from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panorama_build.containers.context import entries
from panorama_build.containers.dockerignore import Ignore, Verdict
from panorama_build.errors import PanoramaError

TREE = (
    "README.md",
    "a.txt",
    "abc",
    "a^b.txt",
    "#hash",
    "!bang",
    "x y",
    "[set]",
    "star*",
    "src/main.py",
    "src/main.pyc",
    "src/lib/util.py",
    "src/lib/util.pyc",
    "src/lib/deep/x.txt",
    "docs/a.txt",
    "docs/b.md",
    "docs/keep/c.md",
    "xdocs/a.txt",
    "data/1/model.bin",
    "data/2/model.bin",
    "data/model.txt",
    "a/b/c/d.txt",
    "a/b/e.txt",
    "a/f.txt",
    "é/ü.txt",
)

# Each of these is also given to a real engine below.
PATTERNS = (
    "",
    "# a comment\n\n   \n#hash\n",
    " #hash",
    "\ufeffabc",
    "abc\r\nREADME.md\r\n",
    "*",
    "*\n!src",
    "*\n!src/lib/util.py\n!docs/keep",
    "*/*\n!docs/keep/c.md",
    "/docs/\n/a.txt",
    "./src/../docs/./b.md",
    "../a.txt\nsrc/../../abc",
    "//docs//keep//",
    "**",
    "**/*.pyc",
    "**\n!**/*.py",
    "**.txt",
    "**docs",
    "**/a.txt\n!docs/a.txt",
    "src/**",
    "src/**/x.txt",
    "src/**\n!src/lib/**/x.txt",
    "a**t",
    "s**",
    "docs\n!docs/keep\ndocs/keep/c.md",
    "!docs/keep\ndocs",
    "a/b\n!a",
    "a\n!a/b\na/b/c",
    "a?b*\nab?",
    "a^b*",
    "^**",
    "*\n/!src\n./!docs",
    "[a-r]*.txt\n[^s]*/*.md",
    "[!a]*",
    "data/[1-2]/*\n!data/[^1]/model.bin",
    "\\#hash\n\\!bang\nstar\\*",
    "\\[set\\]\n[\\*-x]y",
    "x y\n!  abc\n! a.txt",
    "!!bang",
    "é/?.txt",
    ".",
    "/",
    "***",
    "**/**/c",
    "docs/*\n!docs/*/\ndocs/*/c.*",
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    for name in TREE:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def ignored(patterns: str, *paths: str) -> list[bool]:
    ignore = Ignore.parse(patterns)
    return [ignore.ignores(path) for path in paths]


def test_comments_and_blank_lines_say_nothing() -> None:
    assert not any(ignored("# a\n\n  \n", "a", "# a"))


def test_a_directory_takes_all_below_it_along() -> None:
    assert ignored("docs", "docs", "docs/a/b", "xdocs", "a/docs") == [True, True, False, False]


def test_the_last_match_wins() -> None:
    assert ignored("*\n!src\nsrc/x", "a", "src/a", "src/x") == [True, False, True]


def test_a_star_stays_within_a_name_and_two_do_not() -> None:
    assert ignored("src/*.py", "src/a.py", "src/lib/a.py") == [True, False]
    assert ignored("src/**/a.py", "src/a.py", "src/lib/deep/a.py", "a.py") == [True, True, False]


def test_slashes_and_dots_are_cleaned_away() -> None:
    assert ignored("/./a//b/../c/", "a/c", "a/b") == [True, False]
    assert ignored("../a", "a") == [False]


def test_a_backslash_takes_the_meaning_from_a_character() -> None:
    assert ignored("\\*\n\\!a\n\\[b]", "*", "x", "!a", "a", "[b]", "b") == [True, False, True, False, True, False]


def test_a_byte_order_mark_is_no_part_of_a_name() -> None:
    assert ignored("\ufeffa", "a") == [True]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("!", '"!" needs a pattern after it'),
        ("a[b", 'malformed pattern "a[b": "[" without its "]"'),
        ("[]", 'malformed pattern "[]": "[" without its "]"'),
        ("[]a]", 'malformed pattern "[]a]": "]" out of place in "[...]"'),
        ("a\\", 'malformed pattern "a\\": nothing follows the last "\\"'),
        ("[z-a]", 'malformed pattern "[z-a]": bad character range z-a at position 1'),
        ("a\\b", 'malformed pattern "a\\b": Docker misreads "\\b", write "b"; directories are separated by "/"'),
        ("[*]", 'malformed pattern "[*]": Docker misreads "*" in "[...]", write "\\*"'),
    ],
)
def test_a_malformed_pattern_is_named_with_its_line(line: str, complaint: str) -> None:
    with pytest.raises(PanoramaError) as caught:
        Ignore.parse(f"# first\n{line}\n", where="app/.dockerignore")
    assert str(caught.value) == f"app/.dockerignore:2:1: {complaint}"


names = st.text("ab.*?[]\\!/^-#", min_size=1, max_size=8)


@given(
    st.lists(names, max_size=5).map("\n".join), st.lists(st.sampled_from(["a", "b", "a.b"]), min_size=1).map("/".join)
)
def test_pruning_never_loses_a_path(patterns: str, path: str) -> None:
    try:
        ignore = Ignore.parse(patterns)
    except PanoramaError:
        return
    directory, _, _ = path.rpartition("/")
    verdict = Verdict(ignored=ignore.ignores(directory))
    assert not ignore.prunes(directory, verdict) or ignore.ignores(path)


@pytest.mark.engine
@pytest.mark.parametrize("patterns", PATTERNS)
def test_a_real_engine_leaves_out_the_same(patterns: str, tree: Path, engine: Any, tmp_path: Path) -> None:
    (tree / ".dockerignore").write_bytes(patterns.encode())
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    build = ["docker", "buildx", "build", "--output", "type=tar,dest=-", "-f", str(tmp_path / "Dockerfile"), str(tree)]
    sent = subprocess.run(build, env=engine.env, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(sent)) as tar:
        theirs = {member.name for member in tar}
    assert {entry.path for entry in entries(tree, Ignore.parse(patterns))} == theirs
