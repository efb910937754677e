"""Keys and what they may do: the vault, approvals, transfers and withdrawals.

In reading order: ``vault`` and ``keystore`` (encrypted keys), ``key_ring`` and ``unlock_socket`` (the
engine's keys), ``custody`` (all that is done with wallets), ``agents``, ``stored_status`` (a wallet's
status at its venue, as the store keeps it), ``forgetting`` (overwrites secrets in memory).

Imports ``venues`` and below, and no venue by its name: what one can do with an account is ``VenueAccounts``.
No engine and no screen.

1. Secrets are in the vault, encrypted under one passphrase, or in memory; never in the store, an argument, a
   log or a message. What is used once is overwritten after it. The engine gets the passphrase by a prompt, a
   file that the environment names, or a Unix socket that serves only processes of the same user.
2. A run should trade with an agent's key, which can neither withdraw nor approve. The master key signs what
   only it can, and is not kept for that.
3. The venue is asked for a key's permissions before it is kept, and every approval is verified there.
4. Money that leaves an account is sent at most once. It has moved when the venue's ledger says so, and not
   when the venue refused it or its nonce was used for something else; until then it is in doubt.
"""
