"""The paper venue: real or invented candles, play money, the order book rules of a real venue."""
