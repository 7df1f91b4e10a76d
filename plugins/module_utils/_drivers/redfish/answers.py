"""What a BMC answered: its JSON, what it says of an error, and when to come back (DSP0266, RFC 9110)."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import email.utils
import json
import time
import typing as t

BUSY = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same request may succeed later."""

BUSY_WORDS = (b"SYS518", b"InvalidOperationForSystemState", b"UnableToModifyDuringSystemPOST")
"""... and MessageIds that mean the same, whatever the status: iDRAC's and iLO's."""

LONGEST = 500
"""Characters of a BMC's own words that are shown."""


class MalformedError(ValueError):
    """An answer that is not what HTTP or Redfish prescribes. ``tries``: how often it is asked for, in all."""

    def __init__(self, text: str, *, tries: int = 3) -> None:
        super().__init__(text)
        self.tries = tries


class ElsewhereError(MalformedError):
    """An answer that points to another origin: not followed, since credentials would go there."""

    def __init__(self, text: str) -> None:
        super().__init__(text, tries=1)


@dataclasses.dataclass(frozen=True)
class Answer:
    """An HTTP response that was read whole; what sushy wants of one.

    ``headers`` knows no case; ``asked``: what it answers, method and path.
    """

    status_code: int
    headers: t.Any
    content: bytes = b""
    asked: str = ""

    def json(self) -> t.Any:
        """Return its JSON.

        :raises MalformedError: it is none, or nested too deeply.
        """
        try:
            return json.loads(self.content)
        except RecursionError as exc:
            raise self._malformed("its JSON is nested too deeply", tries=1) from exc
        except ValueError as exc:
            raise self._malformed(f"no JSON: {exc}") from exc

    def document(self) -> dict[str, t.Any]:
        """Return its JSON object.

        :raises MalformedError: it is none, or an empty one, or an error that is told as a document.
        """
        found = self.json() if self.content else None
        if not isinstance(found, dict) or not found:
            raise self._malformed(f"no JSON object: {type(found).__name__}" if found else "an empty answer")
        if isinstance(found.get("error"), dict) and "@odata.id" not in found:
            raise self._malformed(f"HTTP {self.status_code} with an error: {self.words().rstrip('.')}")
        return found

    def _malformed(self, text: str, *, tries: int = 3) -> MalformedError:
        return MalformedError(f"{text}; asked: {self.asked}" if self.asked else text, tries=tries)

    @property
    def is_busy(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status_code in BUSY or (
            self.status_code >= 400 and any(word in self.content for word in BUSY_WORDS)
        )

    @property
    def retry_after(self) -> float | None:
        """Seconds after which the BMC wants to be asked again; None where it does not tell."""
        told = str(self.headers.get("Retry-After") or "").strip()
        if told.isascii() and told.isdigit():
            return float(told[:9])
        moment = _seconds(told)
        if moment is None:
            return None
        now = _seconds(self.headers.get("Date"))  # by its own clock, which may be wrong
        return max(0.0, moment - (time.time() if now is None else now))

    def mentions(self, *words: str) -> bool:
        """Whether it has one of the words, in any case."""
        content = self.content.lower()
        return any(word.lower().encode() in content for word in words)

    def error(self) -> dict[str, t.Any]:
        """Return the Redfish error (DSP0266, 8.6) with the types that it should have, whatever was answered."""
        try:
            body = self.json()
        except MalformedError:
            body = None
        told = body.get("error") if isinstance(body, dict) else None
        told = told if isinstance(told, dict) else {}
        info = told.get("@Message.ExtendedInfo")
        info = [info] if isinstance(info, dict) else info if isinstance(info, list) else []
        return {
            "code": str(told.get("code") or "Base.1.0.GeneralError"),
            "message": str(told.get("message") or ""),
            "@Message.ExtendedInfo": [item for item in info if isinstance(item, dict)],
        }

    @property
    def is_refusal(self) -> bool:
        """Whether what was asked for is refused: by its status, or by an error in spite of that.

        iLO tells what it has done as an error, too, without a severity.
        """
        if self.status_code >= 400 or b'"error"' not in self.content:
            return self.status_code >= 400
        error = self.error()
        info = error["@Message.ExtendedInfo"]
        severities = {item.get("MessageSeverity") or item.get("Severity") for item in info}
        ids = [str(item.get("MessageId")) for item in info] or [error["code"]]
        return "Critical" in severities or (not severities & {"OK"} and all(i.endswith("GeneralError") for i in ids))

    def with_sound_error(self) -> Answer:
        """Return the same answer with an error that sushy can read, if it is one."""
        if not self.is_refusal:
            return self
        return dataclasses.replace(self, content=json.dumps({"error": self.error()}).encode())

    def codes(self) -> list[str]:
        """Return the codes of an error: its own, and the MessageIds."""
        error = self.error()
        return [error["code"], *(str(item.get("MessageId") or "") for item in error["@Message.ExtendedInfo"])]

    def words(self) -> str:
        """Return what the BMC says of an error, in one line."""
        error = self.error()
        texts = [message_of(item) for item in error["@Message.ExtendedInfo"]] or [error["message"]]
        return shortened([*texts]) or shortened([error["message"], error["code"]])


def message_of(item: t.Any) -> str:
    """Return the text of a Redfish message, or what stands in its place; %1 is its first argument."""
    if not isinstance(item, dict):
        return str(item or "")
    text = str(item.get("Message") or item.get("MessageId") or "")
    arguments = item.get("MessageArgs")
    for number, argument in enumerate(arguments if isinstance(arguments, list) else (), start=1):
        text = text.replace(f"%{number}", str(argument))
    return text


def shortened(texts: t.Iterable[str]) -> str:
    """Return texts in one line, each once, cut where it becomes too long."""
    line = " ".join(" ".join(dict.fromkeys(filter(None, texts))).split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} …"


def _seconds(date: t.Any) -> float | None:
    """Return the moment of an HTTP date, None for what is none."""
    try:
        return email.utils.parsedate_to_datetime(str(date)).timestamp() if date else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
