"""The tables in docs/internals/ that say what was promised name a test, or a
decision, for each number, and the tests that they name exist."""

import ast
import pathlib
import re

import pytest

TESTS = pathlib.Path(__file__).parent
PAGES = TESTS.parent / "docs/internals"
INSTEAD = ("Decided: ", "Elsewhere: ", "Open: ")

# The numbers that each table must have.
TABLES = {
    "contract": [
        *map(str, [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12]),
        *[f"0.{n}" for n in range(1, 17)],
        *[f"1.{n}" for n in (1, 2, 3)], *[f"3.{n}" for n in range(1, 9)],
        *[f"4.{n}" for n in (1, 2, 3)], *[f"6.{n}" for n in range(1, 9)]],
    "catalogue": [
        *[f"ISSUE {n}" for n in range(1, 15)],
        *[f"P{n}" for n in range(1, 35)],
        *[f"2.{n}" for n in range(1, 9)], *[f"3.{n}" for n in range(4, 9)],
        *[f"B{n}" for n in range(3, 21)], *[f"C{n}" for n in range(21, 33)],
        *[f"D{n}" for n in range(33, 42)], *[f"E{n}" for n in range(42, 53)],
        *[f"F{n}" for n in range(53, 59)]],
    "defects": [
        *[f"D{n}" for n in range(1, 37)],
        *[f"3.{n}" for n in range(1, 25)],
        *[f"4.{n}" for n in range(1, 20)],
        *[f"5.{n}" for n in range(1, 16)]],
}


@pytest.fixture(params=sorted(TABLES))
def table(request):
    return request.param


def rows(table):
    """(number with its words, claim, [file::test])."""
    for line in (PAGES / f"{table}.md").read_text().splitlines():
        if line.startswith("| ") and not line.startswith("| | "):
            number, claim, shown = [cell.strip() for cell
                                    in line.strip("|").split("|")]
            yield number, claim, re.findall("`([^`]+)`", shown)


def functions_of(name):
    tree = ast.parse((TESTS / f"{name}.py").read_text())
    return {node.name for node in tree.body
            if isinstance(node, ast.FunctionDef)}


def test_every_number_has_a_row(table):
    there = {re.match(r"(ISSUE \d+|[\w.]+?)[a-c]?( |$)", number)[1]
             for number, _, _ in rows(table)}
    assert there == set(TABLES[table])


def test_every_row_names_a_test_or_a_decision(table):
    bare = [number for number, claim, shown in rows(table)
            if not shown and not claim.startswith(INSTEAD)]
    assert bare == []


def test_every_test_that_is_named_exists(table):
    named = {name for _, _, shown in rows(table) for name in shown}
    files = {name: functions_of(name) for name in {
        one.partition("::")[0] for one in named}}
    missing = [one for one in sorted(named)
               if one.partition("::")[2] not in files[one.partition("::")[0]]]
    assert missing == []
