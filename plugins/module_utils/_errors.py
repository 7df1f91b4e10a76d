"""Errors: one class for each different decision that a caller takes.

BareMetalError
├── InvalidRequestError         fix the inventory; nothing was touched
│   └── MissingDependencyError  install the library
├── InvalidStateError           this verb is not allowed in this state
├── NodeInMaintenanceError      an operator has set the node aside
├── NodeLockedError             another live run holds the node; try again later
├── AbortedError                somebody has asked the run to stop
├── BMCError                    the driver could not do it
│   ├── BMCConnectionError      unreachable; try again
│   ├── BMCTimeoutError         it may have happened: read the state again first
│   ├── BMCAuthenticationError  credentials refused; never retried, accounts lock out
│   ├── BMCResponseError        refused or malformed answer
│   └── UnsupportedOperationError   the driver or the BMC lacks it
├── CallBackTimeoutError        the ramdisk did not answer in time
├── StepError                   a deploy step failed on the node
├── ImageError                  the image is not what was declared: never booted
├── RootDeviceError             no disk, or more than one, fits the hints
├── StoreError                  the state store is away or unusable
└── UnexpectedError             a defect, of ours or of a library: report it
"""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import traceback
import typing as t

from ._url import mask


class BareMetalError(Exception):
    """Base of all errors that a user is told about.

    No URL in it keeps its password or query.

    :param message: what failed, for which node, and what was seen.
    :param node: name of the node; None where no node is known yet.
    :param hint: what the user should do now.
    :param retryable: whether the same call may succeed later without a change; None takes the class's default.
    """

    retryable_by_default: t.ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        node: str | None = None,
        hint: str = "",
        retryable: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.message = mask(message)
        self.node = node
        self.hint = mask(hint)
        self.retryable = self.retryable_by_default if retryable is None else retryable

    def __str__(self) -> str:
        return mask(self.message)

    def to_result(self) -> dict[str, t.Any]:
        """Return the part of a module result that tells of this error: ``msg`` and ``error``."""
        named = self.node is None or f"node {self.node}".lower() in self.message.lower()
        prefix = "" if named else f"Node {self.node}: "
        suffix = f" {self.hint}" if self.hint else ""
        return {
            "msg": mask(f"{prefix}{self.message}{suffix}"),
            "error": {"type": type(self).__name__, "retryable": self.retryable, "hint": self.hint},
        }

    @staticmethod
    def from_result(result: t.Mapping[str, t.Any], *, node: str | None = None) -> BareMetalError:
        """Return the error that a failed result tells of; one that ``to_result`` has not written is a StepError."""
        told = result.get("error") or {}
        hint, known = str(told.get("hint") or ""), {kind.__name__: kind for kind in _all_kinds(BareMetalError)}
        message = str(result.get("msg") or "It failed without a message.").removesuffix(hint).rstrip()
        kind = known.get(str(told.get("type")), StepError)
        return kind(message, node=node, hint=hint, retryable=told.get("retryable"))


def _all_kinds(kind: type[BareMetalError]) -> t.Iterator[type[BareMetalError]]:
    for below in kind.__subclasses__():
        yield below
        yield from _all_kinds(below)


class InvalidRequestError(BareMetalError):
    """The inventory or the call is wrong; nothing was touched."""


class MissingDependencyError(InvalidRequestError):
    """A Python library is missing where the operation runs."""


class InvalidStateError(BareMetalError):
    """The event is not allowed in the node's provision state; the node is as it was."""


class NodeInMaintenanceError(BareMetalError):
    """The node is in maintenance; the node is as it was."""


class NodeLockedError(BareMetalError):
    """Another live run holds the reservation."""

    retryable_by_default = True


class AbortedError(BareMetalError):
    """Somebody has asked the run to stop, between two steps."""


class BMCError(BareMetalError):
    """The driver could not do what was asked of the BMC."""


class BMCConnectionError(BMCError):
    """The BMC can't be reached, or its certificate is not trusted (then not retryable)."""

    retryable_by_default = True


class BMCTimeoutError(BMCError):
    """A wait on the BMC ran out; what was asked may still have happened."""

    retryable_by_default = True


class BMCAuthenticationError(BMCError):
    """The BMC refused the credentials."""


class BMCResponseError(BMCError):
    """The BMC refused the request, or answered what can't be understood."""


class UnsupportedOperationError(BMCError):
    """The driver, or this BMC, has no such capability."""


class CallBackTimeoutError(BareMetalError):
    """The deploy ramdisk did not answer within its time limit."""

    retryable_by_default = True


class StepError(BareMetalError):
    """A step that runs in the ramdisk failed."""


class ImageError(BareMetalError):
    """The image can't be trusted: wrong digest, format, size, or truncated."""


class RootDeviceError(BareMetalError):
    """The root disk can't be chosen without doubt."""


class StoreError(BareMetalError):
    """The state store can't be opened, read or written.

    :param is_lost: the connection was cut in the middle of a transaction, of which nobody knows whether it was done.
    """

    retryable_by_default = True

    def __init__(self, message: str, *, is_lost: bool = False, **more: t.Any) -> None:
        super().__init__(message, **more)
        self.is_lost = is_lost


class UnexpectedError(BareMetalError):
    """Something that no code accounts for."""


@contextlib.contextmanager
def last_net(what: str, *, node: str | None = None) -> t.Iterator[None]:
    """Make any error of the block one that a user is told about: with what was done, the error's type and its place.

    :param what: what has failed then, at the beginning of a sentence.
    :raises UnexpectedError: where no code accounts for the error.
    """
    try:
        yield
    except BareMetalError:
        raise
    except Exception as exc:
        frames = traceback.extract_tb(exc.__traceback__)
        ours = [frame for frame in frames if "/module_utils/_" in frame.filename] or frames
        place = f"{ours[-1].filename.rpartition('module_utils/')[2]}, line {ours[-1].lineno}"
        raise UnexpectedError(
            f"{what} has failed in a way that nothing accounts for: {type(exc).__name__}: {exc} ({place}).",
            node=node,
            hint="Please report it, with the version of the collection. The same command may be run again.",
        ) from exc
