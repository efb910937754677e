"""What the screen talks to: commands in, snapshots out. It also holds the engine when this process is its
host.

Imports ``engine`` and below; no Textual and no ccxt.

1. A command is a row with an expiry; the engine picks it up and writes the outcome on the same row. A screen
   that is attached to another process's engine works the same way.
2. A snapshot is made of the store and of nothing else, frozen, at most ``refresh_hz`` times a second, with
   details only of the selected run. None in it means that the store does not know.
3. Changes of the store are noticed within 50 ms, whichever process made them (``store.changes``).
4. Only the screen takes the engine when no process holds it; a one-shot command never does. After
   ``engine stop`` nothing takes it again by itself.
"""
