"""Alembic's revisions of the store. They are frozen: a released revision is never edited."""
