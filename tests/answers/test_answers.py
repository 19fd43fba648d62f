"""The questions: what they propose, what they refuse, and that answers arrive as given."""

from __future__ import annotations

import importlib.metadata
import keyword
import os
import re
import socket
import subprocess
import sys
import tempfile
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pexpect
import pytest
import yaml
from copier._main import Worker
from derived import ROOT
from hypothesis import Phase, assume, example, given, settings
from hypothesis import strategies as st
from kit.timeouts import scaled
from markdown_it import MarkdownIt
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rendering import (
    answers,
    backends,
    export,
    questions,
    render,
    run_copier_cli,
    strategies,
    template,
)
from terminal import COLUMNS, copier_at_terminal

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator

BIN = Path(sys.executable).parent

# The lists of template/names.jinja, and how long a name may be.
NAMES: Any = Worker(src_path=str(template())).jinja_env.get_template("template/names.jinja").module
LONGEST: int = NAMES.longest


def files(project: Path) -> dict[str, str]:
    """Every file of a project, as text."""
    return {
        path.relative_to(project).as_posix(): path.read_text(encoding="utf-8")
        for path in project.rglob("*")
        if path.is_file()
    }


# ---- What is proposed ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "proposed"),
    [
        ("my-orch", "my-orch my_orch MyOrch MY_ORCH_RUN_ID"),
        ("My Orch!", "my-orch my_orch MyOrch MY_ORCH_RUN_ID"),
        ("-x-", "x x X X_RUN_ID"),
        ("9lives", "9lives orch_9lives Orch9lives ORCH_9LIVES_RUN_ID"),
        ("日本", "my-orchestrator my_orchestrator My MY_ORCHESTRATOR_RUN_ID"),
        ("class", "class-orchestrator class_orchestrator Class CLASS_ORCHESTRATOR_RUN_ID"),
        ("json", "json-orchestrator json_orchestrator Json JSON_ORCHESTRATOR_RUN_ID"),
        ("tests", "tests-orchestrator tests_orchestrator Tests TESTS_ORCHESTRATOR_RUN_ID"),
        ("local", "local-orchestrator local_orchestrator Local LOCAL_ORCHESTRATOR_RUN_ID"),
        ("zenml", "zenml-orchestrator zenml_orchestrator Zenml MY_ZENML_ORCHESTRATOR_RUN_ID"),
        ("base", "base base MyBase BASE_RUN_ID"),
    ],
)
def test_names_derive_from_the_folder(tmp_path: Path, folder: str, proposed: str) -> None:
    found = answers(tmp_path / folder)
    names = ("project_name", "package_name", "class_prefix", "run_id_variable")
    assert " ".join(found[name] for name in names) == proposed
    assert found["flavor_name"] == found["package_name"]


@settings(max_examples=25, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1))
def test_any_folder_gives_names_that_python_zenml_and_the_system_take(folder: str) -> None:
    assume(folder not in {".", ".."} and len(folder.encode()) <= 255)
    # A default that its own validator refused would raise here.
    proposed = answers(Path(tempfile.gettempdir(), "never-created", folder))
    package = proposed["package_name"]
    assert re.fullmatch(r"[a-z][a-z0-9_]*", package)
    assert package not in {*keyword.kwlist, *keyword.softkwlist, *sys.stdlib_module_names}
    assert f"{proposed['class_prefix']}Orchestrator".isidentifier()
    assert not proposed["run_id_variable"].startswith("ZENML_")
    Requirement(proposed["project_name"])


def test_questions_and_choices_fit_a_terminal() -> None:
    helps = [question["help"] for question in questions().values()]
    titles = [f"{name}: {wiring['title']}" for name, wiring in backends().items()]
    labels = [
        f"{name}: {label}"
        for wiring in backends().values()
        for name, label in wiring["strategies"].items()
    ]
    # Before each is a sign of up to three columns, and the last column stays free.
    assert [text for text in [*helps, *titles, *labels] if len(text) > COLUMNS - 4] == []
    assert next(iter(questions())) == "backend"


