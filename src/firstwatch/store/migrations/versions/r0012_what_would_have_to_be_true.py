"""Adds the outlook of each run: which conditions would have to become true at its next close."""

import sqlalchemy as sa
from alembic import op

from firstwatch.store.types import PackedText

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "run_outlook",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("outlook_json", PackedText(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_run_outlook"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_run_outlook_run_id"),
    )
