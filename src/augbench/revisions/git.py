"""Questions to git about the repository around the current folder; nothing is checked out or changed."""

from __future__ import annotations

import difflib
import subprocess
from pathlib import Path

from augbench.core.errors import UserError


def resolve(name: str) -> str:
    """The commit's full hash of a branch, tag, hash or expression such as `HEAD~1`.

    Raises:
        UserError: no git, no repository, or no such revision; a shallow clone is named as the likely reason.
    """
    if not name.startswith("-"):
        found = _run("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", check=False)
        if found is not None:
            return found.decode().strip()
    require_repository()
    raise _unknown(name)


def require_repository() -> None:
    """Raises UserError where there is no repository that git is willing to read."""
    _run("rev-parse", "--git-dir")


def head() -> str | None:
    """The commit's hash that the working tree is on; None before the first commit."""
    found = _run("rev-parse", "--verify", "--quiet", "HEAD", check=False)
    return None if found is None else found.decode().strip()


def prefix() -> str:
    """Path of the current folder below the repository's root: `` there, otherwise `studies/quick/`."""
    found = _run("rev-parse", "--show-prefix") or b""
    return found.decode("utf-8", "surrogateescape").rstrip("\n")


def read(commit: str, path: Path) -> bytes | None:
    """Content of a file, its path relative to the current folder; None where the commit has no such file."""
    return _run("cat-file", "blob", f"{commit}:{prefix()}{path.as_posix()}", check=False)


def files(commit: str, folder: Path) -> tuple[str, ...]:
    """Paths of all files of a commit in a folder, relative to the current folder, sorted."""
    found = _run("ls-tree", "-r", "--name-only", "-z", commit, "--", folder.as_posix()) or b""
    return tuple(sorted(filter(None, found.decode("utf-8", "replace").split("\0"))))


def modified(*paths: Path) -> tuple[str, ...]:
    """Those of the given paths that differ from the commit the working tree is on, or are not in it."""
    names = [path.as_posix() for path in paths]
    changed = _run("diff", "--name-only", "--relative", "-z", "HEAD", "--", *names, check=False) or b""
    untracked = _run("ls-files", "--others", "-z", "--", *names) or b""
    return tuple(sorted({*filter(None, (changed + untracked).decode("utf-8", "replace").split("\0"))}))


def _unknown(name: str) -> UserError:
    listed = _run("for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/remotes", "refs/tags") or b""
    known = listed.decode().split()
    # A fresh clone has one local branch; the others stand under the remote's name.
    near = [ref for ref in known if ref.endswith(f"/{name}")] or difflib.get_close_matches(name, known, 3)
    shallow = (_run("rev-parse", "--is-shallow-repository") or b"").strip() == b"true"
    if shallow:
        remedy = "fetch the whole history: `fetch-depth: 0` in GitHub's checkout step, `GIT_DEPTH: 0` in GitLab, " \
            "or `git fetch --unshallow origin`"  # fmt: skip
    elif near:
        remedy = f"did you mean {' or '.join(repr(ref) for ref in near)}?"
    else:
        remedy = "name a branch, tag or commit of `git log --oneline`; fetch it first if it is new on the server"
    return UserError(
        f"unknown revision '{name}'" + (" in a shallow clone" if shallow else ""),
        got=name,
        expected=", ".join(known[:8]) + (" ..." if len(known) > 8 else "") or "a commit: the repository has none",
        remedy=remedy,
    )


def _run(*arguments: str, check: bool = True) -> bytes | None:
    """Standard output of one git command; None where it failed and `check` is off."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    except FileNotFoundError as error:
        raise UserError(
            "git is not installed", got="no program `git`", expected="git 2.20 or newer", remedy="install git"
        ) from error
    if done.returncode == 0:
        return done.stdout
    if not check:
        return None
    said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no message"]
    if "not a git repository" in said[0]:
        raise UserError(
            "this folder is in no git repository",
            got=Path.cwd(),
            expected="a clone of the project",
            remedy="run it in the project's folder; `git init` and a commit of reports/ make a project comparable",
        )
    owned = "dubious ownership" in said[0]
    raise UserError(
        "git refuses to read the repository" if owned else f"`git {arguments[0]}` failed",
        got=said[0],
        expected="a readable repository",
        remedy=f"git config --global --add safe.directory {Path.cwd()}" if owned else "see the message of git above",
    )