@pytest.mark.parametrize("backend", backends())
def test_the_description_says_what_a_backend_does(tmp_path: Path, backend: str) -> None:
    summaries = {wiring["summary"] for wiring in backends().values()}
    assert len(summaries) == len(backends())
    description = answers(tmp_path / "project", backend=backend)["description"]
    assert description == backends()[backend]["summary"]


# ---- What is refused -------------------------------------------------------------------------

TEXTS = ("description", "author_name")
REFUSED = [
    ("project_name", "", "Begin and end with a-z or 0-9."),
    ("project_name", "-x", "Begin and end with a-z or 0-9."),
    ("project_name", "x\n", "Use only A-Z, a-z, 0-9, -, _, ."),
    ("project_name", "straße", "Use only A-Z, a-z, 0-9, -, _, ."),
    ("project_name", "x" * 81, "At most 80 characters, not 81."),
    ("project_name", "ZenML", "ZenML or the tests install it."),
    ("project_name", "Pydantic-Core", "ZenML or the tests install it."),
    ("package_name", "", "Begin with a letter, a-z."),
    ("package_name", "MyOrch", "Use only a-z, 0-9 and _."),
    ("package_name", "9lives", "Begin with a letter, a-z."),
    ("package_name", "_orch", "Begin with a letter, a-z."),
    ("package_name", "my-orch", "Use only a-z, 0-9 and _."),
    ("package_name", "café", "Use only a-z, 0-9 and _."),
    ("package_name", "x" * (LONGEST + 1), f"At most {LONGEST} characters, not {LONGEST + 1}."),
    ("package_name", "class", "It is a keyword of Python."),
    ("package_name", "match", "It is a keyword of Python."),
    ("package_name", "json", "It is a module of Python's."),
    ("package_name", "zenml", "ZenML or the tests install it."),
    ("package_name", "yaml", "ZenML or the tests install it."),
    ("package_name", "google", "ZenML or the tests install it."),
    ("package_name", "kubeflow", "ZenML has a flavor of this name."),
    ("package_name", "tests", "It is where the tests are."),
    ("flavor_name", "", "Begin with a letter, a-z."),
    ("flavor_name", "my flavor", "Use only a-z, 0-9 and _."),
    ("flavor_name", "x" * (LONGEST + 1), f"At most {LONGEST} characters, not {LONGEST + 1}."),
    ("flavor_name", "vm_aws", "ZenML has a flavor of this name."),
    ("class_prefix", "", "Begin with a capital, A-Z."),
    ("class_prefix", "myOrch", "Begin with a capital, A-Z."),
    ("class_prefix", "My_Orch", "Use only A-Z, a-z and 0-9."),
    ("class_prefix", "Ärger", "Use only A-Z, a-z and 0-9."),
    ("class_prefix", "Base", "ZenML has a class of this name."),
    *((text, "", "It may not be empty.") for text in TEXTS),
    *((text, " \u3000 ", "It may not be empty.") for text in TEXTS),
    *((text, " x", "Remove the space at its ends.") for text in TEXTS),
    *((text, "two\nlines", "Use one line of plain characters.") for text in TEXTS),
    *((text, "x" * 513, "At most 512 characters, not 513.") for text in TEXTS),
    ("license", "GPL-3.0", "'GPL-3.0' is not in ['Apache-2.0', 'MIT',"),
    ("backend", "nowhere", f"'nowhere' is not in {[*backends()]}"),
    ("run_id_strategy", "snapshot_id", "'snapshot_id' is not in ['submission_uuid',"),
    ("run_id_variable", "", "Begin with a letter, A-Z."),
    ("run_id_variable", "run_id", "Use only A-Z, 0-9 and _."),
    ("run_id_variable", "1ST", "Begin with a letter, A-Z."),
    ("run_id_variable", "X" * 61, "At most 60 characters, not 61."),
    ("run_id_variable", "ZENML_RUN_ID", "ZENML_ is ZenML's own prefix."),
    ("run_id_variable", "PATH", "Each process has it already."),
    ("ci_provider", "jenkins", "'jenkins' is not in ['github',"),
]


