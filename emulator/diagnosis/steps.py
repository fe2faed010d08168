"""Next steps after an exception of the user's own script, and causes that its text does not name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import replace

from emulator.diagnosis.explanation import MISSING_SERVER, Deployed, Explanation
from emulator.diagnosis.imports import import_step
from emulator.diagnosis.paths import path_step
from emulator.diagnosis.script import syntax_hint

Told = tuple[str, str]
"""A cause that the exception does not name, and what to do next."""

_KEY = re.compile(r"^KeyError: '(?P<key>[^']+)'")
_GETENV = re.compile(r"(?:os\.getenv|environ\.get)\(\s*['\"](?P<name>[^'\"]+)['\"]")
_IDENTITY = re.compile(r"\b(?P<name>MSI_ENDPOINT|MSI_SECRET|IDENTITY_ENDPOINT|IDENTITY_HEADER)\b", re.IGNORECASE)
_NOT_JSON = re.compile(r"TypeError: Object of type (?P<type>\w+) is not JSON serializable")
_KEYS = re.compile(r"TypeError: keys must be str, int, float, bool or None, not (?P<type>\w+)")
_NO_ATTRIBUTE = re.compile(r"AttributeError: module '(?P<module>[\w.]+)' has no attribute '(?P<name>\w+)'")
_UNPICKLED = re.compile(r"Can't get attribute '(?P<name>[^']+)' on <module '(?P<module>[\w.]+)'")
_NAME = re.compile(r"^(?:NameError|UnboundLocalError): .*'(?P<name>\w+)'")
_VERSIONS = re.compile(r"Trying to unpickle estimator (?P<class>\w+) from version (?P<saved>\S+) when using version"
                       r" (?P<now>[\w.]+[\w])")  # fmt: skip
_READ_ONLY = re.compile(r"(?:Read-only file system|Permission denied)(?:: '(?P<path>[^']+)')?")
_MISSING_ARGUMENT = re.compile(r"TypeError: (?P<function>init|run)\(\) (?:missing|takes)")
_DECORATED = re.compile(r'provided param_name "(?P<name>\w+)" is not in the decorated function')
_UNKNOWN_HOST = ("Name or service not known", "failure in name resolution", "No address associated",
                 "getaddrinfo failed")  # fmt: skip
_UNREACHED = (*_UNKNOWN_HOST, "Connection refused", "Max retries exceeded", "Network is unreachable", "timed out")

_AS_JSON = {
    "ndarray": "return result.tolist()",
    "DataFrame": 'return frame.to_dict(orient="records")',
    "Series": "return series.tolist()",
    "Index": "return index.tolist()",
    "Tensor": "return tensor.tolist()",
    "EagerTensor": "return tensor.numpy().tolist()",
    "bytes": "return AMLResponse(content, 200) for bytes as they are, or base64.b64encode(content).decode() in JSON",
    "bytearray": "return base64.b64encode(content).decode()",
    "set": "return list(values)",
    "frozenset": "return list(values)",
    "generator": "return list(values); run() answers once, it does not stream",
    "coroutine": "write `def run`, not `async def run`: the server does not await it",
    "datetime": "return moment.isoformat()",
    "date": "return day.isoformat()",
    "Timestamp": "return moment.isoformat()",
    "Decimal": "return float(number)",
}
_SCALARS = re.compile(r"^(?:u?int|float|bool|complex)(?:\d+|_)$")


def with_step(failure: Explanation, deployed: Deployed, log: str = "") -> Explanation:
    """Return the explanation with a cause that the exception does not name, and with what to do next."""
    for rule in _RULES:
        if told := rule(failure, deployed):
            why, hint = told
            break
    else:
        why, hint = _versions(log, deployed) or ("", _in_general(failure, deployed))
    return replace(failure, why=failure.why or why or _because(failure), hint=failure.hint or hint)


def _because(failure: Explanation) -> str:
    return f"raised from {failure.because}" if failure.because and failure.because not in failure.exception else ""


def _in_general(failure: Explanation, deployed: Deployed) -> str:
    line = f"the line is `{failure.source}`; " if failure.source else ""
    return f"{line}{deployed.command('logs')} prints all that was said"


def _server(failure: Explanation, _deployed: Deployed) -> Told | None:
    if "azureml-inference-server-http" not in failure.exception and failure.exception != MISSING_SERVER:
        return None
    return "", "add azureml-inference-server-http (or azureml-defaults) to the environment's packages"


def _variable(failure: Explanation, deployed: Deployed) -> Told | None:
    key = _KEY.match(failure.exception)
    if key and (failure.in_os_environ or "environ" in failure.source):
        return _unset(key["key"], "the environment variable {name} is not set", deployed)
    got = _GETENV.search(failure.source)
    set_ones = {*deployed.variables, *deployed.own_variables}
    if got and "NoneType" in failure.exception and got["name"] not in set_ones:
        return _unset(got["name"], "the environment variable {name} is not set, so it is None", deployed)
    return None


def _identity(failure: Explanation, deployed: Deployed) -> Told | None:
    """Explain a failed request for the managed identity of the cloud's container."""
    text = f"{failure.exception} {failure.because}"
    named = _IDENTITY.search(failure.source) or _IDENTITY.search(failure.exception)
    asks = named and ("NoneType" in text or "KeyError" in text)
    if not (asks or "ManagedIdentityCredential" in text or "DefaultAzureCredential failed" in text):
        return None
    if named and named["name"].upper() in {*deployed.variables, *deployed.own_variables}:
        return None
    return "the container has no managed identity here: MSI_ENDPOINT and IDENTITY_ENDPOINT are not set", (
        "give it a service principal: --env AZURE_TENANT_ID --env AZURE_CLIENT_ID --env AZURE_CLIENT_SECRET are what"
        " azure-identity's DefaultAzureCredential reads; or read a key of your own where MSI_ENDPOINT is not set"
    )


