"""The parity table as Markdown: an index and a page for each area, every fact with links to its sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from emulator.entities import Target
from emulator.profiles.facts import Answer, Certainty, Fact, Row, Source
from emulator.profiles.overrides import TARGETS
from emulator.profiles.values import NONE, toml

LETTERS: Mapping[Certainty, str] = {"documented": "D", "observed": "O", "assumed": "A"}
INDEX = "parity.md"

AREAS: Mapping[str, str] = {
    "routing": "Which requests reach a container, and at which path",
    "traffic": "Weights, mirroring and the header that names a deployment",
    "headers": "Headers on the way to the container and back",
    "auth": "Keys and tokens, and the answers to requests without them",
    "status": "The status that the caller sees in place of the container's",
    "timeouts": "Time-outs of requests",
    "concurrency": "How many requests are let in, wait, and are refused",
    "limits": "Limits of requests, connections, bodies, instances and models",
    "start": "Error codes of deployments that do not start",
    "probes": "Liveness, readiness and restarts",
    "events": "The event log of containers",
    "logs": "The request log",
    "metrics": "Metrics of an endpoint",
    "collection": "Data collection",
    "insights": "Application Insights",
    "container": "Variables, folders, user and size of the scoring container",
    "deployment": "What a deploy does, and how it fails",
    "custom": "Custom containers",
    "prebuilt": "Azure ML's prebuilt inference images",
    "layout": "Where code and models lie in the container",
    "registry": "Models and references to assets",
    "environment": "Environments and the images made of them",
    "names": "Names of endpoints and deployments",
    "script": "What a scoring script must be",
    "server": "The scoring server itself",
    "mlflow": "MLflow models without a scoring script",
    "triton": "Triton models",
}
"""The areas of the table in the order of the pages: the part of a row's id before the dot, and what it is about."""


@dataclass(frozen=True)
class Proof:
    """The tests of a row: the names of their functions, and `result`: passed, failed or not run."""

    tests: tuple[str, ...]
    result: str


_INDEX_HEAD = """\
# Parity: what amlemu imitates, and how sure that is

Generated from the tables in `emulator/profiles/` by `make parity`; do not edit. `amlemu parity` prints the same.

{counts}

- **D** documented: a page of Microsoft's, or Microsoft's own source. **O** observed: an issue, or an answer that
  somebody published. **A** assumed: nobody has written it down; words then say what the guess rests on.
- Every documented or observed fact links a public source. Pages of Microsoft's documentation are linked as their
  source at the commit that was read.
- Targets: `managed` (the default), `kubernetes`, `aks`, `aci`, and `local`, which has no front door at all. *all*
  stands for the five.
- A row's tests have passed in the run that wrote its page: those that ran, and at least one did. A row whose test
  fails, and a row without a test, fail the build.
- In templates, braces stand for what a deployment has: `{{code}}` the code folder's base name, `{{endpoint}}` the
  endpoint's name, and so on.
"""

_OVERRIDE = """\
## To choose what is assumed

An assumed fact can be chosen in `amlemu.toml`, under the target's name, as each page spells it:

```toml
[assumed.managed]
"routing.rejected_method" = {{ status = 403, body = "no" }}
```

or in the variable `AMLEMU_ASSUMED`, as JSON:

```json
{{"managed": {{"routing.rejected_method": {{"status": 403, "body": "no"}}}}}}
```

`"{none}"` (in JSON also `null`) means none. What is documented or observed is refused. Deployments of that target say
the choice as a difference.
"""


def render(rows: Sequence[Row], proofs: Mapping[str, Proof]) -> dict[str, str]:
    """The pages by their path below docs; `proofs` by row id, a row without one has no test."""
    areas = {area: tuple(row for row in rows if row.area == area) for area in AREAS}
    pages = {f"parity/{area}.md": _area(area, found, proofs) for area, found in areas.items() if found}
    return {INDEX: _index(rows, areas)} | pages