@pytest.mark.parametrize(("question", "value", "reason"), REFUSED)
def test_a_bad_answer_is_refused_with_its_reason_and_nothing_is_written(
    tmp_path: Path, question: str, value: str, reason: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)) as refusal:
        render(tmp_path / "project", **{question: value})
    said = str(refusal.value)
    assert f"'{question}'" in said
    # Beside an answer that is typed, it has one line, which is cut off where the terminal ends.
    assert len(said) <= COLUMNS or said.startswith("Invalid choice")
    assert not any(tmp_path.iterdir())


def test_every_question_that_takes_free_input_refuses_something() -> None:
    assert {question for question, _, _ in REFUSED} == set(questions())


@pytest.mark.parametrize("backend", backends())
@pytest.mark.parametrize(("owner", "strategy"), strategies())
def test_a_strategy_of_another_backend_is_refused_with_the_reason(
    tmp_path: Path, backend: str, owner: str, strategy: str
) -> None:
    pair = {"backend": backend, "run_id_strategy": strategy}
    offered = backends()[backend]["strategies"]
    if strategy in offered:
        assert answers(tmp_path / "project", **pair).items() >= pair.items()
        return
    # Others may offer it too.
    reason = rf"{strategy} needs the backend (\w+ or )*{owner}( or \w+)*; {backend} offers "
    reason += ", ".join(offered)
    with pytest.raises(ValueError, match=reason):
        render(tmp_path / "project", **pair)
    assert not (tmp_path / "project").exists()


def test_a_strategy_may_be_one_that_another_backend_offers_too(tmp_path: Path) -> None:
    source = export(tmp_path / "template")
    wiring = source / "template" / "backends" / "elsewhere" / "backend.yml"
    wiring.parent.mkdir()
    elsewhere = {
        **backends()["local"],
        "files": [],
        "strategies": {"zenml_run_id": "the same", "from_elsewhere": "an ID from elsewhere"},
    }
    wiring.write_text(yaml.safe_dump(elsewhere, sort_keys=False))
    questionnaire = source / "copier.yml"
    questionnaire.write_text(
        re.sub(
            r"default: \[local(.*)\]", r"default: [local\1, elsewhere]", questionnaire.read_text()
        )
    )
    for backend, strategy in (
        ("local", "zenml_run_id"),
        ("elsewhere", "zenml_run_id"),
        ("elsewhere", "from_elsewhere"),
    ):
        pair = {"backend": backend, "run_id_strategy": strategy}
        assert answers(tmp_path / "project", source=source, **pair).items() >= pair.items()
    with pytest.raises(ValueError, match="from_elsewhere needs the backend elsewhere"):
        answers(tmp_path / "project", source=source, run_id_strategy="from_elsewhere")


def test_a_misspelt_name_in_a_template_stops_the_copy(tmp_path: Path) -> None:
    source = export(tmp_path / "template")
    source.joinpath("template/project/NEWS.md.jinja").write_text("{{ project_nam }}")
    with pytest.raises(Exception, match="'project_nam' is undefined"):
        render(tmp_path / "project", source=source)
    assert not (tmp_path / "project").exists()


def test_a_misspelt_answer_stops_the_test_that_gives_it(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="licence"):
        render(tmp_path / "project", licence="MIT")


# ---- The lists of names that are taken -------------------------------------------------------


def test_no_name_that_python_has_is_free() -> None:
    python = {*keyword.kwlist, *keyword.softkwlist, *sys.stdlib_module_names}
    possible = {name for name in python if re.fullmatch(r"[a-z][a-z0-9_]*", name)}
    assert possible <= {*NAMES.keywords.split()} | {*NAMES.stdlib.split()}


