"""Keys and what they may do: the vault, approvals, transfers and withdrawals."""
