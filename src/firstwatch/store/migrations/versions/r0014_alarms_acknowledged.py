"""Adds acknowledgements of alarms, and since when a wallet has held a position."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alarm_acknowledgement",
        sa.Column("alarm_id", sa.String(), nullable=False),
        sa.Column("seen", sa.String(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("is_left", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("alarm_id", name="pk_alarm_acknowledgement"),
    )
    op.add_column("wallet_standing", sa.Column("held_since_ms", sa.BigInteger(), nullable=True))
    op.execute("UPDATE wallet_standing SET held_since_ms = money_at_ms WHERE held_json != '[]'")