def _index(rows: Sequence[Row], areas: Mapping[str, Sequence[Row]]) -> str:
    lines = ["| area | rows | facts | D | O | A |", "|---|---|---|---|---|---|"]
    for area, found in areas.items():
        if found:
            counts = certainties(found)
            cells = (len(found), sum(counts.values()), *counts.values())
            lines.append(f"| [{area}](parity/{area}.md): {AREAS[area]} | {' | '.join(map(str, cells))} |")
    table = "\n".join(lines) + "\n"
    return "\n".join((_INDEX_HEAD.format(counts=_counts(rows)), table, _OVERRIDE.format(none=NONE)))


def certainties(rows: Sequence[Row]) -> dict[Certainty, int]:
    """How many facts of these rows are how sure."""
    facts = [fact for row in rows for fact in row.facts.values()]
    return {certainty: sum(fact.certainty == certainty for fact in facts) for certainty in LETTERS}


def _counts(rows: Sequence[Row]) -> str:
    counts = certainties(rows)
    told = ", ".join(f"{number} {certainty}" for certainty, number in counts.items())
    with_a_guess = sum(any(fact.certainty == "assumed" for fact in row.facts.values()) for row in rows)
    return f"{len(rows)} rows, {sum(counts.values())} facts: {told}. {with_a_guess} rows have an assumed fact."


def _area(area: str, rows: Sequence[Row], proofs: Mapping[str, Proof]) -> str:
    head = f"# Parity: {area}\n\n{AREAS[area]}. {_counts(rows)} [All areas, and the legend](../{INDEX})\n"
    sections = (_row(row, proofs.get(row.id, Proof((), "no test"))) for row in rows)
    linked = dict.fromkeys(source for row in rows for fact in row.facts.values() for source in fact.sources)
    links = "\n".join(sorted(_definition(source) for source in linked))
    return "\n".join((head, *sections, f"{links}\n"))


def _definition(source: Source) -> str:
    return f'[{source.name}]: {source.link} "{source.kind}, read {source.read}"'


def _row(row: Row, proof: Proof) -> str:
    lines = [f"## `{row.id}`", "", row.what, "", "| targets | behaviour | sure | source |", "|---|---|---|---|"]
    for targets, fact in grouped(row):
        cells = (target_words(targets, "*all*"), _cell(rendered(fact.value)), LETTERS[fact.certainty], _source(fact))
        lines.append(f"| {' | '.join(cells)} |")
    guesses = dict.fromkeys(setting(row, fact) for fact in row.facts.values() if fact.certainty == "assumed")
    if guesses:
        lines += ["", f"As settings spell it: {', '.join(f'`{guess}`' for guess in guesses)}"]
    tests = ", ".join(f"`{name}`" for name in proof.tests)
    lines += ["", f"Tests, {proof.result}: {tests}" if tests else f"Tests: {proof.result}", ""]
    return "\n".join(lines)


def setting(row: Row, fact: Fact) -> str:
    """The line of amlemu.toml that says what the fact says."""
    return f'"{row.id}" = {toml(fact.value)}'


def _source(fact: Fact) -> str:
    links = "; ".join(f"[{source.name}]" for source in fact.sources)
    note = _cell(fact.note)
    if not links or not note:
        return links or note
    return f"{note}: {links}" if fact.certainty == "assumed" else f"{links}: {note}"


def grouped(row: Row) -> list[tuple[tuple[Target, ...], Fact]]:
    """The distinct facts of a row, each with its targets."""
    groups: list[tuple[tuple[Target, ...], Fact]] = []
    for target, fact in row.facts.items():
        alike = next((index for index, (_, other) in enumerate(groups) if other == fact), None)
        if alike is None:
            groups.append(((target,), fact))
        else:
            groups[alike] = ((*groups[alike][0], target), fact)
    return groups


def target_words(targets: Sequence[Target], every: str = "all") -> str:
    """The targets as one text; `every` stands for the five."""
    return every if len(targets) == len(TARGETS) else ", ".join(targets)


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
