"""Parts of a symbol in ccxt's unified form: ``BTC/USDC:USDC`` is base, quote and settlement coin."""


def base_of(symbol: str) -> str:
    """Return the coin that is traded: ``BTC``."""
    return symbol.split("/", maxsplit=1)[0]


def quote_of(symbol: str) -> str:
    """Return the coin that is paid with: ``USDC``."""
    return symbol.split("/", maxsplit=1)[-1].split(":", maxsplit=1)[0]


def pair_of(symbol: str) -> str:
    """Return base and quote: ``BTC/USDC``."""
    return symbol.split(":", maxsplit=1)[0]
