"""How Alembic runs the revisions: on the connection, and in the transaction, of ``store.migrating``."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transaction_per_migration=False)
context.run_migrations()
