"""The paper venue's books, mids and touches around orders, first bars, packed curves."""

import sqlalchemy as sa
from alembic import op

from firstwatch.store.types import Money, RowNumber

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("fill", sa.Column("mid_at_decision", sa.Float(), nullable=True))
    op.add_column("fill", sa.Column("mid_at_submission", sa.Float(), nullable=True))
    op.add_column("fill", sa.Column("mid_at_acknowledgement", sa.Float(), nullable=True))
    op.add_column("fill", sa.Column("mid_at_fill", sa.Float(), nullable=True))
    op.add_column("run", sa.Column("first_bars_json", sa.Text(), nullable=False, server_default="{}"))
    op.add_column(
        "run_order", sa.Column("touches_json", sa.Text(), nullable=False, server_default="[null, null, null]")
    )
    op.create_table(
        "paper_account",
        sa.Column("venue", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("state_json", sa.Text(), nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("venue", "account", name="pk_paper_account"),
    )
    op.create_table(
        "paper_deposit",
        sa.Column("id", RowNumber, nullable=False),
        sa.Column("venue", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("amount", Money(), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_paper_deposit"),
    )
    op.create_index("ix_paper_deposit_venue_account", "paper_deposit", ["venue", "account"])
    op.create_table(
        "paper_feed",
        sa.Column("venue", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("position_json", sa.Text(), nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("venue", "symbol", name="pk_paper_feed"),
    )
    op.create_table(
        "paper_fill",
        sa.Column("venue", sa.String(), nullable=False),
        sa.Column("fill_id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.Column("fill_json", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("venue", "fill_id", name="pk_paper_fill"),
    )
    op.create_index("ix_paper_fill_venue_account_time_ms", "paper_fill", ["venue", "account", "time_ms"])
    op.create_table(
        "paper_funding",
        sa.Column("venue", sa.String(), nullable=False),
        sa.Column("funding_id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.Column("funding_json", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("venue", "funding_id", name="pk_paper_funding"),
    )
    op.create_index(
        "ix_paper_funding_venue_account_time_ms", "paper_funding", ["venue", "account", "time_ms"]
    )
    op.create_table(
        "paper_order",
        sa.Column("venue", sa.String(), nullable=False),
        sa.Column("client_order_id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("state_json", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("venue", "client_order_id", name="pk_paper_order"),
    )
    op.create_index(
        "ix_paper_order_open",
        "paper_order",
        ["venue", "account"],
        sqlite_where=sa.text("is_open = 1"),
        postgresql_where=sa.text("is_open"),
    )
    op.create_table(
        "equity_curve",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("curve", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_equity_curve"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_equity_curve_run_id"),
    )
