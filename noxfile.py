"""Each ansible-core that is supported, in environments of its own.

    nox                        all of it
    nox -s deploy              what README says, with the artifact; each core
    nox -s "units(2.16)"       the unit tests on one of them
    nox -s "sanity(2.18)"      ansible-test sanity
    nox -s eda                 the event source and rulebook, with ansible-rulebook and Java
    nox -s galaxy              what Galaxy and the documentation of Ansible say to the artifact

A Python that is not on this machine is an error, unless nox is told otherwise (``--no-error-on-missing-interpreters``).
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import nox

CORES = {"2.16": "3.11", "2.17": "3.11", "2.18": "3.12", "2.19": "3.11", "2.20": "3.12", "2.21": "3.13"}
"""ansible-core, and the Python that it is tried on: together each one that both support."""

nox.options.error_on_missing_interpreters = True
nox.options.default_venv_backend = "venv"

EACH = nox.parametrize("python,core", [(python, core) for core, python in CORES.items()], ids=list(CORES))

# pyenv's shims stand in PATH for Pythons that are not chosen, and do not start: the real ones come first.
os.environ["PATH"] = os.pathsep.join(
    [
        *map(str, sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/*/bin"))),
        os.environ["PATH"],
    ]
)


def install(session: nox.Session, core: str, *more: str) -> dict[str, str]:
    """Install an ansible-core and what the collection needs; return the environment that finds it."""
    session.install("--quiet", f"ansible-core~={core}.0", "-r", "requirements.txt", *more)
    link = Path(".collections/ansible_collections/baremetal/lifecycle")
    if not link.is_symlink():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to("../../..")
    session.run("ansible", "--version", silent=True)
    return {"ANSIBLE_COLLECTIONS_PATH": str(Path(".collections").resolve())}


@nox.session
@EACH
def units(session: nox.Session, core: str) -> None:
    """Run the unit tests."""
    environment = install(session, core, "-r", "tests/unit/requirements.txt")
    workers = str((os.cpu_count() or 1) * 3)  # they wait most of their time
    chosen = session.posargs or ["tests/unit"]
    session.run("pytest", "-q", "-n", workers, "--dist", "worksteal", *chosen, env=environment)


@nox.session
@EACH
def deploy(session: nox.Session, core: str) -> None:
    """Follow the README with the artifact, on this ansible-core: a fake node in check mode, twice, and back."""
    install(session, core, "-r", "tests/unit/requirements.txt")
    constraint = Path(session.create_tmp(), "constraint.txt").resolve()
    constraint.write_text(f"ansible-core~={core}.0\n", encoding="utf-8")
    session.run("pytest", "-q", "tests/artifact", env={"PIP_CONSTRAINT": str(constraint)})


@nox.session
@EACH
def sanity(session: nox.Session, core: str) -> None:
    """Run ansible-test sanity."""
    install(session, core)
    session.run("tests/sanity/run.sh", *session.posargs, env={"PYTHON": f"{session.bin}/python"}, external=True)


@nox.session(python="3.12")
def eda(session: nox.Session) -> None:
    """Run the event source and the rulebook with ansible-rulebook, at BMCs on loopback."""
    if not shutil.which("java"):
        session.error("ansible-rulebook needs Java: apt-get install openjdk-17-jre-headless")
    more = ("ansible-rulebook>=1.2", "pytest>=8")
    environment = install(session, list(CORES)[-2], *more)
    environment["PYTHONPATH"] = "."
    session.run("pytest", "-q", "--noconftest", "tests/eda", env=environment)


@nox.session(python="3.12")
def galaxy(session: nox.Session) -> None:
    """Ask galaxy-importer, antsibull-docs and antsibull-changelog; a warning is an error, too."""
    session.install("--quiet", "galaxy-importer>=0.4.44", "antsibull-docs>=2.28", "antsibull-changelog>=0.36")
    session.run("antsibull-docs", "lint-collection-docs", "--plugin-docs", "--skip-rstcheck", ".")
    session.run("antsibull-changelog", "lint")
    with tempfile.TemporaryDirectory(prefix="baremetal-lifecycle-") as work:
        session.run("ansible-galaxy", "collection", "build", "--output-path", work, silent=True)
        artifacts = map(str, Path(work).glob("*.tar.gz"))
        said = session.run("python", "-m", "galaxy_importer.main", *artifacts, silent=True)
    session.log(said)
    if "WARNING" in str(said) or "ERROR" in str(said) or "completed successfully" not in str(said):
        session.error("galaxy-importer has something to say")
