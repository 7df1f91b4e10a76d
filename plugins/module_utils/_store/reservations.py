"""Who holds which node: reservations, by the store's own clock."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import typing as t

from .again import carried_through
from .database import Database
from .record import NodeRecord

MOST_NAMES = 500
"""Names in one statement: databases limit its parameters."""


@carried_through
class Reservations:
    """An open store, as far as it tells who works on a node.

    :raises StoreError: from every method, when the database is away or refuses.
    """

    def __init__(self, url: str, *, database: type[Database] = Database) -> None:
        self._database = database(url)
        self._sql = self._database.sql
        self._is_again = False

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    def now(self) -> float:
        """Return the time by the clock that reservations go by, in seconds since the epoch."""
        with self._database.read() as connection:
            return float(connection.execute(self._sql.now).scalar_one())

    def reserve(self, name: str, owner: str, purpose: str, seconds: float, **more: t.Any) -> bool:
        """Take or renew the reservation as ``take`` does; say whether the node is now ``owner``'s."""
        return self.take(name, owner, purpose, seconds, **more) is not None

    def take(
        self,
        name: str,
        owner: str,
        purpose: str,
        seconds: float,
        *,
        instead_of: str | None = None,
        only_expired: bool = True,
        free: bool = True,
        since: float | None = None,
    ) -> NodeRecord | None:
        """Take or renew the reservation for ``seconds``; return the record as it is then, None where it can't be had.

        One conditional UPDATE, so that of many runs exactly one gets the node. One's own is taken.

        :param instead_of: another holder, whose reservation is taken over; where somebody else has it by now, nothing
            is taken.
        :param only_expired: take that over only where it has expired by the store's clock. False for a holder whose
            run is known to be dead, and for the caller that gives its own reservation to another.
        :param free: take it also where nobody holds it.
        :param since: since when the new holder has it, in seconds since the epoch; None for now, or as it was.
        """
        values = {
            "node": name,
            "holder": owner,
            "purpose": purpose,
            "seconds": seconds,
            "instead_of": instead_of,
            "only_expired": only_expired,
            "free": free,
            "since": since,
        }
        with self._database.write() as connection:
            if not connection.execute(self._sql.reserve, values).rowcount:
                return None
            return NodeRecord(**connection.execute(self._sql.get, {"node": name}).mappings().one())

    def renew(self, names: t.Collection[str], owner: str, seconds: float) -> set[str]:
        """Prolong ``owner``'s reservations of these nodes for ``seconds``, in one transaction; return what it holds."""
        held: set[str] = set()
        with self._database.write() as connection:
            for some in portions(names):
                values = {"nodes": some, "holder": owner}
                renewed = connection.execute(self._sql.renew, {**values, "seconds": seconds}).rowcount
                held.update(some if renewed == len(some) else connection.execute(self._sql.held, values).scalars())
        return held

    def renew_all(self, owner: str, seconds: float) -> int:
        """Prolong for ``seconds`` all reservations that ``owner`` holds; return how many."""
        with self._database.write() as connection:
            return int(connection.execute(self._sql.renew_all, {"holder": owner, "seconds": seconds}).rowcount)

    def release(self, name: str, owner: str, *, only_expired: bool = False) -> bool:
        """Give the reservation up; say whether it was ``owner``'s. Idempotent.

        :param only_expired: only where it has expired by the store's clock: it is another run's.
        """
        values = {"node": name, "holder": owner, "only_expired": only_expired}
        with self._database.write() as connection:
            if connection.execute(self._sql.release, values).rowcount:
                return True
            row = connection.execute(self._sql.get, {"node": name}).mappings().first() if self._is_again else None
            return row is not None and row["reservation"] is None


def portions(names: t.Collection[str]) -> t.Iterator[list[str]]:
    """Return the names, each once, in lists that one statement takes."""
    rest = iter(dict.fromkeys(names))
    while some := list(itertools.islice(rest, MOST_NAMES)):
        yield some
