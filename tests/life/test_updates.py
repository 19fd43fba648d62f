"""A project of each recorded version can be updated to the working tree, and loses no edit."""

from __future__ import annotations

import ast
import difflib
import io
import os
import re
import runpy
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pexpect
import pytest
import yaml
from derived import ROOT
from kit.timeouts import scaled
from packaging.version import Version
from projects import check_result, install, make_once
from rendering import backends, export, questions, render, run_copier_cli
from terminal import copier_at_terminal

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOOK = ROOT / "hooks" / "to_engine.py"
ANSWERS = {
    "project_name": "acme-orch",
    "package_name": "acme_orch",
    # The default of versions before 0.7.0.
    "description": "Runs ZenML pipelines on acme-orch",
}
PACKAGE = "src/acme_orch"

VERSIONS: dict[str, str] = yaml.safe_load((ROOT / "versions.yml").read_text())
FIRST = {
    "local": "0.1.0",
    "kubernetes": "0.2.0",
    "sagemaker": "0.3.0",
    "vertex": "0.4.0",
    "http": "0.7.0",
    "slurm": "0.8.0",
}

# Each backend, with each version that has it.
STARTS = [
    (backend, version)
    for backend in backends()
    for version in VERSIONS
    if backend in FIRST and Version(version) >= Version(FIRST[backend])
]
# The versions in which backends have moved onto the engine.
SINCE: dict[str, str] = runpy.run_path(str(HOOK))["SINCE"]
MOVED = [
    (backend, version)
    for backend, version in STARTS
    if backend in SINCE and Version(version) < Version(SINCE[backend])
]


def git(folder: Path, *arguments: str) -> str:
    """Runs git, as nobody in particular, and returns what it prints."""
    author = ("-c", "user.name=Tester", "-c", "user.email=tester@example.invalid")
    command = ["git", *author, *arguments]
    done = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def commit(folder: Path, message: str) -> None:
    """Commits all there is."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of this repository, with the working tree as its last commit; all tests share it."""
    if git(ROOT, "rev-parse", "--is-shallow-repository").strip() != "false":
        pytest.skip("the versions are commits, and this is no whole clone")

    def make(folder: Path) -> None:
        clone = folder / "orch-template"
        git(folder, "clone", "--quiet", str(ROOT), str(clone))
        for name in ("template", "hooks"):
            shutil.rmtree(clone / name, ignore_errors=True)
        export(folder / "exported")
        shutil.copytree(folder / "exported", clone, dirs_exist_ok=True)
        commit(clone, "the working tree")

    return make_once(tmp_path_factory, "updates-template", make) / "orch-template"


@pytest.fixture
def own_template(template: Path, tmp_path: Path) -> Path:
    """A clone of the template that a test may change."""
    git(tmp_path, "clone", "--quiet", str(template), "orch-template")
    return tmp_path / "orch-template"


