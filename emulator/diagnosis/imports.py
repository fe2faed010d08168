"""Explanations of failed imports: the package that provides a module, or a folder that is not on Python's path."""

from __future__ import annotations

import posixpath
import re

from emulator.diagnosis.explanation import Deployed, Explanation
from emulator.diagnosis.paths import is_model_path

_NO_MODULE = re.compile(r"^ModuleNotFoundError: No module named '(?P<module>[^']+)'")
_NO_NAME = re.compile(r"^ImportError: cannot import name '(?P<name>[^']+)' from (?:partially initialized module )?"
                      r"'(?P<module>[^']+)' \((?P<file>[^)]+)\)")  # fmt: skip
_RELATIVE = "attempted relative import with no known parent package"
_NO_LIBRARY = re.compile(r"(?P<library>lib[\w.+-]+\.so[\w.]*): cannot open shared object file")

# Import names that differ from the package's name on PyPI; the longest prefix counts.
PACKAGES = {
    "azure.ai.ml": "azure-ai-ml", "azure.identity": "azure-identity", "azure.keyvault": "azure-keyvault-secrets",
    "azure.storage": "azure-storage-blob", "azureml.ai.monitoring": "azureml-ai-monitoring",
    "azureml.contrib.services": "azureml-contrib-services", "azureml.core": "azureml-core", "azureml": "azureml-core",
    "bs4": "beautifulsoup4", "Crypto": "pycryptodome", "cv2": "opencv-python-headless", "dateutil": "python-dateutil",
    "docx": "python-docx", "dotenv": "python-dotenv", "faiss": "faiss-cpu", "fitz": "PyMuPDF",
    "git": "GitPython", "google.cloud.storage": "google-cloud-storage", "google.protobuf": "protobuf",
    "google.cloud": "google-cloud-storage", "grpc": "grpcio", "jose": "python-jose", "jwt": "PyJWT",
    "Levenshtein": "python-Levenshtein", "magic": "python-magic", "MySQLdb": "mysqlclient", "OpenSSL": "pyOpenSSL",
    "PIL": "Pillow", "pkg_resources": "setuptools<81", "distutils": "setuptools", "psycopg2": "psycopg2-binary",
    "pptx": "python-pptx", "pywt": "PyWavelets", "sentence_transformers": "sentence-transformers",
    "serial": "pyserial", "skimage": "scikit-image", "sklearn": "scikit-learn", "skopt": "scikit-optimize",
    "slugify": "python-slugify", "tensorflow_hub": "tensorflow-hub", "umap": "umap-learn", "yaml": "PyYAML",
    "zmq": "pyzmq", "inference_schema": "inference-schema", "mlflow": "mlflow", "ruamel": "ruamel.yaml",
    "attr": "attrs", "imblearn": "imbalanced-learn", "category_encoders": "category-encoders", "hdbscan": "hdbscan",
    "lightgbm": "lightgbm", "xgboost": "xgboost", "joblib": "joblib", "torch": "torch", "onnxruntime": "onnxruntime",
}  # fmt: skip
# Libraries that slim images lack, and the Debian packages that provide them.
_LIBRARIES = {
    "libgomp": "libgomp1", "libGL": "libgl1", "libglib-2": "libglib2.0-0", "libgthread": "libglib2.0-0",
    "libsndfile": "libsndfile1", "libodbc": "unixodbc", "libpq": "libpq5", "libxml2": "libxml2", "libSM": "libsm6",
    "libXext": "libxext6", "libXrender": "libxrender1", "libmagic": "libmagic1",
}  # fmt: skip


def import_step(failure: Explanation, deployed: Deployed) -> tuple[str, str] | None:
    """Explain a failed import; None when the exception is about something else."""
    if missing := _NO_MODULE.match(failure.exception):
        return _missing(missing["module"], failure, deployed)
    if _RELATIVE in failure.exception:
        plain = re.sub(r"\bfrom \.+(\w)", r"from \1", failure.source)
        plain = re.sub(r"\bfrom \.+ import", "import", plain)
        return "the server loads the script by itself, not as part of a package", f"import without the dot: `{plain}`"
    if library := _NO_LIBRARY.search(failure.exception):
        return _library(library["library"], deployed)
    if found := _NO_NAME.match(failure.exception):
        return _no_name(found, deployed)
    return None


