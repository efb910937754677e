"""Checkpoints as what changed since a base, packed texts and journals, equity in the order of its key."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "checkpoint_base",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_checkpoint_base"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_checkpoint_base_run_id"),
    )
    op.create_table(
        "run_archive",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("rows", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_run_archive"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_run_archive_run_id"),
    )
    op.rename_table("equity", "equity_before")
    op.create_table(
        "equity",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.Column("equity", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "time_ms", name="pk_equity"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_equity_run_id"),
        sqlite_with_rowid=False,
    )
    op.execute("INSERT INTO equity SELECT run_id, time_ms, equity FROM equity_before ORDER BY 1, 2")
    op.drop_table("equity_before")
    # The primary key of an order begins with the id of its run.
    op.drop_index("ix_run_order_run_id", "run_order")
