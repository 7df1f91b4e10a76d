"""External tools of the ramdisk: started without a shell, bounded in time, their errors named.

AnsibleModule.run_command is not used: this package does not know Ansible, and it can't bind a child's life to ours.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import signal
import subprocess
import typing as t

from ..._errors import StepError

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1  # include/uapi/linux/prctl.h
_MESSAGE_LENGTH = 600


def require_tools(*names: str) -> None:
    """Raise StepError when a tool is absent, before anything is written."""
    missing = [name for name in names if shutil.which(name, path=search_path()) is None]
    if missing:
        raise StepError(
            f"The deploy ramdisk has no {', '.join(missing)}.",
            hint="Rebuild the ramdisk with the build_ramdisk role, which installs all tools that are needed.",
        )


def search_path() -> str:
    """Return PATH with the sbin folders, which a non-login SSH session may lack."""
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin"


def environment() -> dict[str, str]:
    """Return the environment for tools whose output is parsed."""
    return {**os.environ, "LC_ALL": "C", "PATH": search_path()}


def die_with_parent(address_space: int = 0) -> t.Callable[[], None]:
    """Return a ``preexec_fn``: the child is killed when the thread that started it ends.

    A module that Ansible or a second writer kills must not leave a tool behind that goes on writing.
    :param address_space: limit of the child's address space in bytes; 0 sets none.
    """

    def prepare() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if address_space:
            resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))

    return prepare


def run_command(
    argv: t.Sequence[str],
    *,
    timeout: float = 60,
    accept: t.Collection[int] = (0,),
    address_space: int = 0,
    stdin: str = "",
) -> str:
    """Run a tool and return its standard output as text; else as run_tool."""
    output = run_binary(argv, timeout=timeout, accept=accept, address_space=address_space, stdin=stdin)
    return output.decode("utf-8", "replace")


def run_binary(
    argv: t.Sequence[str],
    *,
    timeout: float = 60,
    accept: t.Collection[int] = (0,),
    address_space: int = 0,
    stdin: str = "",
) -> bytes:
    """Run a tool and return its standard output; else as run_tool."""
    return run_tool(argv, timeout=timeout, accept=accept, address_space=address_space, stdin=stdin).stdout


def run_tool(
    argv: t.Sequence[str],
    *,
    timeout: float = 60,
    accept: t.Collection[int] = (0,),
    address_space: int = 0,
    stdin: str = "",
) -> subprocess.CompletedProcess[bytes]:
    """Run a tool and return how it ended.

    :param accept: exit codes that are no failure.
    :param address_space: limit of the tool's memory in bytes; 0 sets none.
    :param stdin: what it reads, such as a secret, which must not be among the arguments that any user can see.
    :raises StepError: the tool is missing, did not end in time, or failed.
    """
    require_tools(argv[0])
    try:
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            argv,
            env=environment(),
            input=stdin.encode(),
            capture_output=True,
            timeout=timeout,
            check=False,
            preexec_fn=die_with_parent(address_space),
        )
    except subprocess.TimeoutExpired as exc:
        raise StepError(
            f"{argv[0]} did not end within {timeout:.0f} s: {' '.join(argv)}.",
            hint="Look at the kernel's messages (dmesg) in the ramdisk: the disk may not answer.",
            retryable=True,
        ) from exc
    if done.returncode not in accept:
        said = done.stderr + b" " + done.stdout
        raise command_failed(argv, done.returncode, said.decode("utf-8", "replace"))
    return done


def command_failed(argv: t.Sequence[str], code: int, output: str) -> StepError:
    """Return the error for a tool that ended with ``code``."""
    said = " ".join(output.split())[-_MESSAGE_LENGTH:] or "no message"
    return StepError(
        f"{argv[0]} failed with code {code}: {said} (command: {' '.join(argv)}).",
        hint="Run the command by hand in the ramdisk.",
    )
