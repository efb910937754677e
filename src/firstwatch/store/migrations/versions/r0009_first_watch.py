"""Adds what the first watch needs: market and candles of a baseline, recipes, time lost, reports."""

import sqlalchemy as sa
from alembic import op

from firstwatch.store.types import PackedText

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("backtest", sa.Column("market_json", sa.Text(), nullable=False, server_default="{}"))
    op.add_column("backtest", sa.Column("candles", sa.String(), nullable=False, server_default=""))
    op.add_column("backtest", sa.Column("core_version", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "watch_recipe",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("recipe_json", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("locked_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("tables", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("run_id", "day", name="pk_watch_recipe"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_watch_recipe_run_id"),
    )
    op.create_table(
        "time_lost",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=True),
        sa.Column("cause", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "from_ms", name="pk_time_lost"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_time_lost_run_id"),
    )
    op.create_table(
        "watch_report",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("made_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("report_json", PackedText(), nullable=False),
        sa.Column("shadow_json", PackedText(), nullable=True),
        sa.PrimaryKeyConstraint("run_id", "day", name="pk_watch_report"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_watch_report_run_id"),
    )
