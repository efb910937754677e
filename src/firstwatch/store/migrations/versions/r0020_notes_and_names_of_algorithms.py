"""Adds a note and a parent to versions of algorithms, when an algorithm was archived, and former names."""

import sqlalchemy as sa
from alembic import op

from firstwatch.store.types import RowNumber

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("algorithm", sa.Column("archived_at_ms", sa.BigInteger(), nullable=True))
    op.add_column("algorithm_version", sa.Column("note", sa.String(), nullable=False, server_default=""))
    op.add_column("algorithm_version", sa.Column("parent_id", RowNumber, nullable=True))
    op.create_table(
        "former_name",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("algorithm_id", RowNumber, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_former_name"),
        sa.ForeignKeyConstraint(["algorithm_id"], ["algorithm.id"], name="fk_former_name_algorithm_id"),
    )
