"""Adds the bars that warmed up the indicators of runs."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "run_warm_up",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("timeframe", sa.String(), nullable=False),
        sa.Column("bars", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "timeframe", name="pk_run_warm_up"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_run_warm_up_run_id"),
    )
