"""Who may import whom: the house's layers as data, held against every import of every module.

A unit is a module or package of `emulator`; the engines' protocol (`engines`) is a unit apart from its adapters
(`engines.*`), and an import inside a function counts like one at the top.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "emulator"
NOT_OURS = "_shipped"  # copies of samples in an installed wheel

PURE = frozenset(
    {
        "names",
        "child_environment",
        "entities",
        "azure_files",
        "documents",
        "environments",
        "profiles",
        "tokens",
        "jwks",
        "credentials",
        "routes",
        "scoring_container",
        "container_size",
        "usage",
        "traffic",
        "admission",
        "diagnosis",
        "heads",
        "metrics",
        "cloud_events",
        "data_collection",
        "probing",
        "exports",
        "v1_files",
    }
)
LOWEST = frozenset({"", "errors", "secret"})  # '' is the package itself: its version

# Each unit and all that it may import besides itself.
MAY_IMPORT: Mapping[str, frozenset[str]] = {
    "": frozenset(),
    "errors": frozenset({"secret"}),
    "secret": frozenset(),
    # pure: values in, values out
    **dict.fromkeys(PURE, LOWEST | PURE),
    # the protocol that engines keep, and the values that cross it; the files that travel with the package
    "engines": LOWEST | PURE,
    "shipped": LOWEST,
    "removal": LOWEST,
    # adapters: each knows one thing of the world, none knows another or the core
    "engines.*": LOWEST | PURE | {"engines", "shipped", "removal"},
    "store": LOWEST | PURE | {"removal"},
    "probes": LOWEST | PURE | {"engines"},
    "lock": LOWEST,
    "listening": LOWEST,
    "admin_token": LOWEST | {"names", "store"},
    "logins": LOWEST | {"store"},
    "gpus": LOWEST | PURE,
    "schemas": LOWEST | PURE | {"settings"},  # what files may hold, the settings' among them
    "settings": LOWEST | {"profiles", "environments", "logins"},  # what may be overridden, and by what
    # the core
    "workspace": LOWEST | PURE | {"engines", "store"},
    # doors: none knows another; none touches Docker or the disk
    "control_api": LOWEST | PURE | {"workspace"},
    "gateway": LOWEST | PURE | {"listening"},
    "client": LOWEST | {"sending", "diagnosis"},
    # the client's part of an upload: the user's files, by the rules by which the emulator would take them
    "sending": LOWEST | PURE | {"store"},
    # besides what it needs to be a client: the user's own documents are read where the user is
    "cli": LOWEST
    | {
        "client",
        "child_environment",
        "diagnosis",  # of answers
        "settings",
        "lock",
        "admin_token",
        "logins",
        "removal",
        "shipped",
        "names",
        "documents",
        "entities",
        "azure_files",
        "v1_files",
    }
    | {"exports", "schemas"},
    # the command that the composition root runs at the first start of a home
    "first_demo": LOWEST | {"child_environment", "store"},
    # what users' tests have: the command line's own ways, without its words
    "testing": LOWEST | {"client", "settings", "names", "cli", "removal"},
    "pytest_plugin": LOWEST | {"testing", "settings"},
    # the composition root
    "server": LOWEST
    | PURE
    | {
        "first_demo",
        "engines",
        "engines.*",
        "shipped",
        "store",
        "probes",
        "lock",
        "listening",
        "admin_token",
        "gpus",
        "settings",
        "workspace",
        "control_api",
        "gateway",
    },
    # the composition root of what is done without a server
    "offline": LOWEST | PURE | {"engines", "engines.*", "lock", "server", "settings", "store", "workspace"},
    "__main__": LOWEST | {"cli"},
}

# Single imports that the table forbids, each with the reason why it is right all the same.
EXCEPTIONS: Mapping[tuple[str, str], str] = {
    ("emulator.cli.server", "emulator.server"): "`up` becomes the server",
    ("emulator.cli.server", "emulator.offline"): "`prune` cleans up where no server runs",
    ("emulator.cli.doctor", "emulator.offline"): "`doctor` looks at a home, whether an emulator runs on it or not",
    ("emulator.cli.doctor", "emulator.engines.docker"): "`doctor` finds out why no emulator would start",
    ("emulator.cli.doctor", "emulator.engines.process"): "`doctor` finds out why no emulator would start",
    ("emulator.cli.doctor", "emulator.engines.packages"): "`doctor` finds out why no emulator would start",
    ("emulator.cli.doctor", "emulator.container_size"): "`doctor` says what containers get without a running emulator",
    ("emulator.cli.doctor", "emulator.usage"): "`doctor` says what containers get without a running emulator",
    ("emulator.cli.demo", "emulator.engines.packages"): "`demo` trains its models with uv before anything is deployed",
    ("emulator.cli.watch", "emulator.store.trees"): "`--watch` looks at the same files that a deploy would take",
}

# Time, chance, the system and the network come to pure modules as values.
EFFECTS = frozenset({"os", "time", "random", "subprocess", "docker", "requests", "socket"})
EFFECTS_ALLOWED: Mapping[tuple[str, str], str] = {
    ("emulator.routes", "socket"): "the constants of address families; nothing is opened",
}

MOST_LINES_OF_A_FUNCTION = 50


@dataclass(frozen=True)
class Import:
    """That `importer` imports `imported`, both dotted; `at_import` when it happens as the importer is loaded."""

    importer: str
    imported: str
    line: int
    at_import: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


@cache
def sources() -> Mapping[str, ast.Module]:
    """Every module of the package, by its dotted name."""
    files = [file for file in sorted(PACKAGE.rglob("*.py")) if NOT_OURS not in file.parts]
    return {name_of(file): ast.parse(file.read_text(encoding="utf-8")) for file in files}


def name_of(file: Path) -> str:
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports() -> list[Import]:
    return [found for module, tree in sources().items() for found in imports_of(module, tree)]


def imports_of(module: str, tree: ast.Module) -> Iterator[Import]:
    later = {id(node) for outer in ast.walk(tree) if delays(outer) for node in ast.walk(outer)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: imports are absolute"
            names = [submodule_or_module(str(node.module), alias.name) for alias in node.names]
        else:
            continue
        for name in sorted(set(names)):
            yield Import(module, name, node.lineno, id(node) not in later)


def delays(node: ast.AST) -> bool:
    """Whether what is inside `node` runs only when something is called, or never."""
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


def submodule_or_module(module: str, name: str) -> str:
    return f"{module}.{name}" if f"{module}.{name}" in sources() else module


def unit_of(module: str) -> str:
    """The row of the table that a module of ours belongs to."""
    parts = module.split(".")[1:]
    if parts[:1] == ["engines"] and len(parts) > 1:
        return "engines.*"
    return parts[0] if parts else ""


def ours(module: str) -> bool:
    return module.split(".", maxsplit=1)[0] == PACKAGE.name


def test_every_unit_is_in_the_table() -> None:
    assert {unit_of(module) for module in sources()} == set(MAY_IMPORT)


def test_the_table_has_no_way_back() -> None:
    """Where one unit may import another, that one may not import it, nor through a third."""
    for unit in set(MAY_IMPORT) - PURE:
        below = reachable(unit)
        assert unit not in below, f"{unit} can reach itself"
    assert reachable("control_api").isdisjoint({"gateway", "client", "cli", "server", "engines.*"})
    assert reachable("gateway").isdisjoint({"control_api", "workspace", "store", "engines", "engines.*"})
    assert reachable("workspace").isdisjoint({"engines.*", "probes", "lock", "control_api", "gateway", "server"})


def reachable(unit: str) -> set[str]:
    found: set[str] = set()
    waiting = list(MAY_IMPORT[unit])
    while waiting:
        below = waiting.pop()
        if below not in found:
            found.add(below)
            waiting.extend(MAY_IMPORT[below])
    return found


def test_imports_follow_the_arrows() -> None:
    wrong = [str(found) for found in imports() if ours(found.imported) and against_the_arrows(found)]
    assert wrong == []


def against_the_arrows(found: Import) -> bool:
    importer, imported = unit_of(found.importer), unit_of(found.imported)
    if importer == imported or (found.importer, found.imported) in EXCEPTIONS:
        return False
    return imported not in MAY_IMPORT[importer]


def test_pure_modules_have_no_effects() -> None:
    pure = PURE | {"errors"}
    wrong = [
        str(found)
        for found in imports()
        if unit_of(found.importer) in pure
        and found.imported.split(".")[0] in EFFECTS
        and (found.importer, found.imported) not in EFFECTS_ALLOWED
    ]
    assert wrong == []


def test_every_exception_is_needed_and_has_its_reason() -> None:
    made = {(found.importer, found.imported) for found in imports()}
    for table in (EXCEPTIONS, EFFECTS_ALLOWED):
        assert set(table) <= made, "an exception that nobody needs any more"
        assert all(len(reason) > 10 for reason in table.values())


def test_no_module_is_needed_to_load_itself() -> None:
    edges: dict[str, set[str]] = {module: set() for module in sources()}
    for found in imports():
        if found.at_import and found.imported in edges and found.imported != found.importer:
            edges[found.importer].add(found.imported)
    assert cycle_in(edges) == []


def cycle_in(edges: Mapping[str, set[str]]) -> list[str]:
    """A way that leads back to where it began, nothing when there is none."""
    done: set[str] = set()

    def visit(module: str, way: list[str]) -> list[str]:
        if module in way:
            return [*way[way.index(module) :], module]
        if module in done:
            return []
        for below in sorted(edges[module]):
            if found := visit(below, [*way, module]):
                return found
        done.add(module)
        return []

    return next((found for module in sorted(edges) if (found := visit(module, []))), [])


def test_functions_are_small() -> None:
    long = [
        f"{module}.{node.name} has {lines} lines"
        for module, tree in sources().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > MOST_LINES_OF_A_FUNCTION
    ]
    assert long == []


# the scan itself, on small texts


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import os\n", [("os", True)]),
        ("import os.path as p, time\n", [("os.path", True), ("time", True)]),
        ("from emulator import store\n", [("emulator.store", True)]),
        ("from emulator.store import Store, files\n", [("emulator.store", True), ("emulator.store.files", True)]),
        ("def f():\n    import docker\n", [("docker", False)]),
        ("try:\n    import fcntl\nexcept ImportError:\n    pass\n", [("fcntl", True)]),
        ("class C:\n    import time\n    def f(self):\n        import os\n", [("time", True), ("os", False)]),
        ("if TYPE_CHECKING:\n    from emulator import cli\n", [("emulator.cli", False)]),
    ],
)
def test_the_scan_sees_every_import(text: str, found: list[tuple[str, bool]]) -> None:
    seen = [(each.imported, each.at_import) for each in imports_of("emulator.x", ast.parse(text))]
    assert sorted(seen) == sorted(found)


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("emulator.errors", "emulator.names"),
        ("emulator.entities.model", "emulator.store"),
        ("emulator.store.files", "emulator.engines.docker"),
        ("emulator.engines.docker", "emulator.store"),
        ("emulator.engines.process", "emulator.workspace"),
        ("emulator.workspace.deployments", "emulator.engines.docker"),
        ("emulator.workspace", "emulator.control_api"),
        ("emulator.control_api.models", "emulator.gateway"),
        ("emulator.gateway.handler", "emulator.control_api"),
        ("emulator.gateway.handler", "emulator.workspace"),
        ("emulator.control_api", "emulator.store"),
        ("emulator.cli.deploy", "emulator.workspace"),
        ("emulator.cli.deploy", "emulator.server"),
        ("emulator.client", "emulator.entities"),
        ("emulator.workspace", "emulator.server"),
        ("emulator.cli.deploy", "emulator.testing"),
        ("emulator.testing.run", "emulator.server"),
    ],
)
def test_the_table_forbids_what_it_is_there_for(importer: str, imported: str) -> None:
    assert against_the_arrows(Import(importer, imported, 1, at_import=True))


def test_a_cycle_is_found() -> None:
    assert cycle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["b", "c", "b"]
    assert cycle_in({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
