"""The ready-made CI: workflows hold no command of their own, and their script does what the workflows expect."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
SCRIPT = re.compile(r"ci/dice-gate\.sh (setup|pull|reproduce|gate|comment|push)")


def _load(name: str) -> dict[Any, Any]:
    content = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def _github_steps() -> list[dict[str, Any]]:
    return list(_load(".github/workflows/dice-gate.yml")["jobs"]["dice-gate"]["steps"])


def _gitlab_jobs() -> list[dict[str, Any]]:
    jobs = _load("ci/gitlab-dice-gate.yml")
    return [jobs[".dice-gate"] | jobs[name] for name in ("dice-gate", "dice-gate-share")]


def _gitlab_commands(job: dict[str, Any]) -> Iterator[str]:
    for part in ("before_script", "script", "after_script"):
        yield from job.get(part, [])


def test_every_command_of_the_workflows_is_a_function_of_the_script() -> None:
    commands = [step["run"] for step in _github_steps() if "run" in step]
    commands += [command for job in _gitlab_jobs() for command in _gitlab_commands(job)]
    assert len(commands) == 6 + 5 + 4
    for command in commands:
        assert SCRIPT.fullmatch(command), command


def test_actions_are_pinned_to_major_versions() -> None:
    actions = [step["uses"] for step in _github_steps() if "uses" in step]
    assert len(actions) == 3
    for action in actions:
        assert re.fullmatch(r"actions/[a-z-]+@v\d+", action), action


def test_both_clones_have_the_whole_history() -> None:
    assert _github_steps()[0]["with"]["fetch-depth"] == 0
    assert _load("ci/gitlab-dice-gate.yml")[".dice-gate"]["variables"]["GIT_DEPTH"] == "0"


def test_the_comment_is_posted_when_the_gate_failed() -> None:
    steps = {step["run"].split()[-1]: step for step in _github_steps() if "run" in step}
    assert steps["comment"]["if"].startswith("always()")
    gitlab = _gitlab_jobs()[0]
    assert (gitlab["script"], gitlab["after_script"][0].split()[-1]) == (["ci/dice-gate.sh gate"], "comment")


class Checkout:
    """A repository with the script, figures, and programs that write down how they were called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.calls = folder / "calls.txt"
        (self.folder / "ci").mkdir(parents=True)
        shutil.copy(ROOT / "ci/dice-gate.sh", self.folder / "ci")
        figures = self.folder / "reports/figures"
        figures.mkdir(parents=True)
        for name in ("sheet-real.png", "forest-0.svg", "forest-controls-0.svg"):
            (figures / name).write_text(name, encoding="utf-8")
        self.programs = folder / "bin"
        self.programs.mkdir()
        subprocess.run(["git", "init", "-q", "--bare", str(folder / "origin")], check=True)
        for command in (["init", "-q"], ["remote", "add", "origin", str(folder / "origin")]):
            subprocess.run(["git", *command], cwd=self.folder, check=True)

    def program(self, name: str, body: str) -> None:
        path = self.programs / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.calls}\n{body}\n', encoding="utf-8")
        path.chmod(0o755)

    def script(self, function: str, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = os.environ | {"PATH": f"{self.programs}:{os.environ['PATH']}", "BASE": "main"} | environment
        return subprocess.run(
            ["bash", "ci/dice-gate.sh", function], cwd=self.folder, env=variables, capture_output=True, text=True
        )

    def comment(self) -> str:
        return (self.folder / ".augbench/dice-gate/comment.md").read_text(encoding="utf-8")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


@pytest.mark.parametrize("code", [0, 1, 3])
def test_the_gates_exit_code_is_the_jobs_and_the_comment_is_there_in_every_case(checkout: Checkout, code: int) -> None:
    checkout.program("augbench", f'[ "$1" = diff ] || {{ echo "| verdict |"; exit {code}; }}')
    done = checkout.script("gate")
    assert done.returncode == code, done.stderr
    assert "augbench gate main --markdown" in checkout.calls.read_text(encoding="utf-8")
    assert checkout.comment() == "| verdict |\n"


def test_bad_input_is_said_in_the_comment(checkout: Checkout) -> None:
    checkout.program("augbench", "echo 'augbench: unknown revision' >&2; exit 2")
    done = checkout.script("gate")
    assert done.returncode == 2
    assert "augbench: unknown revision" in checkout.comment()
    assert "augbench: unknown revision" in done.stderr


def test_without_a_gate_there_is_nothing_to_post(checkout: Checkout) -> None:
    done = checkout.script("comment", COMMENT_WITH="github")
    assert (done.returncode, "nothing to post" in done.stdout) == (0, True)


def test_a_github_comment_links_figures_on_a_branch_of_the_same_repository(checkout: Checkout) -> None:
    checkout.program("augbench", "echo '| verdict |'")
    checkout.program("gh", "")
    assert checkout.script("gate").returncode == 0
    github = {"PR_NUMBER": "7", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "owner/name"}
    done = checkout.script("comment", COMMENT_WITH="github", **github)
    assert done.returncode == 0, done.stderr
    assert "gh pr comment 7 --body-file .augbench/dice-gate/comment.md" in checkout.calls.read_text(encoding="utf-8")
    links = re.findall(
        r"!\[(\S+)\]\(https://github.com/owner/name/blob/([0-9a-f]{40})/(\S+)\?raw=true\)", checkout.comment()
    )
    assert [(title, name) for title, _, name in links] == [
        (n, n) for n in ("forest-0.svg", "forest-controls-0.svg", "sheet-real.png")
    ]
    origin = checkout.folder.parent / "origin"
    show = ["git", "-C", str(origin), "show", "dice-gate/pr-7:sheet-real.png"]
    assert subprocess.run(show, capture_output=True, text=True, check=True).stdout == "sheet-real.png"
    head = ["git", "-C", str(origin), "rev-parse", "dice-gate/pr-7"]
    assert subprocess.run(head, capture_output=True, text=True, check=True).stdout.strip() == links[0][1]


def test_a_gitlab_comment_uploads_its_figures(checkout: Checkout) -> None:
    checkout.program("augbench", "echo '| verdict |'")
    checkout.program("curl", """case "$*" in *uploads) echo '{"markdown": "![x](/uploads/x)"}' ;; esac""")
    assert checkout.script("gate").returncode == 0
    gitlab = {"CI_API_V4_URL": "https://gitlab/api/v4", "CI_PROJECT_ID": "3", "CI_MERGE_REQUEST_IID": "7"}
    done = checkout.script("comment", COMMENT_WITH="gitlab", GITLAB_TOKEN="t", **gitlab)
    assert done.returncode == 0, done.stderr
    assert checkout.comment().count("![x](/uploads/x)") == 3
    assert "https://gitlab/api/v4/projects/3/merge_requests/7/notes" in checkout.calls.read_text(encoding="utf-8")


def test_without_a_remote_the_script_says_that_it_computes(checkout: Checkout) -> None:
    checkout.program("dvc", "")
    done = checkout.script("pull")
    assert (done.returncode, "no DVC remote is configured: every stage is computed here" in done.stdout) == (0, True)
    done = checkout.script("push")
    assert (done.returncode, "nothing is pushed" in done.stdout) == (0, True)
    assert "push" not in checkout.calls.read_text(encoding="utf-8")


def test_a_remote_that_cannot_be_read_is_no_failure(checkout: Checkout) -> None:
    checkout.program("dvc", '[ "$1" = pull ] && exit 1; echo store /somewhere')
    done = checkout.script("pull")
    assert (done.returncode, "what is missing is computed here" in done.stdout) == (0, True)
    assert "dvc pull --run-cache --allow-missing" in checkout.calls.read_text(encoding="utf-8")
