"""Adds the time up to which the bars of runs were reread."""

import sqlalchemy as sa
from alembic import op

from firstwatch.store.types import Milliseconds

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "run_reread",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("until_ms", Milliseconds(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_run_reread"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_run_reread_run_id"),
    )