def _missing(module: str, failure: Explanation, deployed: Deployed) -> tuple[str, str]:
    if own := _of_the_user(module, deployed):
        return own
    asked = _asked(module, failure.source)
    package = package_of(asked)
    where = deployed.environment or "the environment"
    if "." in module and not package:
        parent = module.partition(".")[0]
        name = package_of(parent) or parent
        why = f"{parent} is installed in a version without {module}"
        return why, f"pin {name} in {where} to the version that the model or the script was made with"
    if package:
        why = "" if package == asked else f"`{asked}` comes with the package {package}"
        return why, f"add {package} to {where}, and deploy again"
    folder = deployed.app_root or deployed.root
    return "", (
        f"if {module} is a package, add it to {where}; a module of your own must lie in {folder} (AML_APP_ROOT), the"
        f" folder on Python's path: put it beside {posixpath.basename(deployed.script)}"
    )


def _asked(module: str, source: str) -> str:
    """Return the full name that the line imports: Python names `google` for `google.cloud.storage`."""
    found = re.findall(rf"\b{re.escape(module)}(?:\.\w+)*", source)
    return max(found, key=len, default=module)


def package_of(module: str) -> str:
    """Return the package on PyPI that provides a module, where it is known; '' otherwise."""
    parts = module.split(".")
    names = [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return next((PACKAGES[name] for name in names if name in PACKAGES), "")


def _of_the_user(module: str, deployed: Deployed) -> tuple[str, str] | None:
    """Explain a missing module that the deployment has outside Python's path."""
    first = module.partition(".")[0]
    app_root = deployed.app_root
    if first == posixpath.basename(app_root):
        why = f"Python looks inside AML_APP_ROOT={app_root}, which is the folder '{first}' itself"
        return why, f"import what lies in it without '{first}.': `import NAME`, not `from {first}.NAME import …`"
    places = [p for p in deployed.paths if _is_module(p, first, deployed) and not is_model_path(p, deployed)]
    if not places:
        return None
    place = min(places, key=lambda p: (p.count("/"), p))
    if posixpath.dirname(place) == app_root:
        return _not_in(place, module) if module != first else None
    why = f"{place} is there, but Python looks in AML_APP_ROOT={app_root}, the scoring script's folder"
    folder = posixpath.dirname(place)
    if folder.startswith(app_root + "/"):
        inner = folder.removeprefix(app_root + "/").replace("/", ".")
        return why, f"name it from there: `from {inner} import {first}`"
    way = ", ".join(f'"{part}"' for part in posixpath.relpath(folder, posixpath.dirname(deployed.script)).split("/"))
    return why, (
        f"move it beside {posixpath.basename(deployed.script)}, or before the import:"
        f" sys.path.append(os.path.join(os.path.dirname(__file__), {way}))"
    )


def _not_in(place: str, module: str) -> tuple[str, str]:
    """Explain a missing submodule: of the user's own package, or of another package with the same name."""
    first = module.partition(".")[0]
    why = f"{place} has no {module}"
    return why, (
        f"look into {place}, and for an __init__.py in it: an installed package named {first} goes before a folder"
        " that has none"
    )


def _is_module(path: str, name: str, deployed: Deployed) -> bool:
    if posixpath.basename(path) == f"{name}.py":
        return True
    return posixpath.basename(path) == name and any(file.endswith(".py") for file in deployed.below(path))


def _no_name(found: re.Match[str], deployed: Deployed) -> tuple[str, str]:
    name, module, file = found["name"], found["module"], found["file"]
    if "/site-packages/" in file:
        package = package_of(module) or module.partition(".")[0].replace("_", "-")
        where = deployed.environment or "the environment"
        return f"the installed {package} has no {name}", f"pin {package} in {where} to a version that has it"
    return "", f"look into {file}: it defines no '{name}', or imports the script that imports it"


def _library(name: str, deployed: Deployed) -> tuple[str, str]:
    apt = next((package for prefix, package in _LIBRARIES.items() if name.startswith(prefix)), "")
    why = f"the image lacks the system library {name}"
    if apt == "libgl1":
        return why, "use opencv-python-headless in place of opencv-python, or an image with the Debian package libgl1"
    if name.startswith(("libcu", "libnv")):
        return why, "it belongs to CUDA: use the package's build for CPUs, or a base image with CUDA and a GPU"
    package = f"the Debian package {apt}" if apt else "it"
    return why, f"use a base image that has {package}: `image:` or `build:` of the environment"