def test_no_name_that_zenml_or_the_tests_install_is_free() -> None:
    modules: dict[str, set[str]] = {}
    for module, distributions in importlib.metadata.packages_distributions().items():
        for distribution in distributions:
            modules.setdefault(canonicalize_name(distribution), set()).add(module)

    def required(requirement: Requirement) -> Iterator[str]:
        name = canonicalize_name(requirement.name)
        yield name
        for line in importlib.metadata.requires(name) or ():
            needed = Requirement(line)
            extras = [*requirement.extras, ""]
            if not needed.marker or any(needed.marker.evaluate({"extra": e}) for e in extras):
                yield from required(needed)

    taken = set()
    needed = {"zenml", "pytest", "time-machine"}
    for wiring in backends().values():
        needed |= {*wiring["dependencies"], *wiring["test_dependencies"]}
    for name in {name for text in needed for name in required(Requirement(text))}:
        taken |= {name.replace("-", "_"), *modules.get(name, ())}
    possible = {name for name in taken if re.fullmatch(r"[a-z][a-z0-9_]*", name)}
    assert possible <= {*NAMES.installed.split()}


def test_no_flavor_that_zenml_has_is_free() -> None:
    from zenml.enums import StackComponentType  # noqa: PLC0415 - slow, and for this test only
    from zenml.stack.flavor_registry import FlavorRegistry  # noqa: PLC0415

    found = [*FlavorRegistry().builtin_flavors, *FlavorRegistry().integration_flavors]
    flavors = {
        flavor().name for flavor in found if flavor().type is StackComponentType.ORCHESTRATOR
    }
    assert len(flavors) > 10
    assert flavors <= {*NAMES.flavors.split()}


# ---- That every answer arrives as it was given -----------------------------------------------

PIECES = st.sampled_from(
    [
        *"\"'`\\{}%#$&<>*_[]()|~!:@-+=.,",
        *(
            '"""',
            "{{ 7*7 }}",
            "{% raw %}",
            "{#",
            "${{ x }}",
            "&amp;",
            "<!--",
            "</p>",
            "\\n",
            "\\u0041",
        ),
        *("1. ", "# ", "- ", "---", " a ", "no", "null", "2024"),
        *("é", "日本", "🙂", "👩\u200d🔬", "\u3000", "\xa0"),
    ]
)
PROSE = st.lists(PIECES, min_size=1, max_size=8).map("".join).map(str.strip)
TEXT = PROSE | st.tuples(PROSE, st.text(max_size=3), PROSE).map("".join)
LICENCES = questions()["license"]["choices"]


def must_be_refused(text: str) -> bool:
    """Whether one line cannot hold a text, or would show it as something else."""
    reordering = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    return (
        text != text.strip()
        or not text
        or any(
            unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
            or unicodedata.bidirectional(character) in reordering
            or character in "\ufeff\ufffe\uffff"
            for character in text
        )
    )


def from_markdown(text: str) -> str:
    """What a reader of Markdown sees, without any formatting."""
    seen = [
        "".join(child.content for child in token.children or ())
        if token.children
        else token.content
        for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    ]
    return "\n".join(seen)


