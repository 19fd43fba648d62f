"""Takes a project of an older version of the template to the layout with an engine.

There, most modules of a project are in `engine/`, `platform/` and `tests/kit/`. Since which version
depends on the backend: see `SINCE`. Copier would delete the old modules, edited or not. This script
generates the project again as it once was, and compares. Of the modules that are gone,

- those that nobody has edited are deleted;
- edits in a module that has only moved, and is still the owner's, are merged into the new one;
- what else was edited is kept in the folder `before-0.5.0/` (or another version), as a whole and as
  a diff, and the script says where its code is now.

Copier runs it at an update (`_migrations` in copier.yml): before it changes anything, to look
whether it can, and afterwards. By hand it is a whole update, for which Copier only makes the files,
elsewhere:

    python hooks/to_engine.py path/to/project

It needs git, and a Python that has Copier. It refuses a project that it does not recognise, and
leaves one alone that has no need of it. The project's commits are never touched.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

# The versions in which backends have come onto the engine. Those that are not here began on it.
SINCE = {"local": "0.5.0", "kubernetes": "0.5.0", "sagemaker": "0.8.0", "vertex": "0.8.0"}

# The last of these. To update any project from before it, Copier asks for `--trust`, and by hand it
# is this script that does it. A project from before 0.5.0 does not say its version.
LAST = "0.8.0"
BEFORE_LAST = ("", "0.5.0", "0.6.0", "0.7.0")

# Which modules are gone since then, and where their code is now, if a project has it at all.
# `src/` is the package. What is in `engine/` or `tests/kit/` is the template's.
CONTRACT = "tests/kit/contract/"
EMULATOR = "tests/kit/kubernetes_emulator/"
TESTS: dict[str, tuple[str, ...]] = {
    "tests/ask_run_id.py": ("tests/kit/print_run_id.py",),
    "tests/pipelines.py": ("tests/kit/pipelines.py",),
    "tests/runs.py": ("tests/kit/runs.py",),
    "tests/test_capabilities.py": (CONTRACT + "interface.py", CONTRACT + "resources.py"),
    "tests/test_failures.py": (CONTRACT + "failure.py",),
    "tests/test_run_id.py": (CONTRACT + "run_id.py",),
    "tests/test_stop.py": (CONTRACT + "stop.py",),
    "tests/under_test.py": ("tests/kit/harness.py",),
}
# Of `local` and `kubernetes`, whose controller walks the DAG.
CONTROLLERS: dict[str, tuple[str, ...]] = {
    **TESTS,
    "src/controller.py": ("src/engine/controller.py",),
    "src/dag.py": ("src/engine/dag.py",),
    "src/outcome.py": ("src/engine/run_store.py", "src/engine/conclusion.py"),
    "src/retries.py": ("src/engine/retries.py",),
}
# Of `sagemaker` and `vertex`, whose service does.
SERVICES: dict[str, tuple[str, ...]] = {
    **TESTS,
    "src/aftermath.py": ("src/engine/services/end_report.py",),
    "src/conclusion.py": ("src/engine/conclusion.py", "src/engine/run_store.py"),
    "src/containerized.py": ("src/engine/services/orchestrator.py", "src/engine/orchestrator.py"),
    "src/endings.py": ("src/engine/exit_codes.py", "src/engine/conclusion.py"),
    "src/entrypoint.py": ("src/container.py",),
    "src/halt.py": ("src/engine/services/end_report.py",),
    "src/hiding.py": ("src/engine/secret_env.py",),
    "src/moments.py": ("src/engine/clock.py",),
    "src/outcome.py": ("src/engine/run_store.py",),
    "src/polling.py": ("src/engine/waiting.py",),
    "src/programs.py": ("src/engine/job_specs.py",),
    "src/reach.py": ("src/engine/stack_validation.py",),
    "src/schedules.py": ("src/platform/schedules.py",),
    "src/stack_rules.py": ("src/engine/stack_validation.py", "src/engine/services/cloud.py"),
    "src/state.py": ("src/platform/job_status.py",),
    "src/statuses.py": ("src/engine/services/orchestrator.py",),
    "src/supervisor.py": ("src/engine/services/supervisor.py",),
    "src/variables.py": ("src/engine/run_ids.py",),
    "src/waiting.py": ("src/engine/waiting.py",),
    "src/words.py": ("src/engine/slugs.py",),
    "src/zenml_runs.py": ("src/engine/run_store.py",),
    "tests/here.py": ("tests/kit/container_fixtures.py",),
    "tests/standin_container.py": ("tests/kit/containers.py",),
    "tests/zenml_server.py": ("tests/kit/zenml_server.py",),
}
OF_SAGEMAKER = "tests/kit/sagemaker_emulator/"
SAGEMAKER: dict[str, tuple[str, ...]] = {
    **SERVICES,
    "src/arns.py": ("src/platform/arns.py",),
    "src/aws.py": ("src/platform/aws.py",),
    "src/choice.py": ("src/engine/services/machine_choice.py",),
    "src/connection.py": ("src/container.py", "src/platform/secrets.py"),
    "src/definition.py": ("src/platform/requests.py",),
    "src/jobs.py": ("src/platform/requests.py",),
    "src/merging.py": ("src/engine/services/requests.py",),
    "src/names.py": ("src/engine/slugs.py", "src/platform/requests.py"),
    "src/service.py": ("src/platform/pipelines.py", "src/platform/service.py"),
    "tests/standin.py": (OF_SAGEMAKER + "account.py",),
    "tests/standin_definition.py": (OF_SAGEMAKER + "definition.py",),
    "tests/standin_front.py": (OF_SAGEMAKER + "front.py",),
    "tests/standin_jobs.py": (OF_SAGEMAKER + "jobs.py",),
    "tests/standin_model.py": (OF_SAGEMAKER + "model.py",),
    "tests/standin_pipelines.py": (OF_SAGEMAKER + "pipelines.py",),
    "tests/standin_schedules.py": (OF_SAGEMAKER + "schedules.py",),
    "tests/standin_storage.py": (OF_SAGEMAKER + "storage.py",),
    # The emulator's own tests are the template's, and no project's.
    "tests/test_standin.py": (OF_SAGEMAKER,),
}

OF_VERTEX = "tests/kit/vertex_emulator/"
VERTEX: dict[str, tuple[str, ...]] = {
    **SERVICES,
    "src/apart.py": ("src/platform/apart.py",),
    "src/choice.py": ("src/engine/services/machine_choice.py", "src/resources.py"),
    "src/connection.py": ("src/platform/secrets.py",),
    "src/environment.py": ("src/platform/environment.py",),
    "src/google_cloud.py": ("src/platform/google_cloud.py",),
    "src/jobs.py": ("src/platform/manifests.py",),
    "src/machines.py": ("src/platform/machines.py",),
    "src/merging.py": ("src/engine/services/requests.py",),
    "src/names.py": ("src/platform/names.py",),
    "src/own_job.py": ("src/platform/names.py", "src/run_id.py"),
    "src/resource_names.py": ("src/platform/names.py",),
    "src/retrying.py": ("src/platform/google_cloud.py",),
    "src/service.py": ("src/platform/service.py",),
    "src/spec.py": ("src/platform/pipeline_spec.py",),
    "tests/standin.py": (OF_VERTEX + "project.py",),
    "tests/standin_api.py": (OF_VERTEX + "api.py",),
    "tests/standin_checks.py": (OF_VERTEX + "checks.py",),
    "tests/standin_identity.py": (OF_VERTEX + "identity.py",),
    "tests/standin_jobs.py": (OF_VERTEX + "jobs.py",),
    "tests/standin_pipelines.py": (OF_VERTEX + "pipelines.py",),
    "tests/standin_resources.py": (OF_VERTEX + "resources.py",),
    "tests/standin_schedules.py": (OF_VERTEX + "schedules.py",),
    "tests/standin_secrets.py": (OF_VERTEX + "secrets.py",),
    "tests/standin_spec.py": (OF_VERTEX + "spec.py",),
    "tests/test_interruptions.py": ("tests/test_runs.py", CONTRACT + "resume.py"),
    "tests/test_secrets.py": ("tests/test_runs.py", "tests/test_service.py"),
    "tests/test_spec.py": ("tests/test_manifests.py",),
    # The emulator's own tests are the template's, and no project's.
    "tests/test_standin.py": (OF_VERTEX,),
}

GONE: dict[str, dict[str, tuple[str, ...]]] = {
    "local": {
        **CONTROLLERS,
        "src/entrypoints.py": ("src/engine/entrypoints.py",),
        "src/launch.py": ("src/engine/processes/launcher.py",),
        "src/ledger.py": ("src/engine/processes/reservations.py",),
        "src/processes.py": ("src/platform.py", "src/engine/processes/process_job.py"),
        "src/warm.py": ("src/engine/processes/fork_server.py",),
        "tests/more_pipelines.py": ("tests/platform_pipelines.py",),
    },
    "kubernetes": {
        **CONTROLLERS,
        "src/cluster.py": ("src/platform/client.py",),
        "src/containerized.py": ("src/engine/orchestrator.py",),
        "src/endings.py": ("src/engine/conclusion.py",),
        "src/entrypoint.py": ("src/engine/entrypoint.py",),
        "src/isolated.py": ("src/engine/isolated_steps.py",),
        "src/manifests.py": ("src/platform/manifests.py",),
        "src/moments.py": ("src/engine/clock.py",),
        "src/names.py": ("src/engine/slugs.py",),
        "src/reach.py": ("src/engine/stack_validation.py",),
        "src/stack_rules.py": ("src/engine/stack_validation.py",),
        "src/tasks.py": ("src/engine/job_specs.py",),
        "src/verdict.py": ("src/platform/job_status.py",),
        "src/view.py": ("src/platform/watching.py", "src/engine/informer.py"),
        "src/waiting.py": ("src/engine/waiting.py",),
        "src/words.py": ("src/engine/slugs.py",),
        "tests/here.py": ("tests/kit/container_fixtures.py",),
        "tests/standin.py": (EMULATOR + "cluster.py",),
        "tests/standin_access.py": (EMULATOR + "access.py",),
        "tests/standin_api.py": (EMULATOR + "api.py",),
        "tests/standin_container.py": ("tests/kit/containers.py",),
        "tests/standin_controllers.py": (EMULATOR + "controllers.py",),
        "tests/standin_defaults.py": (EMULATOR + "defaults.py",),
        "tests/standin_formats.py": (EMULATOR + "formats.py",),
        "tests/standin_node.py": (EMULATOR + "node.py",),
        "tests/standin_pod.py": (EMULATOR + "pod.py",),
        "tests/standin_requests.py": (EMULATOR + "requests.py",),
        "tests/standin_rules.py": (EMULATOR + "validation.py",),
        "tests/standin_schema.py": (EMULATOR + "schema.py",),
        "tests/standin_store.py": (EMULATOR + "store.py",),
        # The emulator's own tests are the template's, and no project's.
        "tests/test_standin.py": (EMULATOR,),
        "tests/test_standin_node.py": (EMULATOR + "node.py",),
        "tests/zenml_server.py": ("tests/kit/zenml_server.py",),
    },
    "sagemaker": SAGEMAKER,
    "vertex": VERTEX,
}

# What is new on the engine. A project that has one of them already is none of an older version.
NEW = ("src/engine", "src/platform", "tests/kit")

# What tells whether a project is on the engine.
ENGINE = re.compile(r"src/[^/]+/engine/MANIFEST\.sha256")


class RefusedError(Exception):
    """The project is not one that this script can update. The text says why."""


@dataclass(frozen=True)
class Project:
    """A project as its last commit has it.

    Attributes:
        folder: Where it is; the top of a repository, or a folder in one.
        answers_file: Copier's file in it.
        answers: What that said before the update.
        files: All that was committed.
    """

    folder: Path
    answers_file: str
    answers: str
    files: frozenset[str]

    @property
    def gone(self) -> dict[str, tuple[str, ...]]:
        """The modules that are gone, of the tables above; none if it is on the engine."""
        if any(map(ENGINE.fullmatch, self.files)):
            return {}
        return GONE.get(self.answer("backend"), {})

    @property
    def since(self) -> str:
        """The version that changes its layout, or the last that did so for others."""
        return SINCE[self.answer("backend")] if self.gone else LAST

    @property
    def aside(self) -> PurePosixPath:
        """Where what was edited is kept."""
        return PurePosixPath(f"before-{self.since}")

    def git(self, *arguments: str, text: str | None = None) -> str:
        """Runs git in the project."""
        given = None if text is None else text.encode()
        command = ["git", *arguments]
        return subprocess.run(
            command, cwd=self.folder, input=given, stdout=subprocess.PIPE, check=True
        ).stdout.decode()

    def answer(self, key: str) -> str:
        """Returns an answer that is one plain word, or the empty text."""
        found = re.search(rf"^{key}: *['\"]?([\w./-]+)['\"]? *$", self.answers, re.MULTILINE)
        return found.group(1) if found else ""

    def path(self, path: str) -> str:
        """Returns a path of the tables above as the project has it."""
        return re.sub(r"^src/", f"src/{self.answer('package_name')}/", path)

    def committed(self, path: str) -> bytes | None:
        """Returns a file of the last commit, or None if it has none."""
        if path not in self.files:
            return None
        command = ["git", "show", f"HEAD:./{path}"]
        done = subprocess.run(command, cwd=self.folder, stdout=subprocess.PIPE, check=True)
        return done.stdout

    def present(self, path: str) -> bytes | None:
        """Returns a file as it is now, or None if there is none."""
        file = self.folder / path
        return file.read_bytes() if file.is_file() else None

    def write(self, path: str | PurePosixPath, content: bytes) -> None:
        """Writes a file."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


