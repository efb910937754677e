"""Alarms in rows of their own, from what the journals say; an index of the commands not finished."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from firstwatch.store.packing import unpack

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alarm",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("sentence", sa.String(), nullable=False),
        sa.Column("raised", sa.Integer(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("cleared_at_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("run_id", "topic", name="pk_alarm"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_alarm_run_id"),
    )
    op.create_index("ix_alarm_standing", "alarm", ["run_id"], sqlite_where=sa.text("cleared_at_ms IS NULL"))
    session = op.get_bind()
    told = session.exec_driver_sql(
        "SELECT run_id, payload, local_time_ms FROM run_event"
        " WHERE kind IN ('alarm_raised', 'alarm_cleared') ORDER BY run_id, sequence"
    )
    alarms: dict[tuple[str, str], dict[str, Any]] = {}
    for run_id, payload, local_ms in told.fetchall():
        try:
            event = json.loads(unpack(payload) if isinstance(payload, bytes) else payload)
            topic, is_raised = event["topic"], event["kind"] == "alarm_raised"
        except (ValueError, KeyError, TypeError):
            # A damaged row is no alarm; what is wrong now raises it again.
            continue
        known = alarms.get((run_id, topic))
        if not is_raised:
            if known is not None:
                known["cleared"] = local_ms
            continue
        stands = known is not None and known["cleared"] is None
        alarms[run_id, topic] = {
            "run": run_id,
            "topic": topic,
            "sentence": event.get("sentence", ""),
            "raised": 1 + (known["raised"] if known else 0),
            "since": known["since"] if known and stands else local_ms,
            "cleared": None,
        }
    if alarms:
        session.execute(
            sa.text("INSERT INTO alarm VALUES (:run, :topic, :sentence, :raised, :since, :cleared)"),
            list(alarms.values()),
        )
    op.drop_index("ix_run_event_alarm", "run_event")
    op.drop_index("ix_command_pending", "command")
    op.create_index(
        "ix_command_unfinished",
        "command",
        ["id"],
        sqlite_where=sa.text("outcome = 'PENDING' OR outcome = 'ACCEPTED'"),
    )
