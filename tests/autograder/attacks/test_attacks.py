"""Attacks by what an answer cell holds, each run for real beside an honest and a wrong student."""

from pathlib import Path
from typing import Any

import pytest


def read_cases(name: str) -> dict[str, dict[str, str]]:
    """Read a file of cases: ``=== name``, then ``--- part`` and its text, as often as needed."""
    cases: dict[str, dict[str, str]] = {}
    lines: list[str] = []
    parts: dict[str, list[str]] = {}
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    for line in [*text.splitlines(), "=== end"]:
        if line.startswith("=== "):
            for case in list(cases)[-1:]:
                cases[case] = {part: "\n".join(held).strip("\n") for part, held in parts.items()}
            cases[line[4:]], parts = {}, {}
        elif line.startswith("--- "):
            if line[4:] in parts:
                raise ValueError(f"{name}: {list(cases)[-1]} has {line[4:]!r} twice")
            lines = parts[line[4:]] = []
        else:
            lines.append(line)
    del cases["end"]
    return cases


def each_attack(cases: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """Give each attack of cases that try several (``--- attack kind``) as a case of its own."""
    return {
        f"{name} {part[7:]}".strip(): {
            **{other: text for other, text in case.items() if not other.startswith("attack")},
            "attack": case[part],
        }
        for name, case in cases.items()
        for part in case
        if part.startswith("attack")
    }


FILES = (
    *("known.cases", "answers.cases", "judging.cases", "steering.cases", "idioms.cases"),
    *("corners.cases", "wire.cases", "rooms.cases"),
)
CASES = {name: case for file in FILES for name, case in each_attack(read_cases(file)).items()}
# What is aimed at other rooms is tried beside an honest student alone; those who attack the same
# lab take their turn together.
TOGETHER = [
    name
    for file in ("known.cases", "wire.cases")
    for name, case in read_cases(file).items()
    if set(case) <= {"attack", "later"}
]
ROUNDS = {
    name: names
    for file in ("idioms.cases", "corners.cases")
    for case in read_cases(file).items()
    for names in [list(each_attack(dict([case])))]
    for name in names
}


@pytest.mark.parametrize("name", CASES)
def test_an_attack_gains_nothing_and_harms_nobody(name: str, attack: Any, attempt: Any) -> None:
    """No undeserved point, nothing leaked, nobody and nothing harmed."""
    attack(name, lambda one: attempt(CASES[one]), ROUNDS.get(name, TOGETHER))
