"""The tables of the state store, as a chain of migrations that only ever grows."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

try:
    import sqlalchemy as sa
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext, RevisionStep
    from alembic.script.revision import Revision, RevisionMap
except ImportError as exc:
    ALEMBIC_ERROR: ImportError | None = exc
else:
    ALEMBIC_ERROR = None

from .._dependency import require
from .._errors import StoreError


def _upgrade_0001(op: Operations) -> None:
    op.create_table(
        "nodes",
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("driver", sa.String(64), nullable=False),
        sa.Column("provision_state", sa.String(32), nullable=False, index=True),
        sa.Column("target_provision_state", sa.String(32)),
        sa.Column("power_state", sa.String(32)),
        sa.Column("last_error", sa.Text),
        sa.Column("maintenance", sa.Boolean, nullable=False),
        sa.Column("maintenance_reason", sa.Text),
        sa.Column("reservation", sa.String(512)),
        sa.Column("reservation_purpose", sa.String(64)),
        sa.Column("reservation_since", sa.Float),
        sa.Column("reservation_expires", sa.Float),
        sa.Column("owner_controller", sa.String(255)),
        sa.Column("instance_info", sa.JSON, nullable=False),
        sa.Column("driver_internal_info", sa.JSON, nullable=False),
        sa.Column("deploy_steps", sa.JSON, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("provision_updated_at", sa.Float, nullable=False),
    )
    op.create_table(
        "history",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("node", sa.String(255), nullable=False, index=True),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("event", sa.String(64), nullable=False),
        sa.Column("from_state", sa.String(32)),
        sa.Column("to_state", sa.String(32)),
        sa.Column("seconds", sa.Float),
        sa.Column("owner", sa.String(512)),
        sa.Column("message", sa.Text),
    )


def _upgrade_0002(op: Operations) -> None:
    op.execute("ALTER TABLE nodes RENAME COLUMN deploy_steps TO steps")
    for column in (
        sa.Column("protected", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("protected_reason", sa.Text),
        sa.Column("retired", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("retired_reason", sa.Text),
        sa.Column("resource_class", sa.String(255)),
        sa.Column("traits", sa.JSON, nullable=False, server_default="[]"),
        sa.Column("inventory", sa.JSON, nullable=False, server_default="{}"),
        sa.Column("allocation", sa.String(255)),
        sa.Column("allocated_at", sa.Float),
        sa.Column("requested", sa.String(32)),
        sa.Column("requested_by", sa.String(512)),
    ):
        op.add_column("nodes", column)
    op.create_table(
        "evidence",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("node", sa.String(255), nullable=False, index=True),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("step", sa.String(255), nullable=False),
        sa.Column("content", sa.JSON, nullable=False),
    )


def _upgrade_0003(op: Operations) -> None:
    op.add_column("nodes", sa.Column("bmc", sa.String(512)))
    op.create_index("ix_nodes_bmc", "nodes", ["bmc"], unique=True)


def _upgrade_0004(op: Operations) -> None:
    op.create_table(
        "bmcs",
        sa.Column("machine", sa.String(512), primary_key=True),
        sa.Column("learnt", sa.JSON, nullable=False),
    )


REVISIONS: dict[str, t.Callable[[Operations], None]] = {
    "0001": _upgrade_0001,
    "0002": _upgrade_0002,
    "0003": _upgrade_0003,
    "0004": _upgrade_0004,
}
"""Each revision with the function that leads to it, oldest first. Never change one that was released."""


class _Step:
    """What Alembic expects of a migration script, from a function: collections can't ship script files."""

    def __init__(self, op: Operations, function: t.Callable[[Operations], None]) -> None:
        self.upgrade = lambda: function(op)


def upgrade(connection: sa.Connection) -> None:
    """Bring the database to the newest revision, inside the connection's transaction, which keeps others out.

    :raises StoreError: a newer version of the collection has made it.
    """
    require("alembic", ALEMBIC_ERROR)
    names = list(REVISIONS)
    revisions: list[t.Any] = [Revision(name, names[i - 1] if i else None) for i, name in enumerate(names)]
    revision_map = RevisionMap(lambda: revisions)
    revision_map.get_revisions("heads")  # links the chain

    def plan(heads: t.Sequence[str], context: MigrationContext) -> t.Iterator[RevisionStep]:
        if not set(heads) <= set(names):
            raise StoreError(
                f"The store's revision {', '.join(heads)} is that of a newer collection; this one knows {names[-1]}.",
                hint="Use the same version of the collection on all controllers.",
                retryable=False,
            )
        done = names.index(heads[0]) + 1 if heads else 0
        for revision in revisions[done:]:
            revision.module = _Step(Operations(context), REVISIONS[str(revision.revision)])
            yield RevisionStep(revision_map, revision, True)

    context = MigrationContext.configure(connection, opts={"fn": plan})
    context.run_migrations()
