"""The SQL of the store: tables and statements, built once a process and compiled once for it and its forks."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import functools
import typing as t

try:
    import sqlalchemy as sa
except ImportError as exc:
    SQLALCHEMY_ERROR: ImportError | None = exc
else:
    SQLALCHEMY_ERROR = None

from .._dependency import require
from .._states import states
from .record import Glance, HistoryEntry, NodeRecord

RESERVATION = ("reservation", "reservation_purpose", "reservation_since", "reservation_expires")
ALLOCATION = ("allocation", "allocated_at")
_REQUEST = ("requested", "requested_by")
_MAINTENANCE = ("maintenance", "maintenance_reason")

NOT_COLUMNS = frozenset({"reservation_expired"})
"""What a record tells besides its columns."""

COLUMNS = tuple(field.name for field in dataclasses.fields(NodeRecord) if field.name not in NOT_COLUMNS)
SAVED = tuple(name for name in COLUMNS if name not in {*RESERVATION, *ALLOCATION, *_REQUEST, *_MAINTENANCE, "bmc"})
"""Columns that the holder of the reservation writes; others write the rest, each by an UPDATE of its own."""

_JSON = frozenset({"instance_info", "driver_internal_info", "steps", "traits", "inventory"})
_BOOLEAN = frozenset({"maintenance", "protected", "retired"})


def _type_of(column: str) -> t.Any:
    return sa.JSON() if column in _JSON else sa.Boolean() if column in _BOOLEAN else None


def _text(name: str) -> sa.BindParameter[str]:
    """Return a parameter that may be None: PostgreSQL asks of what type that is."""
    return sa.bindparam(name, type_=sa.String())


def _clock(dialect: str) -> sa.ColumnElement[float]:
    """Return the store's clock, in seconds since the epoch: the server's; for a file that of its machine."""
    if dialect == "postgresql":
        return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Double())
    return (sa.func.julianday("now", type_=sa.Double()) - 2440587.5) * 86400.0


REVISION = "0004"
"""The revision of the tables that these statements are for: the last one of the migrations."""


class Statements:
    """Tables and statements for one kind of database.

    Parameters of a statement have names that no column has: ``node`` and ``nodes`` are names of nodes, ``holder``
    is a run.
    """

    def __init__(self, dialect: str) -> None:
        self.metadata = sa.MetaData()
        self.nodes = sa.Table("nodes", self.metadata, *(sa.Column(name, _type_of(name)) for name in COLUMNS))
        self.history = sa.Table(
            "history", self.metadata, sa.Column("id"), *(sa.Column(f.name) for f in dataclasses.fields(HistoryEntry))
        )
        self.evidence = sa.Table(
            "evidence",
            self.metadata,
            *(sa.Column(name) for name in ("id", "node", "at", "step")),
            sa.Column("content", sa.JSON()),
        )
        self.bmcs = sa.Table("bmcs", self.metadata, sa.Column("machine"), sa.Column("learnt", sa.JSON()))
        self._now = _clock(dialect)
        self.now = sa.select(self._now)
        self.revision = sa.text("SELECT version_num FROM alembic_version")
        self.lock = sa.text("SELECT pg_advisory_xact_lock(:key)") if dialect == "postgresql" else None
        self._build_reads()
        self._build_writes()
        self._build_reservations()
        self._build_allocations()

    def _build_reads(self) -> None:
        nodes, history, evidence = self.nodes.c, self.history.c, self.evidence.c
        expired = sa.func.coalesce(nodes.reservation_expires < self._now, sa.false()).label("reservation_expired")
        self.records = sa.select(self.nodes, expired).order_by(nodes.name)
        self.get = sa.select(self.nodes, expired).where(nodes.name == sa.bindparam("node"))
        self.glance = sa.select(*(nodes[field.name] for field in dataclasses.fields(Glance))).where(self._named())
        self.history_of = (
            sa.select(*(history[field.name] for field in dataclasses.fields(HistoryEntry)))
            .where(history.node == sa.bindparam("whose"))
            .order_by(history.id)
        )
        self.evidence_of = (
            sa.select(evidence.at, evidence.step, evidence.content)
            .where(evidence.node == sa.bindparam("whose"))
            .order_by(evidence.id)
        )

    def _build_writes(self) -> None:
        name = self.nodes.c.name
        self.add_node, self.add_history = self.nodes.insert(), self.history.insert()
        history = self.history.c
        self.has_history = sa.select(sa.func.count()).where(
            history.node == sa.bindparam("whose"),
            history.at == sa.bindparam("when"),
            history.event == sa.bindparam("which"),
        )
        self.add_evidence = self.evidence.insert()
        self.of_bmc = self._of_bmc(bytewise="C" if self.lock is not None else "BINARY")
        self.change = self.nodes.update().where(name == sa.bindparam("node"))
        self.save = self.nodes.update().where(name == sa.bindparam("node"), self._held())
        self.delete = self.nodes.delete().where(name == sa.bindparam("node"), self._held())

        machine = self.bmcs.c.machine == sa.bindparam("whose")
        self.learnt = sa.select(self.bmcs.c.learnt).where(machine)
        self.change_learnt, self.add_learnt = self.bmcs.update().where(machine), self.bmcs.insert()

    def _of_bmc(self, bytewise: str) -> sa.Select[t.Any]:
        """Return who else has a BMC: ``which``, all of it (``where``), or any part, ``since`` to ``before``.

        A range, which SQLite's index answers: each new node asks, however many there are.

        :param bytewise: the collation that compares as Python does; SQLite's own.
        """
        bmc, (which, where, since, before) = self.nodes.c.bmc, map(_text, ("which", "where", "since", "before"))
        part = bmc.collate(bytewise)
        has = sa.or_(bmc == which, bmc == where, sa.and_(part >= since, part < before))
        return sa.select(self.nodes.c.name).where(has, self.nodes.c.name != sa.bindparam("node"))

    def _build_reservations(self) -> None:
        nodes = self.nodes.c
        holder: sa.BindParameter[str] = sa.bindparam("holder")
        is_over = sa.or_(
            sa.not_(sa.bindparam("only_expired", type_=sa.Boolean())), nodes.reservation_expires < self._now
        )
        expires = self._now + sa.bindparam("seconds", type_=sa.Double())
        self.reserve = (
            self.nodes.update()
            .where(
                nodes.name == sa.bindparam("node"),
                sa.or_(
                    sa.and_(nodes.reservation.is_(None), sa.bindparam("free", type_=sa.Boolean())),
                    nodes.reservation == holder,
                    sa.and_(nodes.reservation == sa.bindparam("instead_of"), is_over),
                ),
            )
            .values(
                reservation=holder,
                reservation_purpose=sa.bindparam("purpose"),
                reservation_since=sa.func.coalesce(
                    sa.bindparam("since", type_=sa.Double()),
                    sa.case((nodes.reservation == holder, nodes.reservation_since), else_=self._now),
                ),
                reservation_expires=expires,
            )
        )
        self.release = (
            self.nodes.update()
            .where(nodes.name == sa.bindparam("node"), self._held(), is_over)
            .values(dict.fromkeys(RESERVATION))
        )
        self.renew = self.nodes.update().where(self._named(), self._held()).values(reservation_expires=expires)
        self.renew_all = self.nodes.update().where(self._held()).values(reservation_expires=expires)
        self.held = sa.select(nodes.name).where(self._named(), self._held())

    def _build_allocations(self) -> None:
        nodes = self.nodes.c
        allocation = _text("whose")
        whose = nodes.allocation == allocation
        self.allocated = sa.select(nodes.name).where(whose)
        self.allocated_of = sa.select(nodes.name).where(
            self._named(), sa.case((allocation.is_(None), nodes.allocation.is_not(None)), else_=whose)
        )
        self.allocate = self.nodes.update().where(
            self._named(),
            nodes.provision_state == states.AVAILABLE,
            nodes.allocation.is_(None),
            nodes.reservation.is_(None),
            nodes.maintenance.is_(False),
            nodes.retired.is_(False),
        )
        self.deallocate = self.nodes.update().where(self._named()).values(dict.fromkeys(ALLOCATION))

    def _named(self) -> sa.ColumnElement[bool]:
        return self.nodes.c.name.in_(sa.bindparam("nodes", expanding=True))

    def _held(self) -> sa.ColumnElement[bool]:
        return self.nodes.c.reservation == sa.bindparam("holder")


@functools.cache
def statements_for(dialect: str) -> Statements:
    """Return the statements for a kind of database, by SQLAlchemy's name for it.

    :raises MissingDependencyError: SQLAlchemy is missing.
    """
    require("sqlalchemy", SQLALCHEMY_ERROR)
    return Statements(dialect)
