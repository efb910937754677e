"""Adds what agents want done, the questions about it, their tokens and their limits; and jobs."""

import sqlalchemy as sa
from alembic import op

from firstwatch.store.types import Money, RowNumber

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("command", sa.Column("act_id", RowNumber, nullable=True))
    op.create_table(
        "agent_token",
        sa.Column("id", RowNumber, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("max_capital", Money(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_agent_token"),
        sa.UniqueConstraint("name", name="uq_agent_token_name"),
        sa.UniqueConstraint("token_hash", name="uq_agent_token_token_hash"),
    )
    op.create_table(
        "agent_limits",
        sa.Column("id", RowNumber, autoincrement=False, nullable=False),
        sa.Column("limits_json", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_agent_limits"),
    )
    op.create_table(
        "agent_act",
        sa.Column("id", RowNumber, nullable=False),
        sa.Column("token_hash", sa.String(), nullable=True),
        sa.Column("caller_json", sa.Text(), nullable=False),
        sa.Column("tool", sa.String(), nullable=False),
        sa.Column("arguments_json", sa.Text(), nullable=False),
        sa.Column("command_json", sa.Text(), nullable=True),
        sa.Column("run_id", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("wallet", sa.String(), nullable=True),
        sa.Column("money", sa.String(), nullable=False),
        sa.Column("closes", sa.Boolean(), nullable=False),
        sa.Column("notional", Money(), nullable=False),
        sa.Column("bound_json", sa.Text(), nullable=True),
        sa.Column("plan_json", sa.Text(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("command_id", RowNumber, nullable=True),
        sa.Column("job_id", RowNumber, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_agent_act"),
        sa.UniqueConstraint("token_hash", name="uq_agent_act_token_hash"),
    )
    op.create_index("ix_agent_act_created_at_ms", "agent_act", ["created_at_ms"])
    op.create_table(
        "agent_ask",
        sa.Column("id", RowNumber, nullable=False),
        sa.Column("act_id", RowNumber, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("sentence", sa.String(), nullable=False),
        sa.Column("approved_by", sa.String(), nullable=False),
        sa.Column("code_hash", sa.String(), nullable=True),
        sa.Column("wrong_codes", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_agent_ask"),
        sa.ForeignKeyConstraint(["act_id"], ["agent_act.id"], name="fk_agent_ask_act_id"),
    )
    op.create_index(
        "ix_agent_ask_waiting",
        "agent_ask",
        ["id"],
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index("ix_agent_ask_act_id", "agent_ask", ["act_id"])
    op.create_table(
        "job",
        sa.Column("id", RowNumber, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("parameters_json", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("sentence", sa.String(), nullable=False),
        sa.Column("result_json", sa.Text(), nullable=True),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("started_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("finished_at_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
    )
