"""Adds the orders that close positions of wallets without an active run."""

import sqlalchemy as sa
from alembic import op

from firstwatch.store.types import Money, PackedBytes, PackedText

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "wallet_order",
        sa.Column("client_order_id", sa.String(), nullable=False),
        sa.Column("wallet_id", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("amount", Money(), nullable=False),
        sa.Column("price", Money(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("filled", Money(), nullable=False),
        sa.Column("average_price", Money(), nullable=True),
        sa.Column("venue_order_id", sa.String(), nullable=True),
        sa.Column("nonce", sa.BigInteger(), nullable=True),
        sa.Column("body", PackedBytes(), nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("history_json", PackedText(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("client_order_id", name="pk_wallet_order"),
        sa.ForeignKeyConstraint(["wallet_id"], ["wallet.id"], name="fk_wallet_order_wallet_id"),
    )
