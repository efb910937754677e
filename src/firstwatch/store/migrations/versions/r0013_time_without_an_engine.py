"""Adds the times without an engine."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "engine_gap",
        sa.Column("from_ms", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("from_ms", name="pk_engine_gap"),
    )
