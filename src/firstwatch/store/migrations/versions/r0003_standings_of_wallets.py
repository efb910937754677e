"""What venues last said of wallets: money, positions, key."""

import sqlalchemy as sa
from alembic import op

from firstwatch.store.types import Money, RowNumber

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "wallet_standing",
        sa.Column("wallet_id", RowNumber, nullable=False),
        sa.Column("total", Money(), nullable=True),
        sa.Column("used", Money(), nullable=True),
        sa.Column("held_json", sa.Text(), nullable=True),
        sa.Column("money_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("key_address", sa.String(), nullable=True),
        sa.Column("key_kind", sa.String(), nullable=True),
        sa.Column("valid_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("missing_json", sa.Text(), nullable=True),
        sa.Column("key_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("problem", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("wallet_id", name="pk_wallet_standing"),
        sa.ForeignKeyConstraint(["wallet_id"], ["wallet.id"], name="fk_wallet_standing_wallet_id"),
    )