def _unset(name: str, why: str, deployed: Deployed) -> Told:
    if name == "AZUREML_MODEL_DIR":
        return f"{why.format(name=name)}: the deployment has no model", (
            "name its model: --model NAME:VERSION, or `model:` in its YAML; `amlemu model list` shows what there is"
        )
    alike = difflib.get_close_matches(name, deployed.own_variables, n=1, cutoff=0.8)
    near = f"; {alike[0]} is set, which is another name" if alike else ""
    hint = f"deploy with --env {name}, which takes your shell's value, or name it in environment_variables of the YAML"
    return why.format(name=name) + near, hint


def _function(failure: Explanation, _deployed: Deployed) -> Told | None:
    if not failure.file and failure.stage == "init" and failure.exception.endswith("object is not callable"):
        return "init is not a function", "define init() with def: the server calls it once, without arguments"
    if failure.exception.endswith("is not a callable object"):
        return "run is not a function", "define run(data) with def: the server calls it for each request"
    if "needs to accept an argument for input data" in failure.exception:
        return "", "give run() a parameter: the server calls run(data) with the request's body"
    if "cannot accept positional-only arguments" in failure.exception:
        return "", "give run() one parameter with a name: def run(data)"
    if "function defined" in failure.exception or "does not define" in failure.exception:
        return "", "a scoring script defines init() and run(data), at its top level"
    return None


def _arguments(failure: Explanation, _deployed: Deployed) -> Told | None:
    found = _MISSING_ARGUMENT.search(failure.exception)
    if not found or failure.file:
        return None
    if found["function"] == "init":
        return "the server calls init() without arguments", (
            "find the model in init() itself, below os.environ['AZUREML_MODEL_DIR'], and keep it in a global variable"
        )
    return "without @input_schema the server calls run() with one argument, the body's text", (
        "take one parameter and json.loads it, or decorate run() with one @input_schema for each parameter"
    )


def _decorator(failure: Explanation, _deployed: Deployed) -> Told | None:
    found = _DECORATED.search(failure.exception)
    if found is None:
        return None
    why = f"@input_schema names '{found['name']}', and run() has no parameter of that name"
    return why, f"give both the same name: @input_schema('{found['name']}', …) and def run({found['name']})"


def _returned(failure: Explanation, _deployed: Deployed) -> Told | None:
    if found := _NOT_JSON.search(failure.exception):
        name = found["type"]
        how = _AS_JSON.get(name) or ("return value.item()" if _SCALARS.match(name) else "")
        why = "" if failure.file else f"run() returned something of type {name}, which JSON has no form for"
        return why, how or "return what JSON has: dict, list, text, numbers, None"
    if found := _KEYS.search(failure.exception):
        return f"run() returned a dict whose keys are {found['type']}", "make the keys text: {str(key): value …}"
    return None


def _read_only(failure: Explanation, deployed: Deployed) -> Told | None:
    found = _READ_ONLY.search(failure.exception)
    if found is None:
        return None
    path = deployed.plain(found["path"]) if found["path"] else ""
    if path and not path.startswith(deployed.root) and "Permission denied" in failure.exception:
        return None
    why = "the container may not write there"
    why += f": code and models are read-only ({path})" if path.startswith(deployed.root) else ""
    return why, "write below tempfile.gettempdir(), which is the container's own; what must stay belongs in a model"