# Without shrinking, which would take minutes: the texts are short enough to read as they are.
@settings(max_examples=20, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(TEXT, TEXT, st.sampled_from(LICENCES), st.sampled_from([*backends()]))
@example("a\u2028b", "c", "MIT", "local")
@example("a", "\u202egpj.exe", "MIT", "local")
@example("a", "\ud83d", "MIT", "local")
@example('"""\\" {{ 7*7 }} {% raw %} \'', "${{ secrets }} <b>&amp;</b> 🙂", "MIT", "kubernetes")
@example("\\d+ %s {0} %(x)s {{}} {%% {#", '\'; -- "" `rm` $(x)', "BSD-3-Clause", "sagemaker")
@example("{{$.pipeline_job_name}}", "$(A) ${B} %(c)s", "Apache-2.0", "vertex")
@example("# a | b_c _d_ `e` *f* [g](h) <!-- 🙂", "日本\u3000👩\u200d🔬 \\n", "Proprietary", "local")
def test_free_text_arrives_in_every_file_or_is_refused(
    description: str, author: str, licence: str, backend: str
) -> None:
    given = {"description": description, "author_name": author, "license": licence}
    given["backend"] = backend
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder, "project")
        if must_be_refused(description) or must_be_refused(author):
            with pytest.raises(ValueError, match="Validation error"):
                render(project, **given)
            assert not project.exists()
            return
        render(project, **given)
        rendered = files(project)

    metadata = tomllib.loads(rendered["pyproject.toml"])["project"]
    assert metadata["description"] == description
    assert metadata["authors"] == [{"name": author}]
    recorded = yaml.safe_load(rendered[".copier-answers.yml"])
    assert recorded.items() >= given.items()
    assert f"Copyright {author}" in rendered["LICENSE"].replace("(c) ", "")
    assert description in from_markdown(rendered["README.md"])
    for name, text in rendered.items():
        if name.endswith(".py"):
            compile(text, name, "exec")
        elif name.endswith((".yml", ".yaml")):
            assert list(yaml.safe_load_all(text))


@pytest.mark.parametrize("licence", LICENCES)
def test_the_licence_and_the_metadata_agree(tmp_path: Path, licence: str) -> None:
    project = render(tmp_path / "project", license=licence, author_name="A. N. Author")
    declared = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    proprietary = licence == "Proprietary"
    assert declared["license"] == ("LicenseRef-Proprietary" if proprietary else licence)
    assert ("Private :: Do Not Upload" in declared["classifiers"]) is proprietary
    title = {"Apache-2.0": "Apache License", "MIT": "MIT License", "BSD-3-Clause": "BSD 3-Clause"}
    text = (project / "LICENSE").read_text()
    assert title.get(licence, "All rights reserved") in text
    assert "A. N. Author" in text


@pytest.mark.parametrize("ci", questions()["ci_provider"]["choices"])
def test_a_provider_gets_its_workflow_and_no_other(tmp_path: Path, ci: str) -> None:
    project = render(tmp_path / "project", ci_provider=ci)
    workflows = {"github": ".github/workflows/ci.yml", "gitlab": ".gitlab-ci.yml"}
    assert {name for name in files(project) if name in workflows.values()} == {
        workflow for provider, workflow in workflows.items() if provider == ci
    }
    assert (project / ".github").exists() is (ci == "github")


