"""The page on calibration says what the data say."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_mlff.calibration.cost import cost
from pytest_mlff.calibration.null import null_spread
from pytest_mlff.calibration.power import power

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "calibration.md"
NULL, POWER = (ROOT / "docs" / "data" / name for name in ("null_spread-ci.jsonl", "power-ci.jsonl"))
TABLES = {
    "null-spread": lambda: null_spread(seeds=0, output=NULL, only_table=True),
    "power": lambda: power(seeds=0, output=POWER, null=NULL, only_table=True),
    "cost": lambda: cost(null=NULL, power=POWER),
}


@pytest.mark.parametrize("name", TABLES)
def test_the_tables_of_the_page_are_those_of_the_data(name):
    text = PAGE.read_text(encoding="utf-8")
    shown = text.partition(f"<!-- {name} -->\n")[2].partition(f"\n<!-- /{name} -->")[0]
    expected = TABLES[name]()
    assert "\n|---" in expected
    # put new data there with the commands that stand on the page
    assert shown == expected
