"""Jobs in the ramdisk, each a module that works for minutes or days: what they tell while they run."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import shlex
import typing as t

from .._errors import InvalidRequestError, StepError
from .._inband.erase import progress as erase_progress
from .._inband.write import progress as write_progress

Result = dict[str, t.Any]

LOST_LOOKS = 3
"""A job without a process for so many looks in a row has no result to wait for."""

_MARK = "--baremetal-lifecycle--"
_NOT_IN_NAME = ("job", "time_limit")
_ASYNC_KEYS = ("ansible_job_id", "results_file", "started", "finished")
_NO_ANSWER = "No start of json char found"
"""async_wrapper's words for a module that printed nothing."""


class View(t.NamedTuple):
    """What a progress file tells: ``phase`` and ``percent`` decide what is news, ``text`` is shown."""

    phase: str
    percent: int
    text: str


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of job; times are in seconds.

    ``time_limit``: default of the module's option of that name. ``show_seconds``: a line is shown that often, even
    without news. ``silence_seconds``: how long the ramdisk may be out of reach. ``salvage``: what of the last progress
    belongs to the result of a job that failed.
    """

    act: str
    time_limit: int
    show_seconds: float
    silence_seconds: float
    limit_hint: str
    died_hint: str
    progress_name: t.Callable[[Result, str], str]
    describe: t.Callable[[Result], View]
    salvage: t.Callable[[Result], Result]

    def progress_paths(self, args: Result, node: str) -> list[str]:
        """Return where the progress file of the job with these module arguments is, as words for the node's shell."""
        given = args.get("progress_path")
        if given:
            return [shlex.quote(str(given))]
        return write_progress.get_shell_paths(self.progress_name(args, node))

    def limit_of(self, args: Result) -> int:
        """Return the limit for the whole job.

        :raises InvalidRequestError: ``time_limit`` is no number of seconds.
        """
        value = args.get("time_limit", self.time_limit)
        with contextlib.suppress(TypeError, ValueError):
            if int(value) > 0:
                return int(value)
        raise InvalidRequestError(f"time_limit is {value!r}.", hint="Give a number of seconds larger than 0.")

    def lost(self, node: str, seen: str) -> StepError:
        """Return the error of a job that has ended without a result."""
        return StepError(
            f"{self.act} on {node} ended without a result; last seen: {seen}.",
            hint="Did the node reboot, or run out of memory? Look at its console, then run again.",
            retryable=True,
        )

    def late(self, node: str, seen: str, limit: float) -> StepError:
        """Return the error of a job that was not done in time."""
        return StepError(
            f"{self.act} on {node} was not done within {limit:g} s; last seen: {seen}.",
            hint=f"Raise time_limit, or find out why {self.limit_hint} so slow.",
        )


def result_of(kind: Kind, answer: Result, node: str, seen: str) -> Result:
    """Return the module's result from what async_wrapper has kept.

    :raises StepError: the module died without an answer.
    """
    if answer.get("failed") and _NO_ANSWER in str(answer.get("msg")):
        said = " ".join(str(answer.get("stderr", "")).split())[-300:] or "no message"
        raise StepError(
            f"{kind.act} died on {node} without an answer ({said}); last seen: {seen}.",
            hint=f"Was it killed, or the ramdisk out of memory? Look at dmesg there. {kind.died_hint}",
            retryable=True,
        )
    return {key: value for key, value in answer.items() if key not in _ASYNC_KEYS}


def _name_of_write(args: Result, dummy: str) -> str:
    return write_progress.get_file_name(str(args.get("device", "")))


def _describe_write(progress: Result) -> View:
    done, total, rate = (int(progress.get(key) or 0) >> 20 for key in ("bytes_done", "bytes_total", "rate"))
    phase = str(progress.get("phase"))
    percent = 100 * done // total if total else 0
    amount = f"{percent} %, {done} of {total} MiB" if total else f"{done} MiB"
    return View(phase, percent, f"{amount}, {rate} MiB/s ({phase})")


