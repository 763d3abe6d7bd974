"""The map from the paper to the code must name symbols that exist."""

import importlib
import re

import pytest

from tests.support import REPOSITORY

TEXT = (REPOSITORY / "docs" / "paper_to_code.md").read_text()
SYMBOLS = sorted(
    set(re.findall(r"`((?:featsr_tf|tfrecords_tools)[\w.]*)`", TEXT))
)


def resolve(symbol: str):
    """Imports the longest part that is a module and looks up the rest."""
    parts = symbol.split(".")
    found = importlib.import_module(parts[0])
    for index, part in enumerate(parts[1:], start=2):
        if not hasattr(found, part):
            importlib.import_module(".".join(parts[:index]))
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_every_symbol_of_the_map_exists(symbol):
    resolve(symbol)


def test_a_symbol_that_does_not_exist_is_noticed():
    with pytest.raises(ModuleNotFoundError):
        resolve("featsr_tf.training.losses.no_such_loss")


@pytest.mark.parametrize("number", range(1, 7))
def test_every_equation_is_in_the_map(number):
    assert re.search(rf"^\| Equation {number}\b.*`featsr_tf", TEXT, re.M)


@pytest.mark.parametrize("number", range(1, 8))
def test_every_figure_is_in_the_map(number):
    assert re.search(rf"^\| Figure {number}\b", TEXT, re.M)


@pytest.mark.parametrize("number", range(1, 5))
def test_every_table_is_in_the_map(number):
    assert re.search(rf"^\| Table {number}\b", TEXT, re.M)
