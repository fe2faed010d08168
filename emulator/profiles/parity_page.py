"""The parity table as a page: every row with its facts, their sources and its tests, and what is assumed, apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from emulator.entities import Target
from emulator.profiles.facts import Answer, Certainty, Fact, Row
from emulator.profiles.overrides import TARGETS
from emulator.profiles.values import NONE, toml

LETTERS: Mapping[Certainty, str] = {"documented": "D", "observed": "O", "assumed": "A"}


@dataclass(frozen=True)
class Proof:
    """The tests of a row: the names of their functions, and `result`: passed, failed or not run."""

    tests: tuple[str, ...]
    result: str


_HEAD = """\
# Parity: what amlemu imitates, and how sure that is

Generated from the tables in `emulator/profiles/` by `make parity`; do not edit.

{counts}

- **D** documented: a page of Microsoft's, or Microsoft's own source. **O** observed: an issue, or an answer that
  somebody captured. **A** assumed: nobody has written it down; the source then says what the guess rests on.
- Targets: `managed` (the default), `kubernetes`, `aks`, `aci`, and `local`, which has no front door at all. *all*
  stands for the five.
- `contract/managed`, `contract/v1` and `contract/sdk-wire-protocol` are the project's fact sheets about v2 online
  endpoints, v1 web services and the protocol of the SDKs, by section.
- The last column: *passed* means that of the named tests those that ran have passed, and that at least one ran. A row
  whose test fails, and a row without a test, fail the build.
- In templates, braces stand for what a deployment has: `{{code}}` the code folder's base name, `{{endpoint}}` the
  endpoint's name, and so on.
"""

_ASSUMED_HEAD = """\
## Assumed, listed apart

What follows is not known, and can be chosen in `amlemu.toml`, under the target's name:

```toml
[assumed.managed]
"routing.rejected_method" = {{ status = 403, body = "no" }}
```

or in the variable `AMLEMU_ASSUMED`, as JSON:

```json
{{"managed": {{"routing.rejected_method": {{"status": 403, "body": "no"}}}}}}
```

`"{none}"` (in JSON also `null`) means none. What is documented or observed is refused. Deployments of that target say
the choice as a difference. The last column shows the present value as a setting spells it.
"""


def render(rows: Sequence[Row], proofs: Mapping[str, Proof]) -> str:
    """The page; `proofs` by row id, a row without one has no test."""
    areas = dict.fromkeys(row.id.partition(".")[0] for row in rows)
    parts = [_HEAD.format(counts=_counts(rows))]
    for area in areas:
        of_area = [row for row in rows if row.id.startswith(f"{area}.")]
        lines = "\n".join(_row(row, proofs.get(row.id, Proof((), "no test"))) for row in of_area)
        parts.append(
            f"## {area}\n\n| id | what | behaviour | sure | source | test |\n|---|---|---|---|---|---|\n{lines}\n"
        )
    parts.append(_ASSUMED_HEAD.format(none=NONE))
    parts.append(_assumed(rows))
    return "\n".join(parts)


def _counts(rows: Sequence[Row]) -> str:
    facts = [fact for row in rows for fact in row.facts.values()]
    by_certainty = {c: sum(fact.certainty == c for fact in facts) for c in LETTERS}
    told = ", ".join(f"{number} {certainty}" for certainty, number in by_certainty.items())
    with_a_guess = sum(any(fact.certainty == "assumed" for fact in row.facts.values()) for row in rows)
    return f"{len(rows)} rows, {len(facts)} facts: {told}. {with_a_guess} rows have an assumed fact for some target."


def _row(row: Row, proof: Proof) -> str:
    grouped = _grouped(row)
    behaviour = "<br>".join(f"{_targets(targets)}: {_cell(rendered(fact.value))}" for targets, fact in grouped)
    sure = "<br>".join(LETTERS[fact.certainty] for _, fact in grouped)
    source = "<br>".join(_cell(fact.source) for _, fact in grouped)
    tests = ", ".join(f"`{name}`" for name in proof.tests)
    test = f"{proof.result}: {tests}" if tests else proof.result
    return f"| `{row.id}` | {_cell(row.what)} | {behaviour} | {sure} | {source} | {test} |"


def _grouped(row: Row) -> list[tuple[tuple[Target, ...], Fact]]:
    """The distinct facts of a row, each with its targets."""
    groups: dict[str, tuple[tuple[Target, ...], Fact]] = {}
    for target, fact in row.facts.items():
        key = repr((rendered(fact.value), fact.source, fact.certainty))
        groups[key] = ((*groups.get(key, ((), fact))[0], target), fact)
    return list(groups.values())


def _targets(targets: Sequence[Target]) -> str:
    return "*all*" if len(targets) == len(TARGETS) else ", ".join(targets)


def rendered(value: Any, quote: str = "`") -> str:
    """A value for people: `405 "Method not allowed"`, `GET, POST`, `yes`; `quote` stands around what is literal."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Answer):
        return _answer(value, quote)
    if isinstance(value, frozenset | tuple):
        items = sorted(value) if isinstance(value, frozenset) else value
        return ", ".join(f"{quote}{item}{quote}" for item in items) or NONE
    plain = isinstance(value, str | int | float)
    return f"{quote}{value if plain else toml(value)}{quote}"


def _answer(answer: Answer, quote: str) -> str:
    """Status and body, and whatever else an answer has that is not as usual."""
    more = [f"{f.name} {getattr(answer, f.name)}" for f in fields(answer)[2:] if getattr(answer, f.name) != f.default]
    body = f'"{answer.body}"' if answer.body else "with an empty body"
    return "; ".join([f"{quote}{answer.status} {body}{quote}", *more])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _assumed(rows: Iterable[Row]) -> str:
    lines = ["| id | targets | assumed | rests on | to override |", "|---|---|---|---|---|"]
    for row in rows:
        for targets, fact in _grouped(row):
            if fact.certainty == "assumed":
                setting = f'`"{row.id}" = {_cell(toml(fact.value))}`'
                parts = (_targets(targets), _cell(rendered(fact.value)), _cell(fact.source), setting)
                lines.append(f"| `{row.id}` | {' | '.join(parts)} |")
    return "\n".join(lines) + "\n"
