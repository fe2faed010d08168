"""Checks of a scoring script's text, before any server runs it."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Sequence

from emulator.diagnosis.explanation import Explanation

_BINDS_ANYTHING = frozenset({"*", "exec", "globals", "setattr", "vars", "locals"})
# The most characters that are parsed: longer scripts would delay other requests.
_MOST_CHARACTERS = 1 << 18
_BOTH = "a scoring script defines init() and run(data)"
_PARAMETERS = {
    "init": "the server calls init() without arguments: find the model there, below os.environ['AZUREML_MODEL_DIR'],"
    " and keep it in a global variable",
    "run": "the server calls run(data) with the request's body: give it that parameter",
}
# Names that other servers use for run().
_OTHER_NAMES = {"init": ("setup", "load", "load_model", "initialize"), "run": ("score", "predict", "handler", "main")}
_SPACES = "indent with spaces only: an editor shows and converts tabs"


def check_script(source: str, name: str) -> Explanation | None:
    """Explain why the script `source` cannot work in any environment: invalid Python, or no init() or run().

    Only what can be seen for sure: a star import or an assignment may bring a name in, so those count as found, and a
    script that is too long or too deep to be looked at here is the container's to judge.
    """
    if len(source) > _MOST_CHARACTERS:
        return None
    try:
        tree = ast.parse(source, name)
    except (RecursionError, MemoryError):
        return None
    except (SyntaxError, ValueError) as error:
        return _no_python(error, name)
    bound = _bound_names(tree.body)
    if bound & _BINDS_ANYTHING:
        return None
    missing = [function for function in ("init", "run") if function not in bound]
    if missing:
        told = f"{name} does not define {' and '.join(f'{function}()' for function in missing)}"
        return Explanation(told, stage="function", hint=_renamed(tree.body, missing) or _BOTH)
    return _unfit(tree.body, name)


def _no_python(error: SyntaxError | ValueError, name: str) -> Explanation:
    """Explain a script that does not parse; Python raises ValueError, without a line, for a zero byte."""
    if not isinstance(error, SyntaxError):
        return Explanation(f"SyntaxError: {error} ({name})", stage="import", hint="save it as text, in UTF-8")
    kind, where = type(error).__name__, f"{name}, line {error.lineno}" if error.lineno else name
    hint = _SPACES if isinstance(error, TabError) else syntax_hint(error.msg, (error.text or "").strip())
    return Explanation(f"{kind}: {error.msg} ({where})", stage="import", hint=hint)


def syntax_hint(message: str, source: str) -> str:
    """Return a hint for a SyntaxError; `source` is the text of its line."""
    if "Missing parentheses in call to 'print'" in message:
        return f"that is Python 2: in the environment's Python it is print(...), in place of `{source}`"
    if "was never closed" in message:
        return f"close the bracket that this line opens: `{source}`"
    where = f"look at this line, and the one before it: `{source}`" if source else "look at that line"
    return f"{where}; `python -m py_compile FILE` checks a file without deploying it"


def _renamed(body: Sequence[ast.stmt], missing: Sequence[str]) -> str:
    """Return the script's function that is probably meant to be the missing one; '' for none."""
    functions = [node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    methods = {
        inner.name: node.name for node in body if isinstance(node, ast.ClassDef)
        for inner in node.body if isinstance(inner, ast.FunctionDef)
    }  # fmt: skip
    for wanted in missing:
        if wanted in methods:
            return (
                f"{wanted}() is a method of class {methods[wanted]}: the server looks for functions of the module, so"
                f" make an object of it and set {wanted} = object.{wanted}"
            )
        alike = [f for f in functions if f.lower() == wanted or f in _OTHER_NAMES[wanted]]
        alike = alike or difflib.get_close_matches(wanted, functions, n=1, cutoff=0.7)
        if alike:
            return f"rename {alike[0]}() to {wanted}(): the server calls it by that name, in small letters"
    return ""


def _unfit(body: Sequence[ast.stmt], name: str) -> Explanation | None:
    """Explain an init or run that is bound exactly once, to something that the server cannot call."""
    for function in ("init", "run"):
        binding = [node for node in body if function in _bound_names([node])]
        if len(binding) != 1:
            continue
        node = binding[0]
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            told = f"{function} is {node.value.value!r}, not a function ({name}, line {node.lineno})"
            return Explanation(told, stage="function", hint=f"define {function}() with def; {_BOTH}")
        if isinstance(node, ast.FunctionDef) and not node.decorator_list and _is_called_wrongly(node):
            told = f"{ast.unparse(node).partition(':')[0].removeprefix('def ')} has parameters that the server"
            told = f"{told} does not give" if function == "init" else f"{function}() has no parameter for the data"
            return Explanation(f"{told} ({name}, line {node.lineno})", stage="function", hint=_PARAMETERS[function])
    return None


def _is_called_wrongly(node: ast.FunctionDef) -> bool:
    given = node.args
    positional = [*given.posonlyargs, *given.args]
    if node.name == "run":
        return not (positional or given.kwonlyargs or given.vararg or given.kwarg)
    keyword_required = [default for default in given.kw_defaults if default is None]
    return len(positional) > len(given.defaults) or bool(keyword_required)


def _bound_names(body: Sequence[ast.stmt]) -> set[str]:
    """Yield the names that the statements bind in their module, including `global` ones of functions."""
    names: set[str] = set()
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
            names.update(*map(_bound_from_inside, ast.walk(node)))
        else:
            names |= _names_of(node)
            waiting.extend(ast.iter_child_nodes(node))
    return names


def _bound_from_inside(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Global):
        return set(node.names)
    return {node.id} & _BINDS_ANYTHING if isinstance(node, ast.Name) else set()


def _names_of(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    if isinstance(node, ast.Name) and (isinstance(node.ctx, ast.Store) or node.id in _BINDS_ANYTHING):
        return {node.id}
    return set()
