"""Hyperliquid perpetuals through the ``ccxt.pro`` client: one thread, one connection, one request budget."""
