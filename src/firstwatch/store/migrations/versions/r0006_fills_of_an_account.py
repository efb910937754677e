"""Fills and payments are an account's own: both sides of a trade may have one id at the venue."""

import sqlalchemy as sa
from alembic import op

from firstwatch.store.types import Money

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "new_fill",
        sa.Column("venue", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("fill_id", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("client_order_id", sa.String(), nullable=True),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("amount", Money(), nullable=False),
        sa.Column("price", Money(), nullable=False),
        sa.Column("fee", Money(), nullable=False),
        sa.Column("builder_fee", Money(), nullable=False),
        sa.Column("is_maker", sa.Boolean(), nullable=False),
        sa.Column("is_liquidation", sa.Boolean(), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.Column("local_time_ms", sa.BigInteger(), nullable=False),
        sa.Column("mid_at_decision", sa.Float(), nullable=True),
        sa.Column("mid_at_submission", sa.Float(), nullable=True),
        sa.Column("mid_at_acknowledgement", sa.Float(), nullable=True),
        sa.Column("mid_at_fill", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("venue", "account", "fill_id", name="pk_fill"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_fill_run_id"),
    )
    op.create_table(
        "new_funding",
        sa.Column("venue", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("funding_id", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("paid", Money(), nullable=False),
        sa.Column("rate", Money(), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.Column("local_time_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("venue", "account", "funding_id", name="pk_funding"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_funding_run_id"),
    )
    _replace("fill", (
        "venue", "account", "fill_id", "run_id", "client_order_id", "symbol", "side", "amount", "price",
        "fee", "builder_fee", "is_maker", "is_liquidation", "time_ms", "local_time_ms", "mid_at_decision",
        "mid_at_submission", "mid_at_acknowledgement", "mid_at_fill",
    ))  # fmt: skip
    _replace("funding", (
        "venue", "account", "funding_id", "run_id", "symbol", "paid", "rate", "time_ms", "local_time_ms",
    ))  # fmt: skip


def _replace(table: str, columns: tuple[str, ...]) -> None:
    """Move all rows to the new table, and let it take the old one's place."""
    names = ", ".join(columns)
    op.execute(f"INSERT INTO new_{table} ({names}) SELECT {names} FROM {table}")
    op.drop_table(table)
    op.rename_table(f"new_{table}", table)
    op.create_index(f"ix_{table}_run_id_time_ms", table, ["run_id", "time_ms"])
