"""Algorithms, wallets, runs with their books, commands and the host."""

import sqlalchemy as sa
from alembic import op

from firstwatch.store.types import Money, RowNumber

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "algorithm",
        sa.Column("id", RowNumber, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_algorithm"),
        sa.UniqueConstraint("name", name="uq_algorithm_name"),
    )
    op.create_table(
        "command",
        sa.Column("id", RowNumber, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=True),
        sa.Column("expected_state", sa.String(), nullable=True),
        sa.Column("snapshot_sequence", sa.Integer(), nullable=True),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("sentence", sa.String(), nullable=False),
        sa.Column("result_json", sa.Text(), nullable=True),
        sa.Column("accepted_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("finished_at_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_command"),
    )
    op.create_index(
        "ix_command_pending",
        "command",
        ["id"],
        sqlite_where=sa.text("outcome = 'PENDING'"),
        postgresql_where=sa.text("outcome = 'PENDING'"),
    )
    op.create_index("ix_command_run_id", "command", ["run_id"])
    op.create_table(
        "host",
        sa.Column("id", RowNumber, nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("host_name", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("started_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("heartbeat_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_host"),
    )
    op.create_table(
        "wallet",
        sa.Column("id", RowNumber, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("venue", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("archived_at_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_wallet"),
        sa.UniqueConstraint("name", name="uq_wallet_name"),
    )
    op.create_table(
        "algorithm_version",
        sa.Column("id", RowNumber, nullable=False),
        sa.Column("algorithm_id", RowNumber, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("spec_json", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_algorithm_version"),
        sa.UniqueConstraint("algorithm_id", "number", name="uq_algorithm_version_algorithm_id_number"),
        sa.UniqueConstraint("algorithm_id", "sha256", name="uq_algorithm_version_algorithm_id_sha256"),
        sa.ForeignKeyConstraint(["algorithm_id"], ["algorithm.id"], name="fk_algorithm_version_algorithm_id"),
    )
    op.create_table(
        "backtest",
        sa.Column("id", RowNumber, nullable=False),
        sa.Column("version_id", RowNumber, nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("timeframe", sa.String(), nullable=False),
        sa.Column("costs_json", sa.Text(), nullable=False),
        sa.Column("settings_json", sa.Text(), nullable=False),
        sa.Column("start_ms", sa.BigInteger(), nullable=False),
        sa.Column("end_ms", sa.BigInteger(), nullable=False),
        sa.Column("bars", sa.Integer(), nullable=False),
        sa.Column("metrics_json", sa.Text(), nullable=False),
        sa.Column("trades", sa.LargeBinary(), nullable=False),
        sa.Column("equity", sa.LargeBinary(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_backtest"),
        sa.ForeignKeyConstraint(["version_id"], ["algorithm_version.id"], name="fk_backtest_version_id"),
    )
    op.create_index("ix_backtest_version_id_symbol", "backtest", ["version_id", "symbol"])
    op.create_table(
        "run",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("wallet_id", RowNumber, nullable=False),
        sa.Column("version_id", RowNumber, nullable=False),
        sa.Column("settings_json", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("pause_reason", sa.String(), nullable=False),
        sa.Column("health", sa.String(), nullable=False),
        sa.Column("exposure", sa.String(), nullable=False),
        sa.Column("protection", sa.String(), nullable=False),
        sa.Column("stop_mode", sa.String(), nullable=True),
        sa.Column("exit_reason", sa.String(), nullable=True),
        sa.Column("sentence", sa.String(), nullable=False),
        sa.Column("parent_run_id", sa.String(), nullable=True),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("started_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("market_json", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_run"),
        sa.ForeignKeyConstraint(["version_id"], ["algorithm_version.id"], name="fk_run_version_id"),
        sa.ForeignKeyConstraint(["wallet_id"], ["wallet.id"], name="fk_run_wallet_id"),
    )
    op.create_index("ix_run_created_at_ms", "run", ["created_at_ms"])
    op.create_index(
        "uq_run_active_wallet",
        "run",
        ["wallet_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('NEW', 'RUNNING', 'STOPPING')"),
        postgresql_where=sa.text("state IN ('NEW', 'RUNNING', 'STOPPING')"),
    )
    op.create_table(
        "checkpoint",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_checkpoint"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_checkpoint_run_id"),
    )
    op.create_table(
        "equity",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.Column("equity", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "time_ms", name="pk_equity"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_equity_run_id"),
    )
    op.create_table(
        "fill",
        sa.Column("venue", sa.String(), nullable=False),
        sa.Column("fill_id", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("client_order_id", sa.String(), nullable=True),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("amount", Money(), nullable=False),
        sa.Column("price", Money(), nullable=False),
        sa.Column("fee", Money(), nullable=False),
        sa.Column("builder_fee", Money(), nullable=False),
        sa.Column("is_maker", sa.Boolean(), nullable=False),
        sa.Column("is_liquidation", sa.Boolean(), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.Column("local_time_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("venue", "fill_id", name="pk_fill"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_fill_run_id"),
    )
    op.create_index("ix_fill_run_id_time_ms", "fill", ["run_id", "time_ms"])
    op.create_table(
        "funding",
        sa.Column("venue", sa.String(), nullable=False),
        sa.Column("funding_id", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("paid", Money(), nullable=False),
        sa.Column("rate", Money(), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.Column("local_time_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("venue", "funding_id", name="pk_funding"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_funding_run_id"),
    )
    op.create_index("ix_funding_run_id_time_ms", "funding", ["run_id", "time_ms"])
    op.create_table(
        "live_status",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("mark", sa.Float(), nullable=True),
        sa.Column("unrealised_pnl", Money(), nullable=True),
        sa.Column("equity", Money(), nullable=True),
        sa.Column("last_bar_ms", sa.BigInteger(), nullable=True),
        sa.Column("venue_time_ms", sa.BigInteger(), nullable=True),
        sa.Column("streams_json", sa.Text(), nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_live_status"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_live_status_run_id"),
    )
    op.create_table(
        "position",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=True),
        sa.Column("amount", Money(), nullable=False),
        sa.Column("entry_price", Money(), nullable=True),
        sa.Column("stop", Money(), nullable=True),
        sa.Column("target", Money(), nullable=True),
        sa.Column("liquidation_price", Money(), nullable=True),
        sa.Column("margin", Money(), nullable=False),
        sa.Column("leverage", Money(), nullable=True),
        sa.Column("opened_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("updated_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_position"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_position_run_id"),
    )
    op.create_table(
        "run_event",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("payload_version", sa.Integer(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("venue_time_ms", sa.BigInteger(), nullable=True),
        sa.Column("local_time_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "sequence", name="pk_run_event"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_run_event_run_id"),
    )
    op.create_index(
        "ix_run_event_alarm",
        "run_event",
        ["run_id", "sequence"],
        sqlite_where=sa.text("kind IN ('alarm_raised', 'alarm_cleared')"),
        postgresql_where=sa.text("kind IN ('alarm_raised', 'alarm_cleared')"),
    )
    op.create_table(
        "run_order",
        sa.Column("client_order_id", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("amount", Money(), nullable=False),
        sa.Column("reduce_only", sa.Boolean(), nullable=False),
        sa.Column("price", Money(), nullable=True),
        sa.Column("trigger_price", Money(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("filled", Money(), nullable=False),
        sa.Column("average_price", Money(), nullable=True),
        sa.Column("venue_order_id", sa.String(), nullable=True),
        sa.Column("nonce", sa.BigInteger(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("history_json", sa.Text(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("client_order_id", name="pk_run_order"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_run_order_run_id"),
    )
    op.create_index("ix_run_order_run_id", "run_order", ["run_id"])
    op.create_table(
        "trade",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("entry_time_ms", sa.BigInteger(), nullable=False),
        sa.Column("entry_price", Money(), nullable=False),
        sa.Column("exit_time_ms", sa.BigInteger(), nullable=False),
        sa.Column("exit_price", Money(), nullable=False),
        sa.Column("amount", Money(), nullable=False),
        sa.Column("gross_pnl", Money(), nullable=False),
        sa.Column("fees", Money(), nullable=False),
        sa.Column("funding", Money(), nullable=False),
        sa.Column("pnl", Money(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("bars_held", sa.Integer(), nullable=False),
        sa.Column("adverse_excursion", Money(), nullable=False),
        sa.Column("favourable_excursion", Money(), nullable=False),
        sa.Column("expected_entry_price", Money(), nullable=True),
        sa.Column("expected_exit_price", Money(), nullable=True),
        sa.PrimaryKeyConstraint("run_id", "number", name="pk_trade"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_trade_run_id"),
    )
