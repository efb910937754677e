"""Frozen figures of independent programs, and the data that they were computed from."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

TABLE = Path(__file__).with_name("witness_table.json")


@cache
def _tables() -> dict[str, Any]:
    return json.loads(TABLE.read_text(encoding="utf-8"))


def table(name: str) -> Any:
    """Return one of the tables that ``make_witness_table`` wrote."""
    return _tables()[name]


def returns_of(seed: int, n: int) -> np.ndarray:
    """Return daily returns with heavy tails and skew, made by integers so that every program has the same."""
    state, values = seed, []
    for _ in range(n):
        state = (1_103_515_245 * state + 12_345) % 2**31
        values.append((state / 2**31) ** 3 * 0.05 - 0.012)
    return np.array(values)


def days_of(seed: int, days: int) -> tuple[np.ndarray, np.ndarray]:
    """Return how many runs each day has, and how many of them are hits; hits come in clusters."""
    state, count, hits = seed, [], []
    for _ in range(days):
        state = (1_103_515_245 * state + 12_345) % 2**31
        share = state / 2**31
        count.append(1 + int(share * 4))
        hits.append(count[-1] if share * 7 % 1 < 0.1 else 0)
    return np.array(count), np.array(hits)


def fills_of(seed: int, n: int, shift: float = 0.0) -> list[float]:
    """Return excesses of fills in basis points, some of them far off."""
    state, values = seed, []
    for _ in range(n):
        state = (1_103_515_245 * state + 12_345) % 2**31
        share = state / 2**31
        values.append(shift + 12 * (share - 0.5) + (40.0 if share > 0.985 else 0.0))
    return values