@dataclass(frozen=True)
class Start:
    """A project, in a repository of its own."""

    folder: Path

    def update(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Updates it to the template's last commit."""
        return run_copier_cli("update", "--defaults", "--vcs-ref=HEAD", *options, cwd=self.folder)

    def by_hand(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Runs the hook as a person does, or as Copier does."""
        return subprocess.run(
            [sys.executable, str(HOOK), *options],
            cwd=self.folder,
            env=os.environ | {"COPIER_SETTINGS_PATH": os.devnull},
            capture_output=True,
            text=True,
            timeout=scaled(240),
            check=False,
        )

    @property
    def files(self) -> dict[str, bytes]:
        """What is in it, git's own files aside."""
        return contents(self.folder)

    @property
    def conflicts(self) -> set[str]:
        """The files that git calls unmerged."""
        return {*git(self.folder, "diff", "--name-only", "--diff-filter=U").split()}


def contents(folder: Path) -> dict[str, bytes]:
    """Returns the files of a folder by their paths, git's and Python's own aside."""
    return {
        name: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
        and not {".git", "__pycache__"} & {*path.parts}
        and (name := path.relative_to(folder).as_posix())
    }


@pytest.fixture(scope="module")
def generated(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Generates a project of a version or a commit, once; a copy never needs `--trust`."""

    def generate(backend: str, version: str) -> Path:
        def make(folder: Path) -> None:
            given = [f"--data={name}={value}" for name, value in ANSWERS.items()]
            options = (f"--vcs-ref={VERSIONS.get(version, version)}", f"--data=backend={backend}")
            paths = (template, folder / "acme-orch")
            done = run_copier_cli(
                "copy", "--defaults", "--quiet", *options, *given, *paths, cwd=template
            )
            assert done.returncode == 0, done.stderr

        return make_once(tmp_path_factory, f"updates-{backend}-{version}", make) / "acme-orch"

    return generate


@pytest.fixture
def start(tmp_path: Path, generated: Callable[..., Path]) -> Callable[..., Start]:
    """Makes a project of a version or a commit, as its owner has it after the first commit.

    Its template is the one that all tests share, unless another is given.
    """

    def make(backend: str, version: str, template: Path | None = None) -> Start:
        folder = tmp_path / f"{backend}-{version}"
        shutil.copytree(generated(backend, version), folder)
        if template is not None:
            answers = folder / ".copier-answers.yml"
            text, source = answers.read_text(), f"_src_path: {template}"
            answers.write_text(re.sub("^_src_path: .*", source, text, flags=re.MULTILINE))
        git(folder, "init", "--quiet")
        commit(folder, "as generated")
        return Start(folder)

    return make


# ---- What owners edit ------------------------------------------------------------------------

# Per file: what is looked for, and what is put there.
Edits = dict[str, list[tuple[str, str]]]

METHOD = """    def bill(self) -> str:
        \"\"\"ACME's.\"\"\"
        return audit.center(self.config)

"""
FUNCTION = """

def acme_priority() -> str:
    \"\"\"ACME's.\"\"\"
    return "low"
"""
TEST = "\n\ndef test_acme() -> None:\n    assert True\n"
SETTING = """    cost_center: str = ""
"""
EVERYWHERE: Edits = {
    "README.md": [
        (r"^Runs ZenML pipelines on acme-orch$", "Runs the pipelines of ACME."),
        (r"^## Limits$", "## Limits\n\nACME's proxy ends a log after an hour."),
        (r"my-stack", "acme-stack"),
    ],
    "CHANGELOG.md": [(r"^## \[Unreleased\]$", "## [Unreleased]\n\n- Bills each cost center.")],
    "pyproject.toml": [
        (r"^version = .*", 'version = "1.4.0"'),
        (r'^  "zenml>=0.95",$', '  "zenml>=0.96,<1",\n  "acme-billing>=2",'),
        (r'^(  "W", .*)$', r'\1\n  "Q",    # quotes'),
        (r"^# An extra rather than", '[project.urls]\nHome = "https://acme.example"\n\n\\g<0>'),
    ],
    ".github/workflows/ci.yml": [
        (r"^  check:$", "  lint:"),
        (r"actions/setup-python@v\d+", "actions/setup-python@v99"),
        (r"python: \[(.*)\]", r'python: [\1, "3.14"]'),
    ],
    f"{PACKAGE}/run_id.py": [(r"^(- Where a person .*)", r"- At ACME: it is on each bill.\n\1")],
    f"{PACKAGE}/orchestrator.py": [
        (r"^from \. import run_id", "from . import audit\n\\g<0>"),
        (r"^    def submit_pipeline\(", METHOD + r"\g<0>"),
    ],
    f"{PACKAGE}/controller.py": [(r"\Z", FUNCTION)],
    # Since 0.5.0.
    f"{PACKAGE}/platform.py": [(r"\Z", FUNCTION)],
    f"{PACKAGE}/platform/manifests.py": [(r"\Z", FUNCTION)],
    "tests/test_contract.py": [(r"\Z", TEST)],
}
OF_BACKENDS: dict[str, Edits] = {
    "local": {
        f"{PACKAGE}/config.py": [(r"^    stop_grace_seconds:", SETTING + r"\g<0>")],
        f"{PACKAGE}/resources.py": [(r"\Z", FUNCTION)],
        f"{PACKAGE}/processes.py": [(r"^class Platform:$", "class Platform:\n    # ACME's own.\n")],
        "tests/test_client.py": [(r"\Z", TEST)],
        "tests/test_processes.py": [(r"\Z", TEST)],
    },
    "kubernetes": {
        f"{PACKAGE}/config.py": [(r"^    gpu_resource:", SETTING + r"\g<0>")],
        f"{PACKAGE}/resources.py": [(r"\Z", FUNCTION)],
        f"{PACKAGE}/manifests.py": [
            (r'^        "hostIPC": .*', r'\g<0>\n        "priorityClassName": acme_priority(),'),
            (r"\Z", FUNCTION),
        ],
        "rbac.yaml": [(r"\A", "# Approved by ACME's platform team.\n")],
        "tests/standin_node.py": [(r"\A", "# ACME waits longer here.\n")],
        "tests/test_pods.py": [(r"\Z", TEST)],
    },
    "sagemaker": {
        f"{PACKAGE}/config.py": [(r"^    instance_type:", SETTING + r"\g<0>")],
        f"{PACKAGE}/arns.py": [(r"\Z", FUNCTION)],
        f"{PACKAGE}/definition.py": [(r"\Z", FUNCTION)],
        f"{PACKAGE}/supervisor.py": [(r"\Z", FUNCTION)],
        "tests/standin.py": [(r"\A", "# ACME waits longer here.\n")],
        "tests/test_schedules.py": [(r"\Z", TEST)],
    },
    "vertex": {
        f"{PACKAGE}/config.py": [(r"^    accelerator_type:", SETTING + r"\g<0>")],
        f"{PACKAGE}/spec.py": [(r"\Z", FUNCTION)],
        f"{PACKAGE}/supervisor.py": [(r"\Z", FUNCTION)],
        "tests/standin.py": [(r"\A", "# ACME waits longer here.\n")],
        "tests/test_schedules.py": [(r"\Z", TEST)],
    },
    "http": {
        f"{PACKAGE}/config.py": [(r"^    queue:", SETTING + r"\g<0>")],
        "tests/example_service.py": [(r"\A", "# ACME waits longer here.\n")],
        "tests/test_secrets.py": [(r"\Z", TEST)],
    },
    "slurm": {
        f"{PACKAGE}/config.py": [(r"^    partition:", SETTING + r"\g<0>")],
        f"{PACKAGE}/scheduler.py": [(r"\Z", FUNCTION)],
        "tests/fake_slurm.py": [(r"\A", "# ACME waits longer here.\n")],
        "tests/test_secrets.py": [(r"\Z", TEST)],
    },
}
ADDED = {
    f"{PACKAGE}/audit.py": "def center(_: object) -> str:\n    return ''\n",
    "tests/test_acme.py": "from under_test import Orchestrator\n\nassert Orchestrator\n",
}
DELETED = ("tests/test_settings.py", "tests/test_failures.py")


def edit(project: Start, backend: str) -> dict[str, list[str]]:
    """Edits a project as owners do, and commits that. Returns the lines added to each file."""
    before = project.files
    for name, edits in (EVERYWHERE | OF_BACKENDS[backend]).items():
        if not (file := project.folder / name).exists():
            continue  # Another backend has it, or not yet this version.
        text = file.read_text()
        for old, new in edits:
            text = re.sub(old, new, text, count=1, flags=re.MULTILINE)
        file.write_text(text)
    for name, text in ADDED.items():
        (project.folder / name).write_text(text)
    for name in DELETED:
        (project.folder / name).unlink(missing_ok=True)
    commit(project.folder, "edited")
    return {
        name: added_lines(before.get(name, b""), after)
        for name, after in project.files.items()
        if before.get(name) != after
    }


def added_lines(before: bytes, after: bytes) -> list[str]:
    """Returns the lines of one text that another has not."""
    old, new = before.decode().splitlines(), after.decode().splitlines()
    return [line[2:] for line in difflib.ndiff(old, new) if line.startswith("+ ") and line[2:]]


# ---- The tests -------------------------------------------------------------------------------


@pytest.mark.gate
@pytest.mark.parametrize(("backend", "version"), MOVED)
def test_without_edits_it_becomes_what_is_generated_now(
    backend: str, version: str, start: Callable[..., Start], generated: Callable[..., Path]
) -> None:
    project, now = start(backend, version), contents(generated(backend, "HEAD"))
    updated = project.update("--trust")
    assert updated.returncode == 0, updated.stderr
    assert "before-" not in updated.stdout
    assert project.files == now
    commit(project.folder, "updated")
    # The hook has nothing to do now.
    by_copier = project.by_hand("--stage=after", f"--since={SINCE[backend]}")
    for again in (project.by_hand(), by_copier):
        assert again.returncode == 0, again.stderr
        assert project.files == now


@pytest.mark.gate
@pytest.mark.parametrize("backend", [*dict(MOVED)])
def test_the_hook_says_where_all_code_is_now(backend: str, generated: Callable[..., Path]) -> None:
    versions = [version for name, version in MOVED if name == backend]
    old = {path for version in versions for path in contents(generated(backend, version))}
    now = generated(backend, "HEAD")
    table = hook()["GONE"][backend]
    assert {*map(project_path, table)} == old - contents(now).keys()
    for homes in table.values():
        for home in homes:
            assert (now / project_path(home)).exists(), home


# In what is edited and has not moved, Copier merges. These hold both versions after it, since:
CONFLICTS: dict[str | tuple[str, str], set[str]] = {
    "local": {
        f"{PACKAGE}/orchestrator.py",  # all but a page of it is the engine's now
        f"{PACKAGE}/resources.py",  # its last function, below which the edit is, is gone
        "tests/test_processes.py",  # written anew; the edit is at its end
    },
    "kubernetes": {
        f"{PACKAGE}/orchestrator.py",  # as with `local`
        f"{PACKAGE}/config.py",  # each setting is written anew, with its text below it
        f"{PACKAGE}/resources.py",  # its last function, below which the edit is, is another
        "tests/test_pods.py",  # its last test, below which the edit is, is another
    },
    "sagemaker": {
        f"{PACKAGE}/orchestrator.py",  # as with `local`
        f"{PACKAGE}/config.py",  # as with `kubernetes`
    },
    "vertex": {
        f"{PACKAGE}/orchestrator.py",  # as with `local`
        f"{PACKAGE}/config.py",  # as with `kubernetes`
        "tests/test_schedules.py",  # its last test, below which the edit is, is another
    },
    # A test was added to its end, as the owner has.
    ("local", "0.5.0"): {"tests/test_processes.py"},
    ("vertex", "0.8.0"): {"tests/test_schedules.py"},  # as from older versions
    ("kubernetes", "0.6.0"): {"README.md"},  # its first limit, above which the edit is, is another
}
# These are gone, and their edits are kept aside.
KEPT = {
    "local": {f"{PACKAGE}/controller.py", f"{PACKAGE}/processes.py"},
    "kubernetes": {
        f"{PACKAGE}/controller.py",
        f"{PACKAGE}/manifests.py",
        "tests/standin_node.py",
    },
    "sagemaker": {
        f"{PACKAGE}/definition.py",
        f"{PACKAGE}/supervisor.py",
        "tests/standin.py",
    },
    "vertex": {f"{PACKAGE}/supervisor.py", "tests/standin.py"},
}
# These have moved, with their edits.
ARRIVED = {
    "sagemaker": {f"{PACKAGE}/arns.py": f"{PACKAGE}/platform/arns.py"},
    "vertex": {f"{PACKAGE}/spec.py": f"{PACKAGE}/platform/pipeline_spec.py"},
}


@pytest.mark.gate
@pytest.mark.parametrize(("backend", "version"), STARTS)
def test_no_edit_is_lost(
    backend: str, version: str, start: Callable[..., Start], generated: Callable[..., Path]
) -> None:
    project = start(backend, version)
    added, edited = edit(project, backend), project.files
    moves = (backend, version) in MOVED
    aside = f"before-{SINCE.get(backend)}"
    updated = project.update("--trust")
    assert updated.returncode == 0, updated.stderr
    files = project.files
    conflicts = CONFLICTS.get((backend, version), CONFLICTS[backend] if moves else set())
    kept = KEPT[backend] if moves else set()
    arrived = ARRIVED.get(backend, {}) if moves else {}
    assert project.conflicts == conflicts
    for name, text in files.items():
        assert (b"<<<<<<< " in text) == (name in conflicts), name
    for name, lines in added.items():
        if name in kept:
            assert files[f"{aside}/{name}"] == edited[name]
            diff = files[f"{aside}/{name}.diff"].decode().splitlines()
            assert {f"+{line}" for line in lines} <= {*diff}
        else:
            home = arrived.get(name, name)
            assert {*lines} <= {*files[home].decode().splitlines()}, name
        if moves and name in kept | conflicts:
            assert f"- `{name}`" in updated.stdout
            assert f"- `{name}`" in files[f"{aside}/README.md"].decode()
    for name, home in arrived.items():
        assert f"- `{name}` -> `{home}`" in updated.stdout
    if moves:
        assert "- `tests/test_acme.py:1`: under_test" in updated.stdout
    # Nothing stale is there, and what was deleted stays deleted.
    mine = {name for name in files if not name.startswith(f"{aside}/")} - ADDED.keys()
    assert mine == contents(generated(backend, "HEAD")).keys() - {*DELETED}
    check_merged(files)
    # Where there are no conflicts, code can be read, and knows all its names.
    merged = [name for name in mine - conflicts if name.endswith(".py")]
    ruff = (sys.executable, "-m", "ruff", "check", "--isolated", "--quiet", "--select=E9,F821")
    subprocess.run([*ruff, *merged], cwd=project.folder, check=True)
    if (config := f"{PACKAGE}/config.py") in added.keys() - conflicts:
        classes = (node for node in ast.parse(files[config]).body if isinstance(node, ast.ClassDef))
        (owner,) = (node.name for node in classes if "cost_center" in ast.dump(node))
        assert owner.endswith("Settings")


@pytest.mark.gate
def test_what_was_edited_keeps_the_contract_after_an_update(
    start: Callable[..., Start], tmp_path: Path
) -> None:
    project = start("local", "0.6.0")
    edit(project, "local")
    tested = (
        "from acme_orch.audit import center\n\n\ndef test_it() -> None:\n    assert not center(0)\n"
    )
    (project.folder / "tests" / "test_acme.py").write_text(tested)
    commit(project.folder, "another test")
    updated = project.update("--trust")
    assert updated.returncode == 0, updated.stderr
    assert not project.conflicts
    package = install(project.folder, tmp_path)
    # As CHANGELOG says: there is a setting of the owner's.
    written = package.run(sys.executable, "tests/kit/settings_page.py")
    assert written.returncode == 0, written.stdout
    check_result(package.pytest(), project.folder, package.site)


def check_merged(files: dict[str, bytes]) -> None:
    """Reads the project's declarations: that they can be read, and have what was edited."""
    declared = tomllib.loads(files["pyproject.toml"].decode())
    assert declared["project"]["version"] == "1.4.0"
    assert {"zenml>=0.96,<1", "acme-billing>=2"} <= {*declared["project"]["dependencies"]}
    assert "zenml>=0.95" not in declared["project"]["dependencies"]
    assert declared["project"]["urls"] == {"Home": "https://acme.example"}
    assert "Q" in declared["tool"]["ruff"]["lint"]["select"]
    workflow = yaml.safe_load(files[".github/workflows/ci.yml"])
    assert "lint" in workflow["jobs"]
    assert "check" not in workflow["jobs"]


@pytest.mark.gate
@pytest.mark.parametrize("backend", [*dict(MOVED)])
def test_by_hand_it_is_the_same(backend: str, start: Callable[..., Start]) -> None:
    project = start(backend, "0.4.0")
    edit(project, backend)
    before = project.files
    # Without `--trust` Copier refuses, and has changed nothing.
    refused = project.update()
    assert refused.returncode != 0
    assert "--trust" in refused.stderr
    assert project.files == before
    # So it is without Copier, whose update has the same result.
    updated = project.by_hand("--vcs-ref=HEAD")
    assert updated.returncode == 0, updated.stderr
    files, conflicts, status = project.files, project.conflicts, git(project.folder, "status")
    git(project.folder, "reset", "--quiet", "--hard")
    git(project.folder, "clean", "--quiet", "-d", "--force")
    assert project.files == before
    assert project.update("--trust").returncode == 0
    assert project.files == files
    assert project.conflicts == conflicts != set()
    assert git(project.folder, "status") == status
    # Once more, it changes nothing.
    assert project.by_hand("--stage=after", f"--since={SINCE[backend]}").returncode == 0
    assert project.files == files
    again = project.by_hand()
    assert again.returncode != 0
    assert "Commit or stash" in again.stderr
    assert project.files == files


@pytest.mark.gate
def test_by_hand_a_project_on_the_engine_is_updated_too(start: Callable[..., Start]) -> None:
    project = start("local", "0.6.0")
    edit(project, "local")
    # Copier does not see that the script has nothing to do in it.
    assert "--trust" in project.update().stderr
    assert project.by_hand("--vcs-ref=HEAD").returncode == 0
    files = project.files
    git(project.folder, "reset", "--quiet", "--hard")
    git(project.folder, "clean", "--quiet", "-d", "--force")
    assert project.update("--trust").returncode == 0
    assert project.files == files


@pytest.mark.gate
def test_edits_in_a_module_that_has_moved_move_with_it(start: Callable[..., Start]) -> None:
    project = start("kubernetes", "0.4.0")
    module = project.folder / PACKAGE / "manifests.py"
    module.write_text(module.read_text() + "\n\n# ACME's own.\n")
    commit(project.folder, "edited")
    updated = project.update("--trust")
    assert f"`{PACKAGE}/manifests.py` -> `{PACKAGE}/platform/manifests.py`" in updated.stdout
    assert not module.exists()
    moved = (module.parent / "platform" / "manifests.py").read_text()
    assert moved.endswith("\n\n# ACME's own.\n")
    assert not project.conflicts


@pytest.mark.gate
@pytest.mark.parametrize("tagged", [False, True], ids=["without tags", "with tags"])
def test_from_this_version_on_no_trust_is_needed(
    tagged: bool, own_template: Path, start: Callable[..., Start]
) -> None:
    # It was generated when there were no tags.
    project = start("local", "HEAD", own_template)
    readme = own_template / "template" / "project" / "README.md.jinja"
    text = readme.read_text()
    readme.write_text(text + "\nA new last line.\n")
    commit(own_template, "a later version")
    if tagged:
        assert tag(own_template).returncode == 0
        git(own_template, "tag", f"v{current_version()}")
    assert (behind := check_update(project)).returncode == 2, behind.stderr
    updated = run_copier_cli("update", "--defaults", cwd=project.folder)
    commit(project.folder, "updated")
    assert (current := check_update(project)).returncode == 0, current.stderr
    assert updated.returncode == 0, updated.stderr
    assert b"\nA new last line.\n" in project.files["README.md"]
    now = f"version {current_version()} of its template, from {current_version()}.\n"
    assert f"acme-orch is updated to {now}" in updated.stderr
    assert "## " not in updated.stderr


@pytest.mark.gate
def test_an_update_says_what_has_changed_and_what_comes_next(start: Callable[..., Start]) -> None:
    project = start("local", "0.6.0")
    said = project.update("--trust").stderr
    assert f"updated to version {current_version()} of its template, from 0.6.0.\n" in said
    changes = (ROOT / "CHANGELOG.md").read_text().partition(f"\n## {current_version()}\n")[2]
    new, _, old = changes.partition("\n## 0.6.0\n")
    sections = [section.strip() for section in re.split(r"\n## [\d.]+\n", new)]
    assert all(section in said for section in sections)
    assert old.splitlines()[1] not in said
    rest = said.partition(sections[-1])[2]
    commands = re.findall(r"^  (\S.*)$", rest, re.MULTILINE)
    assert commands == [
        "git diff --name-only --diff-filter=U",
        'pip install -c constraints.txt -e ".[test]"',
        "pytest",
    ]


FIXED = {
    "project_name": ("acme-orch", "other"),
    "package_name": ("acme_orch", "other"),
    "flavor_name": ("acme_orch", "other"),
    "class_prefix": ("AcmeOrch", "Other"),
    "backend": ("local", "kubernetes"),
}


@pytest.mark.gate
@pytest.mark.parametrize("command", ["update", "recopy"])
def test_a_person_is_not_asked_what_cannot_be_changed(
    command: str, start: Callable[..., Start]
) -> None:
    project = start("local", "HEAD")
    readme = project.folder / "README.md"
    readme.write_text(readme.read_text() + "ACME's own.\n")
    commit(project.folder, "edited")
    before = project.files
    copier = copier_at_terminal(command, "--vcs-ref=HEAD", cwd=project.folder)
    copier.logfile_read = said = io.StringIO()
    for name, question in questions().items():
        if name not in FIXED:
            copier.expect_exact(question["help"])
            copier.send("\x1b[B\r" if name == "license" else "\r")
    if command == "recopy":
        for _ in range(3):
            copier.expect(r"Overwrite (\S+)\?")
            answer = "No" if copier.match.group(1) == "README.md" else "Yes"
            copier.send(answer[0].lower())
            copier.expect_exact(answer)
    copier.expect(pexpect.EOF)
    copier.close()
    assert copier.exitstatus == 0
    assert not [name for name in FIXED if questions()[name]["help"] in said.getvalue()]
    changed = {name for name, text in project.files.items() if before[name] != text}
    assert changed == {".copier-answers.yml", "LICENSE", "pyproject.toml"}
    recorded = yaml.safe_load(project.files[".copier-answers.yml"])
    assert recorded["license"] == "MIT"
    assert {name: recorded[name] for name in FIXED} == {
        name: was for name, (was, _) in FIXED.items()
    }


@pytest.mark.gate
@pytest.mark.parametrize("version", ["0.6.0", "HEAD"])
def test_an_answer_that_would_cost_code_is_refused(
    version: str, start: Callable[..., Start]
) -> None:
    project = start("local", version)
    edit(project, "local")
    before = project.files
    for name, (was, other) in FIXED.items():
        refused = project.update("--trust", f"--data={name}={other}")
        assert refused.returncode != 0, name
        assert f"A change would delete code. It stays {was};" in refused.stderr
        assert project.files == before


@pytest.mark.gate
def test_other_answers_can_be_changed_and_leave_nothing_stale(
    start: Callable[..., Start], tmp_path: Path, template: Path
) -> None:
    project = start("local", "HEAD")
    edit(project, "local")
    changed = {
        "license": "MIT",
        "run_id_strategy": "zenml_run_id",
        "run_id_variable": "ACME_RUN",
        "ci_provider": "gitlab",
    }
    updated = project.update(*(f"--data={name}={value}" for name, value in changed.items()))
    assert updated.returncode == 0, updated.stderr
    # An edited file that is deleted is named, with the way to see it.
    assert "git show HEAD:./.github/workflows/ci.yml" in updated.stderr
    assert "lint:" in git(project.folder, "show", "HEAD:./.github/workflows/ci.yml")
    now = render(tmp_path / "now", source=template, **ANSWERS, **changed)
    assert project.files.keys() - ADDED.keys() == contents(now).keys() - {*DELETED}
    assert project.files["LICENSE"] == (now / "LICENSE").read_bytes()
    # The module of the strategy is another one; the owner's edit of it meets that, and is named.
    assert project.conflicts == {f"{PACKAGE}/run_id.py"}


@pytest.mark.gate
def test_it_is_the_same_once_the_versions_have_tags(
    own_template: Path, start: Callable[..., Start], generated: Callable[..., Path]
) -> None:
    project = start("local", "0.4.0", own_template)
    now = contents(generated("local", "HEAD"))
    assert tag(own_template).returncode == 0
    git(own_template, "tag", f"v{current_version()}")
    updated = run_copier_cli("update", "--defaults", cwd=project.folder)
    assert updated.returncode != 0
    assert "--trust" in updated.stderr
    updated = run_copier_cli("update", "--defaults", "--trust", cwd=project.folder)
    assert updated.returncode == 0, updated.stderr
    assert project.files.keys() == now.keys()
    assert f"_commit: v{current_version()}\n".encode() in project.files[".copier-answers.yml"]


def tag(template: Path) -> subprocess.CompletedProcess[str]:
    """Tags the versions that are recorded, as the release workflow does, but signs nothing."""
    nobody = {"GIT_COMMITTER_NAME": "Tester", "GIT_COMMITTER_EMAIL": "tester@example.invalid"}
    return subprocess.run(
        [ROOT / ".ci" / "tag", "--no-sign"],
        cwd=template,
        env=os.environ | nobody,
        capture_output=True,
        text=True,
        check=False,
    )


def check_update(project: Start) -> subprocess.CompletedProcess[str]:
    """Asks for a newer version, as the workflows of a project do each week."""
    return run_copier_cli("check-update", "--quiet", cwd=project.folder)


def test_each_version_that_is_recorded_gets_a_tag_and_keeps_it(own_template: Path) -> None:
    git(own_template, "tag", "v0.2.0", VERSIONS["0.2.0"])
    tagged = tag(own_template)
    assert tagged.returncode == 0, tagged.stderr
    assert tagged.stdout.split() == [f"v{name}" for name in VERSIONS if name != "0.2.0"]
    for version, recorded in VERSIONS.items():
        assert git(own_template, "rev-parse", f"v{version}^{{commit}}").strip() == recorded
    assert tag(own_template).stdout == ""
    git(own_template, "tag", "--force", "v0.3.0", VERSIONS["0.2.0"])
    moved = tag(own_template)
    assert moved.returncode == 1
    assert f"v0.3.0 is on {VERSIONS['0.2.0']}, and versions.yml says" in moved.stderr


def test_the_answers_file_records_the_version(tmp_path: Path) -> None:
    folder = render(tmp_path / "project")
    recorded = yaml.safe_load((folder / ".copier-answers.yml").read_text())
    assert recorded["_template_version"] == current_version()
    # It is no answer, so that no update takes it for one.
    assert {name for name in recorded if not name.startswith("_")} == questions().keys()


def current_version() -> str:
    """Returns the version of the working tree."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return str(declared["version"])


ANSWERS_FILE = "_commit: 0\n_src_path: nowhere\nbackend: local\npackage_name: acme_orch\n"
RECOGNISED: dict[str, str | None] = {
    ".copier-answers.yml": ANSWERS_FILE,
    f"{PACKAGE}/orchestrator.py": "",
    f"{PACKAGE}/controller.py": "",
}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({".copier-answers.yml": None}, "no project with a .copier-answers.yml in its last commit"),
        ({".copier-answers.yml": "backend: other\n"}, "not say that this is a project of orch-t"),
        ({f"{PACKAGE}/orchestrator.py": None}, "orchestrator.py is not there"),
        ({f"{PACKAGE}/platform.py": ""}, "platform is a name that the template needs"),
        ({f"{PACKAGE}/engine/__init__.py": ""}, "engine is a name that the template needs"),
        ({"tests/kit/__init__.py": ""}, "tests/kit is a name that the template needs"),
    ],
)
@pytest.mark.parametrize("options", [("--stage=before",), ("--stage=after",), ()])
def test_a_project_that_it_does_not_recognise_is_refused(
    tmp_path: Path, changes: dict[str, str | None], reason: str, options: tuple[str, ...]
) -> None:
    project = made_of(tmp_path, RECOGNISED | changes)
    before = project.files
    refused = project.by_hand(*options)
    assert refused.returncode == 1
    assert reason in refused.stderr
    assert "Traceback" not in refused.stderr
    assert project.files == before


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        (("--stage=before", "--since=0.5.0"), {}),
        # Afterwards it would generate the project, whose template is nowhere.
        (("--stage=after", "--since=0.8.0"), {}),
        (("--stage=after", "--since=0.5.0"), {f"{PACKAGE}/engine/MANIFEST.sha256": ""}),
    ],
)
def test_it_changes_nothing_before_the_update_nor_in_projects_that_it_is_not_for(
    tmp_path: Path, options: tuple[str, ...], changes: dict[str, str | None]
) -> None:
    project = made_of(tmp_path, RECOGNISED | changes)
    before = project.files
    assert project.by_hand(*options).returncode == 0
    assert project.files == before


def made_of(folder: Path, files: dict[str, str | None]) -> Start:
    """Commits a few files, and those that are None not."""
    for name, text in files.items():
        if text is not None:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    git(folder, "init", "--quiet")
    commit(folder, "a project")
    return Start(folder)


def hook() -> dict[str, Any]:
    """Returns what the hook's module has."""
    return runpy.run_path(str(HOOK))


def project_path(path: str) -> str:
    """Returns a path of the hook's tables as a project has it."""
    return re.sub("^src/", f"{PACKAGE}/", path)
