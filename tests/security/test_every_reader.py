"""Every function that reads a file, held against a table: what a document names is read through `store/reach.py` alone.

A function that opens, lists or copies files is either the check itself, or it reads what no document names, or what has
been checked already.  The table says which, and why; a new function is in nobody's row and fails here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "emulator"
NOT_OURS = "_shipped"
CHECK = "emulator.store.reach"

READS = frozenset(
    {"open", "fdopen", "read_text", "read_bytes", "iterdir", "listdir", "scandir", "glob", "rglob", "walk", "copyfile",
     "copy2", "copytree", "copyfileobj", "link", "hardlink_to", "symlink_to", "readlink", "getline", "mmap"}
)  # fmt: skip
# Which are also words for values.
WORDS = frozenset({"walk", "link", "glob"})
# Methods of these names on other values than files, by what stands before the point.
OTHERS = frozenset({"ast.walk"})

# Rooms in which no path of a document is known: a name in them is the program's own, or its caller's own.
ROOMS: Mapping[str, str] = {
    "emulator.engines": "what the emulator has written for the engine, or the machine's; contexts are checked before",
    "emulator.gateway": "sockets and the request log",
    "emulator.cli": "the caller's own files, read as the caller",
    "emulator.client.client": "downloads, written to a folder that its caller names",
    "emulator.client.uploading": "the client's part: the user's own files, on the user's machine",
    "emulator.testing": "pytest's own folders",
    "emulator.pytest_plugin": "pytest's own folders",
    "emulator.config.admin_token": "a file of the home of a fixed name",
    "emulator.config.home_lock": "a file of the home of a fixed name",
    "emulator.config.login": "a file of the user's own of a fixed name",
    "emulator.config": "files that the emulator's owner names",
    "emulator.server.serve": "files that the emulator's owner names in settings",
    "emulator.azure_files.schemas": "nothing but the program's own",
    "emulator.server.first_demo": "the package's own samples",
    "emulator.system": "files of the package; the kernel's of processes; folders to be removed, following no link",
}

OWN = "the home's own files, whose names the emulator has made or checked as single parts of a path"
WALKED = "below a folder that `Reach` has found, with every link on the way checked"
FUNCTIONS: Mapping[str, str] = {
    "emulator.control_api.routes.models:_opener": "contents of registered models, by digest",
    "emulator.profiles.parity_pages:_definition": "the link of a source; no file",
    "emulator.store.build_contexts:_copy": "files of a context that were walked; links are copied as links",
    "emulator.store.build_contexts:_walk": "below the context; links are not followed",
    "emulator.store.build_contexts:_content": "regular files of a context that were walked; of links, where they lead",
    "emulator.store.model_versions:content_name": "contents, by digest",
    "emulator.store.files:Files._copy_in": "files of a tree that was walked",
    "emulator.store.layouts:Layouts.files": "below the layout; links out of it are left out",
    "emulator.store.layouts:Layouts._place_code": "files of a tree that was walked",
    "emulator.store.sources:file_names": WALKED,
    "emulator.store.trees:_check_no_dead_link": WALKED,
    "emulator.store.trees:_walk": WALKED,
}
# Modules of the store that know nothing but the home.
STORE = (
    "__init__", "claims", "collected", "damage", "disk", "documents", "files", "layouts", "leftovers", "lines", "logs",
    "privacy", "sinks", "upload_parts", "uploads", "workspace_document",
)  # fmt: skip


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Every function by its name with its class; what stands at the top of the module as ''."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from functions(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name, node
        else:
            yield prefix, node


def reads(node: ast.AST) -> set[str]:
    """What of READS is called, or handed on to be called, in a function."""
    found = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and (part.attr in READS or part.attr in ("copy", "move")):
            before = part.value.id if isinstance(part.value, ast.Name) else ""
            if part.attr not in READS and before != "shutil":
                continue
            if f"{before}.{part.attr}" not in OTHERS:
                found.add(part.attr)
        elif isinstance(part, ast.Name) and part.id in READS - WORDS:
            found.add(part.id)
    return found


def readers(sources: Mapping[str, str]) -> Iterator[str]:
    for module, text in sources.items():
        for name, node in functions(ast.parse(text)):
            if reads(node) and not isinstance(node, ast.Import | ast.ImportFrom):
                yield f"{module}:{name}"


def sources() -> dict[str, str]:
    files = [file for file in sorted(PACKAGE.rglob("*.py")) if NOT_OURS not in file.parts]
    return {".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts): file.read_text() for file in files}


def reason(reader: str) -> str:
    """Why a function may read what it reads, '' when nothing says so."""
    module = reader.partition(":")[0]
    if module == CHECK:
        return "the check itself"
    room = next((why for room, why in ROOMS.items() if f"{module}.".startswith(f"{room}.")), "")
    store = OWN if module.startswith("emulator.store.") and module.removeprefix("emulator.store.") in STORE else ""
    return room or FUNCTIONS.get(reader, "") or store


def test_every_reader_is_known() -> None:
    unknown = [reader for reader in readers(sources()) if not reason(reader)]
    assert unknown == [], "what a document names is read with store/reach.py; anything else has a row here"


def test_every_row_is_needed() -> None:
    there = set(readers(sources()))
    assert set(FUNCTIONS) <= there
    modules = set(sources())
    assert {f"emulator.store.{name}" for name in STORE} <= modules
    assert all(any(f"{module}.".startswith(f"{room}.") for module in modules) for room in ROOMS)


PURE_ROOMS = ("azure_files", "documents", "entities", "environments", "exports", "control_api.file_paths")


def test_rooms_that_parse_documents_read_nothing() -> None:
    wrong = [
        reader
        for reader in readers(sources())
        if any(f"{reader.partition(':')[0]}.".startswith(f"emulator.{room}.") for room in (*PURE_ROOMS, "workspace"))
    ]
    assert wrong == [], "they are handed the text"


# The user's own files, by a path alone: who calls it knows that they are.
OWN_TEXT = {
    "emulator.client.uploading.requests": "the client's part",
    "emulator.server.serve": "a file that settings name",
}


def test_only_the_users_own_machine_reads_by_a_path_alone() -> None:
    users = {
        module
        for module, text in sources().items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom)
        and node.module == "emulator.store.sources"
        and any(alias.name == "read_text" for alias in node.names)
    }
    assert users == set(OWN_TEXT)


def test_only_known_places_say_that_a_document_is_the_users_own() -> None:
    """`Reach` without a root reads anything: only who has asked whose document it is may make one."""
    makers: dict[str, list[str]] = {}
    for module, text in sources().items():
        for name, node in functions(ast.parse(text)):
            for part in ast.walk(node):
                if isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id == "Reach":
                    without_root = len(part.args) < 2 and not any(word.arg == "root" for word in part.keywords)
                    if without_root:
                        makers.setdefault(module, []).append(name)
    assert {module: sorted(set(names)) for module, names in makers.items()} == {
        "emulator.store.__init__": ["Store.reach"],
        "emulator.store.sources": ["read_text"],
        "emulator.store.trees": ["code_tree", "model_tree"],
    }


@pytest.mark.parametrize(
    "body",
    ["return open(path).read()", "return Path(path).read_text()", "return path.read_bytes()",
     "return list(path.iterdir())",
     "return os.open(path, 0)", "shutil.copy2(path, target)", "read = path.open\n    return read()", "os.link(a, b)",
     "return list(map(Path.read_text, paths))", "async def inner():\n        return path.read_text()"],
)  # fmt: skip
@pytest.mark.parametrize(
    "module", ["emulator.workspace.assets.environments", "emulator.environments.files.read", "emulator.store.new"]
)
def test_the_scan_sees_a_new_reader(module: str, body: str) -> None:
    found = list(readers({module: f"class A:\n  def f(self, path):\n    {body}\n"}))
    assert found == [f"{module}:A.f"]
    assert reason(found[0]) == ""
