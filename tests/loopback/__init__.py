"""A Hyperliquid of one's own: `/info`, `/exchange` and `/ws` on a local port, with faults and an audit."""

from tests.loopback.audit import Audit
from tests.loopback.exchange import Rules
from tests.loopback.server import AccountView, ByHand, Loopback
from tests.loopback.tape import Coin

__all__ = ["AccountView", "Audit", "ByHand", "Coin", "Loopback", "Rules"]
