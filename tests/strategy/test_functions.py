import subprocess
import sys
from pathlib import Path

import pytest

from firstwatch.strategy.conditions import number_text
from firstwatch.strategy.formulas import FORMULAS
from firstwatch.strategy.function_table import FUNCTIONS, OWN_FUNCTIONS
from firstwatch.strategy.functions import Memory
from firstwatch.strategy.indicators import lookback, talib
from firstwatch.strategy.talib_table import TALIB_FUNCTIONS
from tests.strategy.make_function_table import TABLE, table_text


def test_the_committed_table_is_what_talib_says_today():
    assert TABLE.read_text(encoding="utf-8") == table_text()


def test_the_anchored_functions_are_those_of_the_design():
    anchored = {name for name, function in FUNCTIONS.items() if function.memory is Memory.ANCHORED}
    assert anchored == set(
        ["ad", "cumsum", "maxindex", "minindex", "minmaxindex", "nvi", "obv", "pvi", "pvt", "vwap", "wad"]
    )  # fmt: skip


def test_every_function_of_the_abstract_api_is_there():
    assert {function.name for function in TALIB_FUNCTIONS} == {name.lower() for name in talib.get_functions()}


def test_every_formula_is_a_function_and_no_name_is_taken_twice():
    assert [function.name for function in OWN_FUNCTIONS] == list(FORMULAS)
    assert len(FUNCTIONS) == len(TALIB_FUNCTIONS) + len(OWN_FUNCTIONS)


@pytest.mark.parametrize("function", OWN_FUNCTIONS, ids=lambda function: function.name)
def test_the_readme_lists_what_talib_does_not_have(function):
    values = ", ".join(number_text(parameter.default) for parameter in function.parameters)
    call = f"{function.name}({values})"
    outputs = ", ".join(f"`{output}`" for output in function.outputs) if len(function.outputs) > 1 else ""
    readme = Path(__file__).parents[2].joinpath("README.md").read_text(encoding="utf-8")
    assert f"| `{call}` | {outputs} |".replace("|  |", "| |") in readme


def test_what_a_value_rests_on_is_known_before_talib_is_asked():
    assert lookback("rsi", (14,)) == 14
    assert lookback("macd", (12, 26, 9)) == 33
    assert FUNCTIONS["bbands"].default_output is None
    assert FUNCTIONS["macd"].default_output == "macd"


PROGRAM = """
import sys
import firstwatch.strategy.specification, firstwatch.strategy.evaluation, firstwatch.strategy.stream
wanted = "sqlmodel sqlalchemy ccxt textual pandas polars scipy numba asyncio".split()
print([name for name in wanted if name in sys.modules])
"""


def test_strategy_imports_nothing_heavy():
    found = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_reading_an_algorithm_does_without_talib():
    program = (
        "import sys; from firstwatch.strategy.specification import AlgorithmSpec, sample_toml;"
        "AlgorithmSpec.from_toml(sample_toml()).sha256(); print('talib' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_pandas_is_hidden_from_talib_and_found_afterwards():
    pytest.importorskip("pandas")
    program = (
        "import sys, firstwatch.strategy.indicators; print('pandas' in sys.modules);"
        "import pandas; print(pandas.Series([1.0]).sum())"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "1.0"]
