"""Numbers the journal entries of all runs in one order, by a column that SQLite keeps as it is."""

import sqlalchemy as sa
from alembic import op

from firstwatch.store.types import RowNumber

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.rename_table("run_event", "run_event_before")
    op.create_table(
        "run_event",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("payload_version", sa.Integer(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("venue_time_ms", sa.BigInteger(), nullable=True),
        sa.Column("local_time_ms", sa.BigInteger(), nullable=False),
        sa.Column("place", RowNumber, nullable=False),
        sa.PrimaryKeyConstraint("place", name="pk_run_event"),
        sa.UniqueConstraint("run_id", "sequence", name="uq_run_event_run_id_sequence"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_run_event_run_id"),
    )
    columns = "run_id, sequence, kind, payload_version, payload, author, venue_time_ms, local_time_ms"
    # The kinds of a row's entries are in one text, with commas between them.
    counted = "length(kind) - length(replace(kind, ',', '')) + 1"
    op.execute(
        f"INSERT INTO run_event SELECT {columns}, sum({counted}) OVER (ORDER BY rowid)"
        " FROM run_event_before ORDER BY rowid"
    )
    op.drop_table("run_event_before")