@pytest.mark.parametrize("length", [1, LONGEST], ids=["shortest names", "longest names"])
@pytest.mark.parametrize(("backend", "strategy"), strategies())
def test_code_is_laid_out_for_names_of_any_length(
    tmp_path: Path, length: int, backend: str, strategy: str
) -> None:
    given = {
        "backend": backend,
        "run_id_strategy": strategy,
        "package_name": "p" * length,
        "flavor_name": "f" * length,
        "class_prefix": "C" * length,
    }
    given["run_id_variable"] = "V" * (3 * length // 2)
    project = render(tmp_path / "project", project_name="n" * (2 * length), **given)
    subprocess.run([BIN / "ruff", "format", "--diff", project], check=True)
    subprocess.run([BIN / "ruff", "check", project], check=True)


# ---- The ways to run it ----------------------------------------------------------------------


@pytest.mark.parametrize("backend", backends())
def test_the_defaults_need_no_network_and_leave_no_template_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("the copy opened a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    rendered = files(render(tmp_path / "my-orch", backend=backend))
    assert {"pyproject.toml", "README.md", "src/my_orch/py.typed", "src/my_orch/run_id.py"} <= {
        *rendered
    }
    for name, text in rendered.items():
        # `{{ image }}` is how a user of a backend names a pod's own image, and `{{jobs.token}}` a
        # secret of ZenML's.
        text_of_ours = text.replace('"{{ image }}"', "").replace("'{{jobs.token}}'", "")
        assert not re.search(r"(?<!\$)\{\{|\{%|\{#", text_of_ours), name
        assert text == text.rstrip("\n") + "\n" or not text, name


def test_paths_suit_every_file_system() -> None:
    paths = [path.relative_to(ROOT).as_posix() for path in (ROOT / "template").rglob("*")]
    assert not [path for path in paths if re.search(r"[<>:\"'|?*\\]", path) or len(path) > 150]


def test_the_command_line_needs_neither_flags_nor_trust(tmp_path: Path) -> None:
    copied = run_copier_cli("copy", "--defaults", template(), "my-orch", cwd=tmp_path)
    assert copied.returncode == 0, copied.stderr
    assert "my-orch is ready" in copied.stderr
    assert 'cd "my-orch"' in copied.stderr
    here = tmp_path / "here"
    here.mkdir()
    data = ("--data", "license=MIT", "--data", "description=5 > 4: {{ yes }}")
    copied = run_copier_cli("copy", "--defaults", *data, template(), ".", cwd=here)
    assert copied.returncode == 0, copied.stderr
    assert "cd " not in copied.stderr
    recorded = yaml.safe_load((here / ".copier-answers.yml").read_text())
    assert recorded["project_name"] == "here"
    assert recorded["license"] == "MIT"
    assert recorded["description"] == "5 > 4: {{ yes }}"
    # Answers are recorded for the next update: all of them, and nothing that is computed.
    assert {name for name in recorded if name[0] != "_"} == set(questions())


def test_zenml_init_takes_the_template(tmp_path: Path) -> None:
    project = tmp_path / "my-orch"
    project.mkdir()
    home = {"ZENML_CONFIG_PATH": str(tmp_path / "zenml"), "ZENML_ANALYTICS_OPT_IN": "false"}
    options = ["--template-with-defaults", "--test", "--path", str(project)]
    subprocess.run(
        [BIN / "zenml", "init", "--template", template(), *options],
        env=os.environ | home,
        cwd=tmp_path,
        check=True,
        timeout=scaled(120),
    )
    assert {".zen", "pyproject.toml", "src"} <= {path.name for path in project.iterdir()}
    recorded = yaml.safe_load((project / ".copier-answers.yml").read_text())
    assert {name for name in recorded if name[0] != "_"} == set(questions())


def test_a_person_is_asked_question_by_question(tmp_path: Path) -> None:
    copier = copier_at_terminal("copy", template(), "my-orch", cwd=tmp_path)
    erase, down = "\x01\x0b", "\x1b[B"
    typed = {"description": 'Says "{{ hi }}" 🙂', "package_name": "class"}
    for name, question in questions().items():
        copier.expect_exact(question["help"])
        if name in {"backend", "run_id_strategy"}:
            # Of this backend there are all, and of others none.
            offered = {"backend": backends(), "run_id_strategy": backends()["local"]["strategies"]}
            for offer in offered[name]:
                copier.expect_exact(f"{offer}: ")
            others = {other for _, other in strategies()} - {*backends()["local"]["strategies"]}
            assert not [other for other in others if f"{other}: " in copier.before]
        if name in typed:
            copier.send(erase + typed[name])
        elif name == "license":
            copier.send(down)
        copier.send("\r")
        if name == "package_name":
            copier.expect_exact("'package_name': It is a keyword of Python.")
            copier.send(erase + "by_hand\r")
    copier.expect_exact("my-orch is ready")
    copier.expect(pexpect.EOF)
    copier.close()
    assert copier.exitstatus == 0
    recorded = yaml.safe_load((tmp_path / "my-orch" / ".copier-answers.yml").read_text())
    assert recorded["description"] == typed["description"]
    assert recorded["package_name"] == recorded["flavor_name"] == "by_hand"
    assert recorded["license"] == "MIT"
    assert (tmp_path / "my-orch" / "src" / "by_hand" / "run_id.py").exists()
