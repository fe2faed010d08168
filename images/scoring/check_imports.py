"""Imports the packages that the user named, so that one that cannot be is told of when the environment is built.

    python check_imports.py ASKED REPORT

Runs under the environment's own Python (3.6 and later).  ASKED is JSON: `pip` and `conda` list names of packages,
`variables` and `library_path` are what the scoring server will have.  What to import is taken from the files that a
package has installed, as its name often is another.  REPORT gets the failures as JSON: `failed` and `noted` list
[package, module, reason]; noted is what says more about the machine than about the package: a library of the system,
a GPU's driver or a Java runtime that is not there, and setuptools, which conda's Pythons have.  With `nothing_fails`
everything is noted.  Exit code 3 when something has failed.
"""

import csv
import glob
import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile

LIMIT_SECONDS = 120
MOST_MODULES = 20
# Modules that some packages leave beside their own by mistake or for their own tests.
LEFT_OUT = {
    "tests",
    "test",
    "testing",
    "docs",
    "doc",
    "examples",
    "example",
    "benchmarks",
    "scripts",
    "setup",
    "conftest",
}
MACHINE = re.compile(
    r"cannot open shared object file|libcuda|libnvidia|CUDA driver|JAVA_HOME|[Jj]ava gateway|libjvm"
    r"|No module named '(pkg_resources|setuptools|distutils)"
)
CHILD = """
import importlib, json, os, sys
channel = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for name in sys.argv[1:]:
    channel.write(json.dumps(["begin", name, "", ""]) + "\\n")
    channel.flush()
    try:
        importlib.import_module(name)
        kind = reason = ""
    except BaseException as error:
        first = error
        while first.__cause__ or (first.__context__ and not first.__suppress_context__):
            first = first.__cause__ or first.__context__
        kind = type(error).__name__
        reason = "%s: %s" % (kind, " ".join(str(error).split())[:400])
        if first is not error:
            reason += " (because of %s: %s)" % (type(first).__name__, " ".join(str(first).split())[:300])
    channel.write(json.dumps(["end", name, kind, reason]) + "\\n")
    channel.flush()
"""


def main(asked_file, report_file):
    with open(asked_file, encoding="utf-8") as file:
        asked = json.load(file)
    modules = modules_of(asked)
    outcome = import_all(list(modules), asked)
    report = {"failed": [], "noted": []}
    imported = {modules[name] for name in outcome if not outcome[name]}
    for name, reason in outcome.items():
        if reason:
            kind = "noted" if asked.get("nothing_fails") else verdict(reason, modules[name] in imported)
            report[kind].append([modules[name], name, reason])
    folder = os.path.dirname(report_file)
    os.makedirs(folder, exist_ok=True)
    with open(report_file, "w", encoding="utf-8") as file:
        json.dump(report, file)
    for package, module, reason in report["failed"]:
        print("amlemu: package %s cannot be imported (import %s): %s" % (package, module, reason), file=sys.stderr)
    sys.exit(3 if report["failed"] else 0)


def verdict(reason, others_imported):
    # A module beside the package's main one may need something that is optional.
    optional = others_imported and reason.startswith("ModuleNotFoundError")
    return "noted" if optional or MACHINE.search(reason) or reason.startswith("TimeoutError") else "failed"


def modules_of(asked):
    """Package by module, in the order in which they were asked for."""
    site = sysconfig.get_path("purelib")
    found = {}
    for name in asked["pip"]:
        for module in top_modules(distribution_files(site, name)):
            found.setdefault(module, name)
    for name in asked["conda"]:
        for module in top_modules(conda_files(site, name)):
            found.setdefault(module, name)
    return found


def distribution_files(site, name):
    for folder in glob.glob(os.path.join(glob.escape(site), "*.dist-info")):
        stem = os.path.basename(folder)[: -len(".dist-info")].split("-")[0]
        record = os.path.join(folder, "RECORD")
        if normal(stem) == normal(name) and os.path.exists(record):
            with open(record, encoding="utf-8", newline="") as file:
                return [row[0] for row in csv.reader(file) if row]
    return []


def conda_files(site, name):
    for path in glob.glob(os.path.join(glob.escape(sys.prefix), "conda-meta", glob.escape(name) + "-*.json")):
        with open(path, encoding="utf-8") as file:
            record = json.load(file)
        if record.get("name") == name:
            below = os.path.relpath(site, sys.prefix) + "/"
            return [text[len(below) :] for text in record.get("files", []) if text.startswith(below)]
    return []


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def top_modules(files):
    """What to import of these files: modules and packages at the top; of a namespace, the packages right below it."""
    parts = [tuple(text.split("/")) for text in files]
    packages = {p[:-1] for p in parts if len(p) > 1 and re.match(r"__init__\.(py|cpython.*\.so|abi3\.so)$", p[-1])}
    found = {p for p in packages if not any(p[:length] in packages for length in range(1, len(p)))}
    found |= {(p[0].split(".")[0],) for p in parts if len(p) == 1 and re.search(r"\.(py|so)$", p[0])}
    names = {".".join(p) for p in found if all(is_public(word) for word in p)}
    return sorted(names)[:MOST_MODULES]


def is_public(word):
    return word.isidentifier() and not word.startswith("_") and word.lower() not in LEFT_OUT


def import_all(modules, asked):
    """Reason by module, '' for those that could be imported; a crash of the interpreter costs a new one."""
    outcome = {}
    with tempfile.TemporaryDirectory() as home:
        while modules:
            ended = import_some(modules, environment(home, asked), home)
            outcome.update(ended)
            modules = [name for name in modules if name not in ended]
    return outcome


def environment(home, asked):
    path = os.path.join(sys.prefix, "bin") + ":" + os.environ.get("PATH", os.defpath)
    ours = {"HOME": home, "TMPDIR": home, "PATH": path, "MPLBACKEND": "Agg", "PYTHONDONTWRITEBYTECODE": "1"}
    if asked.get("library_path"):
        ours["LD_LIBRARY_PATH"] = asked["library_path"]
    ours.update({"LANG": "C.UTF-8", "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"})
    ours.update(asked.get("variables", {}))
    return ours


def import_some(modules, variables, folder):
    """What the child could tell before it ended; at least one module has an outcome."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, *modules],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=variables,
        cwd=folder,
    )
    with child:
        try:
            out, _ = child.communicate(timeout=LIMIT_SECONDS)
            how = "SystemError: the interpreter died with code %d" % child.returncode
        except subprocess.TimeoutExpired:
            child.kill()
            out, _ = child.communicate()
            how = "TimeoutError: not done after %d s" % LIMIT_SECONDS
    begun, outcome = modules[0], {}
    for line in out.decode("utf-8", "replace").splitlines():
        kind, name, _, reason = json.loads(line)
        if kind == "begin":
            begun = name
        else:
            outcome[name] = reason
    if len(outcome) < len(modules):
        outcome[begun] = how
    return outcome


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