@dataclass
class Report:
    """What there is to tell when it is done."""

    aside: PurePosixPath
    kept: dict[str, str] = field(default_factory=dict)  # path -> where its code is now
    merged: dict[str, str] = field(default_factory=dict)  # path -> into which file
    conflicts: list[str] = field(default_factory=list)
    imports: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Returns it as Markdown, or nothing if there is nothing to do for anybody."""
        parts = {
            "Your edits in these files have moved with their code:": [
                f"`{old}` -> `{new}`" for old, new in self.merged.items()
            ],
            "You have edited these files, and they are gone. They are kept in the folder"
            f" {self.aside}, each with your edits as a diff. Bring over what you still need:": [
                f"`{path}`: {now}" for path, now in self.kept.items()
            ],
            "In these files, which git calls unmerged, your edits and the template's meet. Yours"
            f" alone are in the folder {self.aside}, as diffs:": [
                f"`{path}`" for path in self.conflicts
            ],
            "These lines import what is gone:": self.imports,
        }
        return "\n\n".join(
            "\n".join([title, "", *(f"- {line}" for line in lines)])
            for title, lines in parts.items()
            if lines
        )


def recognise(folder: Path, answers_file: str) -> Project:
    """Looks at a project's last commit.

    Raises:
        RefusedError: It is none that this script can update.
    """
    command = ["git", "ls-tree", "-r", "-z", "--name-only", "HEAD"]
    listed = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    names = frozenset(os.fsdecode(listed.stdout).split("\0")) - {""}
    if answers_file not in names:
        message = f"{folder} is no project with a {answers_file} in its last commit."
        raise RefusedError(message)
    project = Project(folder, answers_file, "", names)
    answers = (project.committed(answers_file) or b"").decode()
    project = Project(folder, answers_file, answers, names)
    backend, package = project.answer("backend"), project.answer("package_name")
    if not backend or not package:
        message = f"{answers_file} does not say that this is a project of orch-template."
        raise RefusedError(message)
    if not project.gone:
        return project
    if project.path("src/orchestrator.py") not in names:
        message = (
            f"{project.path('src/orchestrator.py')} is not there, as {answers_file} says. A package"
            " or module that was renamed by hand has to be named as before for the update."
        )
        raise RefusedError(message)
    for path in map(project.path, NEW):
        if any(name == f"{path}.py" or name.startswith(f"{path}/") for name in names):
            message = f"{path} is a name that the template needs. Rename yours, and commit that."
            raise RefusedError(message)
    return project


def generated(project: Project, vcs_ref: str) -> dict[str, bytes]:
    """Has Copier make the project's files in a folder elsewhere.

    Args:
        project: Whose answers are taken.
        vcs_ref: The version of the template; `:current:` is the one that the answers name, and
            nothing is the newest.

    Returns:
        The files, by their paths.

    Raises:
        RefusedError: Copier has failed.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / project.answers_file).write_text(project.answers, encoding="utf-8")
        command = [sys.executable, "-m", "copier", "recopy", "--defaults", "--overwrite", "--quiet"]
        command += [f"--answers-file={project.answers_file}"]
        command += [f"--vcs-ref={vcs_ref}"] if vcs_ref else []
        done = subprocess.run(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        if done.returncode:
            message = f"{' '.join(command)}:\n{done.stdout.decode(errors='replace')}"
            raise RefusedError(message)
        files = (path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def is_same(one: bytes, other: bytes) -> bool:
    """Compares two texts, whatever their line ends."""
    return one.replace(b"\r\n", b"\n") == other.replace(b"\r\n", b"\n")


def merge(yours: bytes, base: bytes, new: bytes) -> tuple[bytes, bool]:
    """Merges, as git does. Returns the text, and whether it has conflicts."""
    with tempfile.TemporaryDirectory() as name:
        files = [Path(name, which) for which in ("yours", "base", "new")]
        for file, content in zip(files, (yours, base, new), strict=True):
            file.write_bytes(content)
        labels = ("-L", "before updating", "-L", "last update", "-L", "after updating")
        done = subprocess.run(
            ["git", "merge-file", "--stdout", *labels, *map(str, files)],
            stdout=subprocess.PIPE,
            check=False,
        )
    return done.stdout, done.returncode != 0


def difference(path: str, base: bytes, yours: bytes) -> bytes:
    """Returns what was edited in a file, as a patch."""
    old, new = (text.decode("utf-8", "surrogateescape").splitlines(True) for text in (base, yours))
    lines = difflib.unified_diff(old, new, f"a/{path}", f"b/{path}")
    return "".join(lines).encode("utf-8", "surrogateescape")


def tidy(
    project: Project, base: dict[str, bytes], gone: dict[str, list[str]], report: Report
) -> None:
    """Removes the files that are gone, and keeps what was edited in them."""
    for path, homes in gone.items():
        yours, before = project.committed(path), base.get(path)
        if before is None or yours is None:
            continue  # It was not generated: it is somebody's own, if it is there. Or was deleted.
        if is_same(yours, before):
            pass
        elif (home := merge_into_new(project, homes, before, yours)) is not None:
            report.merged[path] = home
        else:
            project.write(project.aside / path, yours)
            project.write(project.aside / f"{path}.diff", difference(path, before, yours))
            now = " and ".join(f"`{home}`" for home in homes)
            report.kept[path] = now or "the template has it no more"
        (project.folder / path).unlink(missing_ok=True)


def merge_into_new(project: Project, homes: list[str], before: bytes, yours: bytes) -> str | None:
    """Merges edits into the module that one of the owner's has become.

    Returns:
        That module's path, or None: it is the template's, it is not one, or there are conflicts.
    """
    if len(homes) != 1 or re.search("/(engine|kit)/", homes[0]):
        return None
    new = project.present(homes[0])
    if new is None:
        return None
    merged, has_conflicts = merge(new, before, yours)
    if has_conflicts:
        return None
    project.write(homes[0], merged)
    return homes[0]


def merge_all(
    project: Project, base: dict[str, bytes], new: dict[str, bytes], report: Report
) -> None:
    """Takes over the template's new files, and merges what was edited, as Copier does."""
    for path, content in new.items():
        yours, before = project.present(path), base.get(path, b"")
        if path == project.answers_file:
            project.write(path, content)
        elif yours is None:
            if path not in base:  # Else its owner has deleted it.
                project.write(path, content)
        elif is_same(yours, before) or is_same(yours, content):
            project.write(path, content)
        elif path not in project.files:  # Git ignores it, so that there is nothing to go back to.
            project.write(project.aside / path, yours)
            project.write(path, content)
            report.kept[path] = "the template has a file of this name"
        else:
            merged, has_conflicts = merge(yours, before, content)
            project.write(path, merged)
            if has_conflicts:
                mark_as_unmerged(project, path, before, yours, content)


def mark_as_unmerged(project: Project, path: str, *stages: bytes) -> None:
    """Tells git of a conflict, so that nobody commits it unseen.

    See https://git-scm.com/docs/git-update-index#_using_index_info.
    """
    name = project.git("rev-parse", "--show-prefix").strip() + path
    mode = project.git("ls-files", "--stage", "--", path).split()[0]
    lines = [f"0 {'0' * 40}\t{name}"]
    for number, content in enumerate(stages, start=1):
        stage = content.decode("utf-8", "surrogateescape")
        written = project.git("hash-object", "-w", "--stdin", text=stage).strip()
        lines.append(f"{mode} {written} {number}\t{name}")
    project.git("update-index", "--index-info", text="\n".join(lines) + "\n")


def imports_of_what_is_gone(project: Project) -> list[str]:
    """Returns where a project's own files import modules that are gone, as `path:line: module`."""
    package, found = project.answer("package_name"), []
    gone = {PurePosixPath(path) for path in project.gone}
    sources = {path.stem for path in gone if path.parts[0] == "src"}
    tests = {path.stem for path in gone if path.parts[0] == "tests"}
    for path in sorted(project.files):
        content = project.present(path) if path.endswith(".py") else None
        try:
            tree = ast.parse(content or b"")
        except (SyntaxError, ValueError):  # It has conflicts, or is for another Python.
            continue
        for node in ast.walk(tree):
            in_package = PurePosixPath(path).parent == PurePosixPath("src", package)
            for name in imported(node, package if in_package else ""):
                first, _, rest = name.partition(".")
                where = sources if first == package else tests if not rest else set()
                missing = (rest if first == package else first).partition(".")[0]
                if missing in where and not is_there(project, first == package, missing):
                    found.append(f"`{path}:{getattr(node, 'lineno', 1)}`: {name}")
    return found


def is_there(project: Project, is_source: bool, module: str) -> bool:
    """Tells whether a module is there, though the template's is gone."""
    folder = f"src/{project.answer('package_name')}" if is_source else "tests"
    return project.present(f"{folder}/{module}.py") is not None


def imported(node: ast.AST, package: str) -> list[str]:
    """Returns the full names that a statement imports; relative ones are of `package`."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom) or node.level > 1 or (node.level and not package):
        return []
    module = ".".join(filter(None, (package if node.level else "", node.module)))
    return [f"{module}.{alias.name}" for alias in node.names] if module == package else [module]


def update(project: Project, vcs_ref: str | None) -> Report:
    """Does what is left to do when Copier has updated the project.

    Args:
        project: The project as it was.
        vcs_ref: The version of the template to update to; nothing is the newest. None if Copier
            has updated the project.

    Returns:
        What is left to do for its owner.

    Raises:
        RefusedError: The project has changes that are not committed, or Copier has failed.
    """
    report = Report(project.aside)
    if vcs_ref is not None and project.git("status", "--porcelain", "--", ".").strip():
        message = "The project has changes. Commit or stash them, and try again."
        raise RefusedError(message)
    base = generated(project, ":current:")
    gone = {
        project.path(old): [project.path(home) for home in homes]
        for old, homes in project.gone.items()
    }
    if vcs_ref is not None:
        new = generated(project, vcs_ref)
        merge_all(project, base, new, report)
        gone |= {path: [] for path in sorted(base.keys() - new.keys() - gone.keys())}
    tidy(project, base, gone, report)
    unmerged = project.git("diff", "--name-only", "--relative", "-z", "--diff-filter=U")
    report.conflicts = sorted(set(unmerged.split("\0")) - {""})
    for path in report.conflicts:
        edits = difference(path, base.get(path, b""), project.committed(path) or b"")
        project.write(project.aside / f"{path}.diff", edits)
    report.imports = imports_of_what_is_gone(project)
    if str(report):
        title = f"# What the update to {project.since} leaves to you"
        text = f"{title}\n\n{report}\n\nThen delete this folder.\n"
        project.write(project.aside / "README.md", text.encode())
    return report


def main() -> None:
    """Reads the command line, and says what is left to do.

    Raises:
        SystemExit: With a text: the project was refused, or Copier has failed.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("project", type=Path, nargs="?", default=Path())
    parser.add_argument("--answers-file", default=".copier-answers.yml")
    parser.add_argument("--vcs-ref", default="", help="the template's version to update to")
    parser.add_argument("--stage", choices=["before", "after"], help="given by Copier")
    parser.add_argument("--since", choices=sorted({*SINCE.values()}), help="given by Copier")
    given = parser.parse_args()
    try:
        project = recognise(given.project.resolve(), given.answers_file)
        if given.stage:
            is_due = bool(project.gone) and given.since == project.since
        else:
            is_due = bool(project.gone) or project.answer("_template_version") in BEFORE_LAST
            if not is_due:
                print("This project needs no script to be updated. Run `copier update`.")
        if not is_due or given.stage == "before":
            return
        report = update(project, None if given.stage else given.vcs_ref)
    except RefusedError as error:
        raise SystemExit(str(error)) from None
    if str(report):
        print(f"\n{report}\n\n{project.aside}/README.md says this too.\n")


if __name__ == "__main__":
    main()