def _name_of_erase(args: Result, node: str) -> str:
    """Name the job so that the same task has the name in the next run, and no task of another node has it."""
    if "job" not in args:
        what = {key: value for key, value in args.items() if key not in _NOT_IN_NAME}
        text = json.dumps([node, what], sort_keys=True, default=str)
        args["job"] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return erase_progress.get_file_name(str(args["job"]))


def _describe_erase(progress: Result) -> View:
    done, working = len(progress["evidence"]), progress["working"]
    phase = ", ".join([str(done), *(f"{device} {state['method']}" for device, state in working.items())])
    percents = [state["percent"] or 0 for state in working.values()]
    disks = [
        f"{device} {state['method']}" + ("" if state["percent"] is None else f" {state['percent']} %")
        for device, state in working.items()
    ]
    text = f"{done} of {progress['disks']} disks done"
    percent = (100 * done + sum(percents)) // max(progress["disks"], 1)
    return View(phase, percent, f"{text}: {', '.join(disks)}" if disks else text)


def _salvage_erase(progress: Result) -> Result:
    evidence = progress.get("evidence", [])
    changed = bool(progress.get("working") or any(item["attempts"] for item in evidence))
    return {"changed": changed, "evidence": evidence}


WRITE_IMAGE = Kind(
    act="write_image",
    time_limit=3600,
    show_seconds=15.0,
    silence_seconds=180.0,
    limit_hint="the network or the disk is",
    died_hint="The disk is not bootable.",
    progress_name=_name_of_write,
    describe=_describe_write,
    salvage=lambda dummy: {},
)

ERASE_DEVICES = Kind(
    act="erase_devices",
    time_limit=7 * 24 * 3600,
    show_seconds=300.0,
    silence_seconds=900.0,  # hours of work are not given up because a switch restarts
    limit_hint="the disks are",
    died_hint="See evidence for the disks that were done.",
    progress_name=_name_of_erase,
    describe=_describe_erase,
    salvage=_salvage_erase,
)

KINDS = {kind.act: kind for kind in (WRITE_IMAGE, ERASE_DEVICES)}
"""All kinds, by the name of the module without ``bm_``."""


class Job:
    """One job on a node, as its files there tell: the result file of Ansible's async_wrapper, and the progress file."""

    def __init__(self, results_file: str, progress_paths: t.Sequence[str]) -> None:
        self.results_file = results_file
        self.progress: Result = {}
        self.result: Result = {}
        self._progress_paths = progress_paths
        self._looks_without_process = 0

    @property
    def is_lost(self) -> bool:
        """Whether it has ended, most likely, without a result."""
        return self._looks_without_process >= LOST_LOOKS

    def look_command(self) -> str:
        """Return the one shell command of a look: no module, because a slow node needs a second to start Python."""
        results = shlex.quote(self.results_file)
        # A progress file that is older than the job belongs to an earlier one.
        shown = "; ".join(f"test {path} -nt {results} && cat {path}" for path in self._progress_paths)
        pid = self.progress.get("pid")
        alive = f"test -d /proc/{pid} && echo yes" if isinstance(pid, int) else "echo yes"
        return f"cat {results}; echo {_MARK}; {alive}; echo {_MARK}; {shown}; true"

    def kill_command(self) -> str | None:
        """Return what ends it, None where its process is not known."""
        pid = self.progress.get("pid")
        return f"kill -KILL {pid}" if isinstance(pid, int) else None

    def take(self, output: str) -> bool:
        """Take in what the command of a look printed; return whether the job has its result."""
        results, alive, progress = [*output.split(_MARK), "", ""][:3]
        self.progress = parse(progress) or self.progress
        self.result = parse(results)
        finished = bool(self.result) and ("started" not in self.result or bool(self.result.get("finished")))
        lost = not finished and (not self.result or "yes" not in alive)
        self._looks_without_process = self._looks_without_process + 1 if lost else 0
        return finished


def parse(text: str) -> Result:
    """Return the JSON object in a text; none where a file is just being made, or there is only other text."""
    with contextlib.suppress(ValueError):
        parsed = json.loads(text[text.index("{") : text.rindex("}") + 1])
        if isinstance(parsed, dict):
            return parsed
    return {}
