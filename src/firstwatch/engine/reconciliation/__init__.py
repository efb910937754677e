"""What is reconciled beside the runs: finished runs and wallets."""
