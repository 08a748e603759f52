"""What the check says: the whole text for each mistake, again to who asks by name, and as JSON for programs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from panorama_build.checks.check import check
from panorama_build.checks.limits import LARGEST_PAYLOAD
from panorama_build.commands.init import contents, lay_out
from panorama_build.errors import PanoramaError
from panorama_build.manifest.application import load_application
from tests.applications import ROOT, call
from tests.test_init import run

MISTAKES = sorted((ROOT / "tests/projects/mistakes").iterdir())
WARNING = (
    "panorama.yaml:9:5: the container has no /panorama/ap.py: COPY src /panorama finds no src/ap.py (did you mean "
)


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A project of which the check has one thing to say."""
    lay_out(tmp_path, contents("app", workflow=False))
    manifest = tmp_path / "panorama.yaml"
    manifest.write_text(manifest.read_text().replace("/panorama/app.py", "/panorama/ap.py"))
    return tmp_path


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda path: path.name)
def test_each_mistake_is_told_in_these_words(tmp_path: Path, mistake: Path) -> None:
    project = shutil.copytree(mistake, tmp_path / "project", ignore=shutil.ignore_patterns("expected.txt"))
    done = call(project, "check")
    assert done.stdout + done.stderr == (mistake / "expected.txt").read_text()
    assert done.returncode == (3 if done.stderr else 0)


def test_who_asks_for_the_check_is_told_each_time_and_a_run_with_nothing_to_do_says_so(odd: Path) -> None:
    for _ in range(2):
        told = run("doit", "check", cwd=odd).stdout
        assert told.startswith(f"check | warning: {WARNING}") and told.endswith("1 package, 1 warning\n1 done\n")
    (odd / "dodo.py").write_text("from panorama_build import load\nDOIT_CONFIG, task_panorama = load()\n")
    with (odd / "dodo.py").open("a") as dodo:
        dodo.write("DOIT_CONFIG['default_tasks'] = ['check', 'graph']\n")
    assert "2 done" in run("doit", cwd=odd).stdout, "to ask for the check changes nothing, what a run tells neither"
    assert run("doit", cwd=odd).stdout == "nothing to do: 2 up to date\n"


def test_a_change_of_the_files_alone_is_told(odd: Path) -> None:
    assert "1 warning" in run("doit", "check", cwd=odd).stdout
    (odd / "packages/app/src/app.py").rename(odd / "packages/app/src/ap.py")
    assert "0 warnings" in run("doit", "check", cwd=odd).stdout
    assert run("doit", "check", cwd=odd).stdout == "checked    check  1 package, 0 warnings\n1 done\n"


@pytest.mark.parametrize("command", [("doit", "run"), ("doit",), ("panorama-build",)])
def test_json_has_every_finding_and_nothing_else(odd: Path, command: tuple[str, ...]) -> None:
    run("doit", "check", cwd=odd)
    done = run(*command, "check", "--json", cwd=odd)
    (finding,) = json.loads(done.stdout)
    assert finding == {
        "severity": "warning",
        "file": "panorama.yaml",
        "line": 9,
        "column": 5,
        "message": "the container has no /panorama/ap.py: COPY src /panorama finds no src/ap.py",
        "hint": 'did you mean "/panorama/app.py"?',
    }
    assert (done.returncode, done.stderr) == (0, "")


def findings(folder: Path) -> list[dict[str, Any]]:
    done = run("panorama-build", "check", "--json", cwd=folder)
    assert (done.returncode, done.stderr) == (3, "")
    found: list[dict[str, Any]] = json.loads(done.stdout)
    assert {finding["severity"] for finding in found} == {"error"}
    return found


@pytest.mark.parametrize("dodo", [True, False])
def test_json_tells_a_manifest_that_can_not_be_loaded(odd: Path, dodo: bool) -> None:
    if not dodo:
        (odd / "dodo.py").unlink()
    (odd / "panorama.yaml").write_text("application: a\nacount: 1\npackages: {code: {gpu: on}}\n")
    assert [(each["line"], each["column"]) for each in findings(odd)] == [(2, 1), (3, 24)]
    (odd / "panorama.yaml").unlink()
    (finding,) = findings(odd)
    assert (finding["file"], finding["line"]) == ("panorama.yaml", None)


def test_json_is_empty_where_nothing_is_odd(tmp_path: Path) -> None:
    lay_out(tmp_path, contents("app", workflow=False))
    assert json.loads(run("panorama-build", "check", "--json", cwd=tmp_path).stdout) == []


def test_a_graph_that_the_service_would_not_take_is_refused(tmp_path: Path) -> None:
    def load_with(size: int) -> None:
        text = f"application: a\ngraph:\n  nodes: {{a: {{string: '{'x' * size}'}}}}\n  description: ''\n"
        (tmp_path / "panorama.yaml").write_text(text)
        check(*load_application(tmp_path, {}))

    around = len('{"nodeGraph":{"envelopeVersion":"2021-01-01","description":"","packages":[],"nodes":[],"edges":[]}}')
    node = len('{"name":"a","interface":"string","value":""}')
    load_with(LARGEST_PAYLOAD - around - node)
    with pytest.raises(PanoramaError, match=r"yaml:2:1: the document has 51,201 characters .* \(at most 51,200\)"):
        load_with(LARGEST_PAYLOAD - around - node + 1)


def test_overrides_of_a_site_that_the_service_would_not_take_are_refused(tmp_path: Path) -> None:
    graph = "graph:\n  nodes: {a: {string: '', overridable: true}}\n"
    site = f"sites:\n  shop: {{device: d, values: {{a: '{'x' * LARGEST_PAYLOAD}'}}}}\n"
    (tmp_path / "panorama.yaml").write_text(f"application: a\n{graph}{site}")
    with pytest.raises(PanoramaError, match=r"yaml:5:3: the document has 51,\d+ characters .* \(at most 51,200\)"):
        check(*load_application(tmp_path, {}))
