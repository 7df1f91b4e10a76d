"""Counts what a run does to disks, files, machine and store, and stops everything at one of these acts.

Python loads it in each process of a run that has this folder in PYTHONPATH (site, "sitecustomize"). An act is noted
before it is done. All processes of a run note theirs in one file, one after the other: while one is stopped at its
act, no other goes past an act of its own.

``CHAOS_TRACE``: the file. ``CHAOS_AT``: an act to stop at, {"label": ..., "nth": ..., "after": ...} as JSON (see
tests/chaos/acts.py), or empty where the run is only to be counted.
``CHAOS_DISKS``: the folder of the nodes' disks and machines.
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import sys
import threading

TRACE = os.environ.get("CHAOS_TRACE")
AT = json.loads(os.environ.get("CHAOS_AT") or "null")
FOLDER = os.environ.get("CHAOS_DISKS", "")

_busy = threading.local()
_PROGRAM = re.compile(r"AnsiballZ_(\w+)\.py|(async_wrapper)\.py|\b(sgdisk|wipefs|blkdiscard|qemu-img|efibootmgr|ssh)\b")
_TRIAL = re.compile(r"[a-z0-9_]{8}")
_QUOTED = re.compile(r"'((?:[^']|'')*)'")
_NUMBERS = re.compile(r"\b(?=\w*\d)[\w.]{6,}|\d{2,}|j\d+")


def note(label):
    """Note an act; stop here if it is the one, until this process is killed or continued."""
    _busy.now = True
    try:
        with open(f"{TRACE}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with open(TRACE, "a+") as trace:
                trace.seek(0)
                before = trace.read().splitlines()
                trace.write(f"{label}\n")
            if AT and _is_it(label, before):
                with open(f"{TRACE}.hit", "w") as hit:
                    hit.write(str(os.getpid()))
                os.kill(os.getpid(), signal.SIGSTOP)
    finally:
        _busy.now = False


def _is_it(label, before):
    """Say whether an act is the one to stop at: the nth with its label, counted from another act on."""
    if label != AT["label"]:
        return False
    if AT["after"]:
        anchor, nth = AT["after"]
        places = [place for place, found in enumerate(before) if found == anchor]
        if len(places) < nth:
            return False
        before = before[places[nth - 1] + 1 :]
    return before.count(label) + 1 == AT["nth"]


def _is_ansibles(path):
    """Say whether a file is Ansible's own business, or Python's, which tries a folder for temporary files so."""
    is_trial = _TRIAL.fullmatch(os.path.basename(path)) and not path.startswith(FOLDER)
    others = ("async_wrapper", "/pymp-", "/__pycache__/")
    return is_trial or "ansi" in path.lower() or any(part in path for part in others)


def _of_rename(_source, target, *_more):
    """A machine's file is written anew with each call of its BMC: one that changes something is named by it."""
    name = os.path.basename(os.fspath(target))
    if os.path.dirname(os.fspath(target)) != FOLDER or not name.endswith(".json"):
        return None if _is_ansibles(os.fspath(target)) else f"rename {name}"
    with open(_source) as new:
        after = json.load(new)["calls"]
    before = []
    if os.path.exists(target):
        with open(target) as old:
            before = json.load(old)["calls"]
    return f"bmc {after[-1]}" if len(after) > len(before) else "bmc look"


def _of_remove(path, *_more):
    return None if _is_ansibles(os.fspath(path)) else f"remove {os.path.basename(os.fspath(path))}"


def _of_popen(_program, arguments, *_more):
    words = [arguments] if isinstance(arguments, (str, bytes)) else arguments
    text = " ".join(word.decode() if isinstance(word, bytes) else str(word) for word in words)
    found = _PROGRAM.search(text)
    name = next((group for group in found.groups() if group), "") if found else ""
    return f"exec {name}" if name else None


def _of_open(path, _mode, flags):
    if isinstance(path, (str, bytes)) and os.fsdecode(path).startswith(FOLDER) and os.fsdecode(path).endswith(".disk"):
        return "open disk" if flags & (os.O_WRONLY | os.O_RDWR) else None
    return None


def _watch(connection):
    """Note the commits of a connection, with what the history will say."""
    told = []

    def see(statement):
        words = statement.split(None, 3)
        if not words or getattr(_busy, "now", False):
            return
        if words[0] == "BEGIN":
            told.clear()
        elif words[0] == "INSERT":
            values = [value for value in _QUOTED.findall(statement) if "pid=" not in value]
            told.append(" ".join(values[1:]) if words[2].startswith("history") else f"insert {words[2]}")
        elif words[0] in ("UPDATE", "CREATE", "DELETE") and not told:
            told.append(f"{words[0].lower()} {words[1] if words[0] == 'UPDATE' else words[2]}")
        elif words[0] == "COMMIT" and told:
            note(f"commit {_NUMBERS.sub('#', ' + '.join(told[1:] or told))[:120]}")

    connection.set_trace_callback(see)


def _watch_all():
    """Watch all connections from the next one on, but those in memory, with which statements are only tried."""
    sqlite3 = sys.modules["sqlite3"]
    connect = sqlite3.connect

    def connect_watched(*arguments, **options):
        connection = connect(*arguments, **options)
        if arguments[:1] != (":memory:",):
            _watch(connection)
        return connection

    sqlite3.connect = connect_watched
    del ACTS["sqlite3.connect"]


ACTS = {
    "os.rename": _of_rename,
    "os.remove": _of_remove,
    "subprocess.Popen": _of_popen,
    "open": _of_open,
    "sqlite3.connect": lambda *dummy: _watch_all(),
}


def _hook(event, arguments):
    if event in ACTS and not getattr(_busy, "now", False):
        _busy.now = True
        try:
            label = ACTS[event](*arguments)
        except (OSError, TypeError, ValueError):
            label = None
        finally:
            _busy.now = False
        label = label and _NUMBERS.sub("#", label)[:120]
        if label and not label.endswith(" #"):
            note(label)


if TRACE:
    sys.addaudithook(_hook)
