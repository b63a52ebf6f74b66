"""Each rule of fold.pyx fires where it should, and what it makes has the value that was there before."""

from __future__ import annotations

import pytest
from support.ir_expressions import CORNERS, VARIABLES, constants_of, inputs, region_of
from support.ir_rules import EXPRESSIONS

from vmcore._fast.jit.t2.fold import RULES

SAMPLES = inputs(1, 60) + [dict.fromkeys(VARIABLES.values(), value) for value in CORNERS]


def test_every_rule_has_an_expression() -> None:
    assert set(EXPRESSIONS) == set(RULES)


@pytest.mark.parametrize("rule", RULES)
def test_rule(rule: str) -> None:
    for expression in EXPRESSIONS[rule]:
        fired = False
        for constants in constants_of(expression):
            before, after = region_of(expression, constants), region_of(expression, constants)
            after.run_pass("fold")
            assert after.verify() is None
            fired |= rule in after.fired
            if not after.fired:
                continue
            for registers in SAMPLES:
                was, now = before.evaluate(registers)["regs"][13], after.evaluate(registers)["regs"][13]
                assert now == was, f"{expression} with {constants} of {registers}\n{after.text()}"
        assert fired, expression


@pytest.mark.parametrize("rule", RULES)
def test_without_fuel_nothing_changes(rule: str) -> None:
    expression = EXPRESSIONS[rule][0]
    for constants in constants_of(expression):
        region = region_of(expression, constants)
        before = region.text()
        region.fuel = 0
        assert region.run_pass("fold") == 0
        assert region.text() == before
        assert not region.fired


@pytest.mark.parametrize("rule", RULES)
def test_each_unit_of_fuel_is_one_rewrite_and_a_right_one(rule: str) -> None:
    for expression in EXPRESSIONS[rule]:
        constants = next(iter(constants_of(expression)))
        whole = region_of(expression, constants)
        for fuel in range(whole.run_pass("fold") + 1):
            region = region_of(expression, constants)
            region.fuel = fuel
            assert region.run_pass("fold") == fuel
            for registers in SAMPLES[:20]:
                assert region.evaluate(registers)["regs"] == whole.evaluate(registers)["regs"]
