"""Where a run wants its stop and its target, beside where they rest at the venue."""

import sqlalchemy as sa
from alembic import op

from firstwatch.store.types import Money

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("position", sa.Column("stop_wanted", Money(), nullable=True))
    op.add_column("position", sa.Column("target_wanted", Money(), nullable=True))
    # What was kept until now is what was wanted; a run's next step, or look, writes what rests.
    op.execute("UPDATE position SET stop_wanted = stop, target_wanted = target")
