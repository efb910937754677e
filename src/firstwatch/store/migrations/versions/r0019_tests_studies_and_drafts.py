"""Adds what tests have found, studies with their trials, analyses and drafts; and what a job is called."""

import sqlalchemy as sa
from alembic import op

from firstwatch.store.types import RowNumber

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job", sa.Column("title", sa.String(), nullable=False, server_default=""))
    wanted: sa.Column[bool] = sa.Column(
        "is_cancel_wanted", sa.Boolean(), nullable=False, server_default=sa.text("false")
    )
    op.add_column("job", wanted)
    op.add_column("job", sa.Column("begun_progress", sa.Float(), nullable=False, server_default="0"))
    op.create_table(
        "test_result",
        sa.Column("id", RowNumber, nullable=False),
        sa.Column("job_id", RowNumber, nullable=True),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("version_id", RowNumber, nullable=True),
        sa.Column("spec_json", sa.Text(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("timeframe", sa.String(), nullable=False),
        sa.Column("request_json", sa.Text(), nullable=False),
        sa.Column("market_json", sa.Text(), nullable=False),
        sa.Column("costs_json", sa.Text(), nullable=False),
        sa.Column("settings_json", sa.Text(), nullable=False),
        sa.Column("start_ms", sa.BigInteger(), nullable=False),
        sa.Column("end_ms", sa.BigInteger(), nullable=False),
        sa.Column("bars", sa.Integer(), nullable=False),
        sa.Column("metrics_json", sa.Text(), nullable=False),
        sa.Column("details_json", sa.Text(), nullable=False),
        sa.Column("trades", sa.LargeBinary(), nullable=False),
        sa.Column("equity", sa.LargeBinary(), nullable=False),
        sa.Column("candles", sa.String(), nullable=False),
        sa.Column("core_version", sa.Integer(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_test_result"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_test_result_job_id"),
        sa.ForeignKeyConstraint(["version_id"], ["algorithm_version.id"], name="fk_test_result_version_id"),
    )
    op.create_table(
        "study",
        sa.Column("id", RowNumber, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("request_json", sa.Text(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_study"),
        sa.UniqueConstraint("name", name="uq_study_name"),
    )
    op.create_table(
        "trial",
        sa.Column("id", RowNumber, nullable=False),
        sa.Column("study_id", RowNumber, nullable=True),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("spec_sha256", sa.String(), nullable=False),
        sa.Column("costs_sha256", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("timeframe", sa.String(), nullable=False),
        sa.Column("start_ms", sa.BigInteger(), nullable=False),
        sa.Column("end_ms", sa.BigInteger(), nullable=False),
        sa.Column("parameters_json", sa.Text(), nullable=False),
        sa.Column("first_value", sa.Float(), nullable=True),
        sa.Column("metrics_json", sa.Text(), nullable=True),
        sa.Column("daily_pnl", sa.LargeBinary(), nullable=True),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_trial"),
        sa.UniqueConstraint("study_id", "number", name="uq_trial_study_id_number"),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name="fk_trial_study_id"),
    )
    op.create_index("ix_trial_symbol_timeframe", "trial", ["symbol", "timeframe"])
    op.create_table(
        "analysis",
        sa.Column("id", RowNumber, nullable=False),
        sa.Column("job_id", RowNumber, nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("spec_sha256", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("timeframe", sa.String(), nullable=False),
        sa.Column("costs_json", sa.Text(), nullable=False),
        sa.Column("settings_json", sa.Text(), nullable=False),
        sa.Column("start_ms", sa.BigInteger(), nullable=False),
        sa.Column("end_ms", sa.BigInteger(), nullable=False),
        sa.Column("result_json", sa.Text(), nullable=False),
        sa.Column("core_version", sa.Integer(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_analysis"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_analysis_job_id"),
    )
    op.create_index("ix_analysis_spec_sha256_symbol", "analysis", ["spec_sha256", "symbol"])
    op.create_table(
        "draft",
        sa.Column("id", RowNumber, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("base_version_id", RowNumber, nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("setup_json", sa.Text(), nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_draft"),
        sa.UniqueConstraint("name", name="uq_draft_name"),
        sa.ForeignKeyConstraint(
            ["base_version_id"], ["algorithm_version.id"], name="fk_draft_base_version_id"
        ),
    )