def _class_gone(failure: Explanation, deployed: Deployed) -> Told | None:
    found = _UNPICKLED.search(f"{failure.exception} {failure.because}")
    if found is None:
        return None
    name = found["name"]
    if found["module"] in ("__main__", "__mp_main__"):
        return f"the model was pickled in a program that defined {name} itself, and this is another program", (
            f"define {name} in a module of its own, import it in training and put that file beside the scoring"
            " script, then save and register the model again"
        )
    why = f"the installed {found['module'].partition('.')[0]} has no {name}, which the model was saved with"
    return why, f"pin the package in {deployed.environment or 'the environment'} to the version it was saved with"


# By the text of the exception, the narrower patterns first.
_PICKLES: dict[str, Told] = {
    "unsupported pickle protocol": (
        "the model was saved by a newer Python",
        "take that Python in the environment, or save it again: pickle.dump(model, file, protocol=4)",
    ),
    "Ran out of input": (
        "the file is empty, or cut off",
        "register the model again, from a file that loads on your own machine",
    ),
    "invalid load key, 'v'": (
        "the file may be a pointer of Git LFS, not the model",
        "`git lfs pull`, then register the model again",
    ),
    "UnpicklingError": (
        "the file is no pickle, or is damaged",
        "load it with what saved it (joblib.load, torch.load, …); else register the model again",
    ),
}


def _pickle(failure: Explanation, _deployed: Deployed) -> Told | None:
    text = f"{failure.exception} {failure.because}"
    return next((told for sign, told in _PICKLES.items() if sign in text), None)


def _name(failure: Explanation, _deployed: Deployed) -> Told | None:
    found = _NAME.match(failure.exception)
    if found is None:
        return None
    name = found["name"]
    if failure.stage != "run":
        return ("", f"import or assign '{name}' before `{failure.source}`") if failure.source else None
    return "", f"if init() assigns {name}, say `global {name}` in it first: run() sees nothing else of what it made"


def _attribute(failure: Explanation, deployed: Deployed) -> Told | None:
    found = _NO_ATTRIBUTE.search(failure.exception)
    if found is None:
        return None
    package = found["module"].partition(".")[0]
    why = f"the installed version of {package} has no {found['name']}"
    where = deployed.environment or "the environment"
    return why, f"change the line, or pin {package} in {where} to a version that has it"


def _syntax(failure: Explanation, _deployed: Deployed) -> Told | None:
    if not re.match(r"(?:SyntaxError|IndentationError|TabError): ", failure.exception):
        return None
    if failure.exception.startswith("TabError"):
        return "", "indent with spaces only: an editor shows and converts tabs"
    return "", syntax_hint(failure.exception, failure.source)


def _ended(failure: Explanation, _deployed: Deployed) -> Told | None:
    if not failure.exception.startswith("SystemExit"):
        return None
    return "the script ends its own process", "raise an exception that says why, in place of sys.exit()"


def _text_for_json(failure: Explanation, deployed: Deployed) -> Told | None:
    if "the JSON object must be str, bytes or bytearray, not" in failure.exception and failure.stage == "run":
        why = "run() is decorated, so the server has read the JSON already"
        return why, "use the parameter as it is, without json.loads()"
    if "JSONDecodeError" in failure.exception and failure.stage == "run":
        example = deployed.command("invoke", """--data '{"data": [[1, 2]]}'""")
        return "the body of the request is not the JSON that run() expects", f"send JSON, as in {example}"
    return None


def _network(failure: Explanation, _deployed: Deployed) -> Told | None:
    text = f"{failure.exception} {failure.because}"
    if not any(sign in text for sign in _UNREACHED):
        return None
    is_unknown = any(sign in text for sign in _UNKNOWN_HOST)
    why = "that host's name is not known" if is_unknown else "what the script calls does not answer"
    return why, "check the address and the network; in a container, localhost is the container itself"


def _cuda(failure: Explanation, _deployed: Deployed) -> Told | None:
    if "deserialize object on a CUDA device" in failure.exception:
        return "the model was saved on a GPU, and there is none", 'torch.load(path, map_location="cpu")'
    return None


def _versions(log: str, deployed: Deployed) -> Told | None:
    """Explain a model of another version of scikit-learn, about which loading it only warns."""
    warnings = list(_VERSIONS.finditer(log))
    if not warnings:
        return None
    found = warnings[-1]
    where = deployed.environment or "the environment"
    why = f"the model was saved with scikit-learn {found['saved']}, and the environment has {found['now']}"
    return why, f"pin scikit-learn=={found['saved']} in {where}, or save the model again with {found['now']}"


_RULES: tuple[Callable[[Explanation, Deployed], Told | None], ...] = (
    _server, _identity, _variable, _function, _arguments, _decorator, _returned, _syntax, _text_for_json, _class_gone,
    _pickle, import_step, _read_only, path_step, _name, _attribute, _ended, _network, _cuda,
)  # fmt: skip
