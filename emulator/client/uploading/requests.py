"""Uploads the files that a request names by path, and returns the request that names the uploads instead."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from emulator.client.uploading.transfer import LocalFile, OnBytes, UploadApi, send_tree
from emulator.entities import BuildContext, Target, is_arm_id
from emulator.environments import file_beside, read_environment
from emulator.errors import BadArgument
from emulator.profiles import profile_of
from emulator.store.build_contexts import context_files
from emulator.store.sources import file_names, read_text
from emulator.store.trees import Tree, TreeFile, left_out_differences, model_tree, named_path, scoring_code_tree
from emulator.system.files import translate_os_errors

Json = dict[str, Any]


def upload_model(api: UploadApi, request: Mapping[str, Any], on_bytes: OnBytes) -> Json:
    """Upload the file or folder of a model version; return the request that names the upload."""
    path = named_path(Path(request["path"]))
    with translate_os_errors(f"model {request.get('name') or path.name}"):
        if request.get("type") == "mlflow_model" and path.is_dir() and not (path / "MLmodel").is_file():
            raise BadArgument(f"'{path}' is not an MLflow model: it has no file MLmodel")
        files = _local_files(model_tree(path), "" if path.is_file() else f"{path.name}/")
        sent = send_tree(api, path.name, files, on_bytes, is_folder=not path.is_file())
    return {**request, "path": sent}


def upload_environment(api: UploadApi, file: str, on_bytes: OnBytes) -> Json:
    """Read an environment file of this machine and upload its build context; return the environment's document."""
    path = Path(file)
    text = read_text(path, "environment file")
    folder = str(path.parent.absolute())
    environment = read_environment(text, path.name, lambda name: read_text(path.parent / name, "file"), folder)
    return _upload_document(api, environment.revealed_document(exclude_unset=True), on_bytes)


def _upload_document(api: UploadApi, document: Mapping[str, Any], on_bytes: OnBytes) -> Json:
    build = document.get("build")
    if not build:
        return dict(document)
    context = BuildContext.parse(build, target="build")
    name = PurePath(context.path).name
    with translate_os_errors(f"build context {context.path}"):
        files = [LocalFile(path, source) for path, source in context_files(context)]
        sent = send_tree(api, name, files, on_bytes, is_folder=True, as_copies=True)
    return {**document, "build": {**build, "path": sent}}


def upload_deployment(api: UploadApi, request: Mapping[str, Any], target: Target, on_bytes: OnBytes) -> Json:
    """Upload a deployment's code, inline models and environment; return the request that names the uploads.

    `target` decides which files of the code folder are sent, as it does on the emulator's machine.
    """
    found = dict(request)
    found["models"] = [m if isinstance(m, str) else upload_model(api, m, on_bytes) for m in request.get("models") or ()]
    environment = _environment_of(api, request, on_bytes)
    if environment is not None:
        found["environment"] = environment
    if request.get("code"):
        folder, tree = _code(request, target)
        found["code"] = send_tree(api, folder.name, _local_files(tree, ""), on_bytes, is_folder=True)
        left_out = [difference.to_document() for difference in left_out_differences(tree.left_out)]
        found["differences"] = [*(request.get("differences") or ()), *left_out]
    return found


def _code(request: Mapping[str, Any], target: Target) -> tuple[Path, Tree]:
    """Return the code folder and the files of it to send; BadArgument without the script."""
    folder, script = named_path(Path(request["code"])), str(request["scoring_script"])
    layout = profile_of(target).layout
    with translate_os_errors(f"code folder {folder}"):
        read_text(folder / script, "scoring script")
        if not request.get("explicit_source_dir") and layout.script_alone(PurePath(script).name):
            return folder, Tree((TreeFile(script, folder / script),))
        takes = layout.takes_tool_folders
        return folder, scoring_code_tree(folder, script, ignore_files=layout.ignore_files, tool_folders=takes)


def _environment_of(api: UploadApi, request: Mapping[str, Any], on_bytes: OnBytes) -> Json | str | None:
    """Return a file's document, or a name unchanged; None for the emulator's default."""
    named = request.get("environment")
    if isinstance(named, Mapping):
        return _upload_document(api, named, on_bytes)
    if isinstance(named, str):
        is_file = PurePath(named).is_absolute() and not is_arm_id(named)
        return upload_environment(api, named, on_bytes) if is_file else named
    if not request.get("code"):
        return None
    folder = _script_folder(request)
    beside = file_beside(file_names(folder))
    return upload_environment(api, str(folder / beside), on_bytes) if beside else None


def _script_folder(request: Mapping[str, Any]) -> Path:
    folder = Path(request["code"])
    return folder / posixpath.dirname(str(request["scoring_script"]))


def _local_files(tree: Tree, prefix: str) -> list[LocalFile]:
    return [LocalFile(file.path.removeprefix(prefix), file.source) for file in tree.files]
