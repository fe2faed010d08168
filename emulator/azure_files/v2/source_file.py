"""A file's text turned into a document, placeholders filled as far as the command line does."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from emulator.azure_files.v2.placeholders import quoted_placeholders, unfilled, value_at
from emulator.documents.yaml_document import Document, parse_document
from emulator.errors import BadDocument, Fault, fault_count

_DEPLOYMENT_KEYS = {"endpoint_name", "model", "code_configuration", "environment", "instance_type", "instance_count"}
_OTHER_KEYS = {
    "inferencing_server": "a model package (az ml model package)",
    "conda_file": "an environment",
    "dependencies": "a conda environment",
    "path": "a model",
}
# What other files of Azure ML name as their schema, without `.schema` and `.json`, in lower case.
_OTHER_SCHEMAS = {
    "modelversionpackage": "a model package (az ml model package)",
    "modelpackage": "a model package (az ml model package)",
    "batchendpoint": "a batch endpoint",
    "batchdeployment": "a batch deployment",
    "modelbatchdeployment": "a batch deployment",
    "deploymenttemplate": "a deployment template",
    "environment": "an environment",
    "model": "a model",
    "commandjob": "a job",
    "sweepjob": "a job",
    "automljob": "a job",
    "pipelinejob": "a pipeline job",
    "commandcomponent": "a component",
    "pipelinecomponent": "a component",
    "data": "a data asset",
    "workspace": "a workspace",
}
_WAYS = {
    "a model package (az ml model package)": "amlemu builds none: deploy the model itself, with the package's base "
    "environment as `environment` and its server's code_configuration",
    "an environment": "`amlemu environment register -f` takes it",
    "a model": "`amlemu model register -f` takes it",
}
_SCHEMA = re.compile(r"([a-z]+?)(\.schema)?(\.json)?/?")


@dataclass(frozen=True)
class Source:
    """A file as it was read: what to call it, the absolute folder that its paths are relative to, its text."""

    file: str
    folder: str
    text: str


def parsed(source: Source) -> Document:
    """The document of a file, whose placeholders may be left open; BadDocument."""
    tabs = _tab_line(source.text)
    if tabs:
        fault = Fault("a tab cannot indent YAML: use spaces", f"{source.file}:{tabs}")
        raise BadDocument(f"{source.file} is not valid YAML", faults=[fault])
    return parse_document(quoted_placeholders(source.text), source.file)


def _tab_line(text: str) -> int | None:
    lines = enumerate(text.splitlines(), 1)
    return next((n for n, line in lines if "\t" in line[: len(line) - len(line.lstrip())]), None)


def kind_of(document: Document) -> str:
    """`endpoint` or `deployment`, or what else it is: by the schema that the file names, else by its keys."""
    schema = str(document.data.get("$schema", "")).lower()
    for kind in ("endpoint", "deployment"):
        if f"online{kind}" in schema:
            return kind
    named = _SCHEMA.fullmatch(schema.rstrip("/").rpartition("/")[2])
    if named and named[1] in _OTHER_SCHEMAS:
        return _OTHER_SCHEMAS[named[1]]
    if _DEPLOYMENT_KEYS & document.data.keys():
        return "deployment"
    return next((what for key, what in _OTHER_KEYS.items() if key in document.data), "endpoint")


def other_kind(document: Document, kind: str) -> Fault:
    """The error for a file that describes neither an endpoint nor a deployment."""
    way = f": {_WAYS[kind]}" if kind in _WAYS else ""
    return document.fault((), f"this is the file of {kind}, not of an endpoint or a deployment{way}")


def left_open(document: Document) -> list[Fault]:
    """Return a fault for every placeholder that is left."""
    left = list(unfilled(document.data))
    count = Counter(text for _, text in left)
    return [
        document.fault(path, f"the placeholder {text} is not filled: {_way_to_fill(document, path, text, count[text])}")
        for path, text in left
    ]


def _way_to_fill(document: Document, path: tuple[str | int, ...], text: str, count: int) -> str:
    if path == ("name",) and kind_of(document) == "deployment":
        return "give --deployment NAME"
    if path in (("name",), ("endpoint_name",)):
        return "give --name NAME"
    if count > 1 or value_at(document.data, path) != text:
        return f"write a value, or give --set '{text}=VALUE'"
    dotted = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
    return f"write a value, or give --set {dotted}=VALUE"


def refuse_all(files: Sequence[str], faults: Sequence[Fault]) -> None:
    """Raise BadDocument if there are faults, in however many files."""
    if not faults:
        return
    told = sorted(dict.fromkeys(faults), key=lambda fault: _place(fault, files))
    subject = f"{files[0]} has" if len(files) == 1 else f"{', '.join(files)} have"
    raise BadDocument(f"{subject} {fault_count(told)}", faults=told)


def _place(fault: Fault, files: Sequence[str]) -> tuple[int, int]:
    """Which file and line, to tell faults in the order of reading."""
    file, _, line = fault.where.rpartition(":")
    index = files.index(file) if file in files else len(files)
    return index, int(line) if line.isdecimal() else 0
