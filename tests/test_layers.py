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

LOWEST = frozenset({"", "errors", "secret", "azure_paths", "difference"})  # '' is the package itself: its version
VALUES = LOWEST | {"names", "entities", "profiles"}
ENGINES = frozenset({"engines.docker", "engines.process", "engines.packaging"})

# Values in, values out: no clock, no chance, no system and no network.
PURE = frozenset(
    {"errors", "difference", "names", "documents", "entities", "environments", "profiles", "routing", "containers",
     "diagnosis", "exports", "azure_files"}
)  # fmt: skip

# Each unit and all that it may import besides itself.  Whatever stands further up may not be imported further down.
MAY_IMPORT: Mapping[str, frozenset[str]] = {
    "": frozenset(),
    "secret": frozenset(),
    "azure_paths": frozenset(),
    "difference": frozenset(),
    "errors": frozenset({"secret"}),
    "names": LOWEST,
    "system": LOWEST,
    # pure: what the files, the cloud and the requests say, as values
    "documents": LOWEST,
    "diagnosis": LOWEST,
    "entities": LOWEST | {"names"},
    "profiles": LOWEST | {"entities", "diagnosis"},
    "routing": LOWEST | {"entities", "profiles"},
    "environments": LOWEST | {"names", "documents", "entities"},
    "containers": LOWEST | {"entities", "environments", "profiles", "routing"},
    "exports": VALUES | {"environments", "containers"},
    # the disk
    "store": LOWEST | {"names", "entities", "environments", "containers", "system"},
    "config": LOWEST | {"names", "profiles", "environments", "store", "system"},
    "azure_files": VALUES | {"documents", "environments", "config"},
    # the protocol that engines keep, and the adapters, none of which knows another or the core
    "engines": LOWEST | {"environments", "containers"},
    "engines.packaging": LOWEST | {"engines", "environments", "system"},
    "engines.docker": LOWEST | {"engines", "engines.packaging", "environments", "containers", "system"},
    "engines.process": LOWEST | {"engines", "engines.packaging", "environments", "containers", "system"},
    # the core
    "workspace": VALUES | {"diagnosis", "routing", "environments", "containers", "store", "engines"},
    # doors: none knows another; none touches Docker or the disk
    "control_api": VALUES | {"documents", "diagnosis", "routing", "environments", "containers", "workspace"},
    "gateway": LOWEST | {"entities", "profiles", "routing", "containers"},
    # the user's side: what is read and sent where the user is
    "client.uploading": LOWEST | {"entities", "profiles", "environments", "store", "system"},
    "client": LOWEST | {"client.uploading", "diagnosis"},
    "cli": LOWEST
    | {
        "names",
        "documents",
        "entities",
        "profiles",
        "diagnosis",
        "exports",
        "azure_files",
        "config",
        "client",
        "system",
    },
    "testing": LOWEST | {"names", "client", "config", "cli", "system"},
    "pytest_plugin": LOWEST | {"testing", "config"},
    # the composition root
    "server": LOWEST
    | ENGINES
    | {
        "entities",
        "profiles",
        "routing",
        "environments",
        "containers",
        "engines",
        "store",
        "config",
        "workspace",
        "control_api",
        "gateway",
        "system",
    },
    "__main__": LOWEST | {"cli"},
}

# Single imports that the table forbids, each with the reason why it is right all the same.
EXCEPTIONS: Mapping[tuple[str, str], str] = {
    ("emulator.cli.server", "emulator.server.serve"): "`up` becomes the server",
    ("emulator.cli.server", "emulator.server.offline"): "`prune` cleans up where no server runs",
    ("emulator.cli.doctor", "emulator.server.offline"): "`doctor` looks at a home without an emulator",
    ("emulator.cli.doctor", "emulator.engines.docker.engine"): "`doctor` finds out what is missing",
    ("emulator.cli.doctor", "emulator.engines.process.engine"): "`doctor` finds out what is missing",
    ("emulator.cli.doctor", "emulator.engines.packaging.python_packages"): "`doctor` finds out what is missing",
    ("emulator.cli.doctor", "emulator.containers.size"): "`doctor` says what containers get",
    ("emulator.cli.doctor", "emulator.containers.usage"): "`doctor` says what containers get",
    ("emulator.cli.demo", "emulator.engines.packaging.python_packages"): "`demo` trains its models with uv",
    ("emulator.cli.watch", "emulator.store.trees"): "`--watch` looks at the same files that a deploy would take",
}

# Time, chance, the system and the network come to pure modules as values.
EFFECTS = frozenset({"os", "time", "random", "subprocess", "docker", "requests", "socket"})
EFFECTS_ALLOWED: Mapping[tuple[str, str], str] = {
    ("emulator.routing.routes", "socket"): "the constants of address families; nothing is opened",
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


@cache
def imports() -> tuple[Import, ...]:
    return tuple(found for module, tree in sources().items() for found in imports_of(module, tree))


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
    inner = ".".join(parts[:2])
    return inner if inner in MAY_IMPORT else ".".join(parts[:1])


def ours(module: str) -> bool:
    return module.split(".", maxsplit=1)[0] == PACKAGE.name


def test_every_unit_is_in_the_table() -> None:
    assert {unit_of(module) for module in sources()} == set(MAY_IMPORT)


def test_the_table_has_no_way_back() -> None:
    """Where one unit may import another, that one may not import it, nor through a third."""
    for unit in MAY_IMPORT:
        assert unit not in reachable(unit), f"{unit} can reach itself"
    assert reachable("control_api").isdisjoint({"gateway", "client", "cli", "server", *ENGINES})
    assert reachable("gateway").isdisjoint({"control_api", "workspace", "store", "engines", *ENGINES})
    assert reachable("workspace").isdisjoint({"control_api", "gateway", "server", "config", *ENGINES})


def test_the_layer_table_has_no_unused_entries() -> None:
    made = {(unit_of(found.importer), unit_of(found.imported)) for found in imports() if ours(found.imported)}
    unused = {(unit, below) for unit, those in MAY_IMPORT.items() for below in those - LOWEST} - made
    assert unused == set()


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
    pure = PURE
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
        ("emulator.store.files", "emulator.engines.docker.engine"),
        ("emulator.engines.docker.engine", "emulator.store"),
        ("emulator.engines.process.engine", "emulator.workspace"),
        ("emulator.workspace.deploying.deployments", "emulator.engines.docker.engine"),
        ("emulator.workspace", "emulator.control_api"),
        ("emulator.control_api.routes.models", "emulator.gateway"),
        ("emulator.gateway.handler", "emulator.control_api"),
        ("emulator.gateway.handler", "emulator.workspace"),
        ("emulator.control_api", "emulator.store"),
        ("emulator.cli.deploy", "emulator.workspace"),
        ("emulator.cli.deploy", "emulator.server.serve"),
        ("emulator.client.client", "emulator.entities"),
        ("emulator.workspace", "emulator.server.serve"),
        ("emulator.cli.deploy", "emulator.testing"),
        ("emulator.testing.run", "emulator.server.serve"),
    ],
)
def test_the_table_forbids_what_it_is_there_for(importer: str, imported: str) -> None:
    assert against_the_arrows(Import(importer, imported, 1, at_import=True))


def test_a_cycle_is_found() -> None:
    assert cycle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["b", "c", "b"]
    assert cycle_in({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
