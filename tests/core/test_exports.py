"""Exports through the control API: what is told, what is copied, and that it deploys again."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from core_support import House
from served import Served

from emulator.azure_files import parse_setting
from emulator.cli.deploy import deploy_command
from emulator.cli.deploy_files import plan_files
from emulator.cli.deploy_plan import deploy_plan
from emulator.cli.export import write_export
from emulator.client.client import Client
from emulator.entities import Environment
from emulator.errors import ResourceNotFound, ResourceNotReady
from emulator.exports import export_az_ml, export_compose, kind_of, read_source

PLAIN = Environment(
    name="own",
    version="1",
    image="base",
    python_version="3.11",
    channels=("conda-forge",),
    conda_dependencies=("python=3.11", "pip"),
    requirements=("flask",),
)


def quiet(_kind: str, _text: str) -> None:
    """Nobody listens."""


def export(client: Client, folder: Path, *, has_values: bool = False, name: str = "iris") -> list[str]:
    document = client.get_export(name, include_values=has_values)
    source = read_source(document, has_values=has_values)
    return write_export(client, name, export_az_ml(source, kind_of(source.endpoint.target, None)), folder)


def deploy_folder(client: Client, folder: Path, *settings: str, only: str = "*") -> dict[str, Any]:
    """`amlemu deploy -f` with the files of the folder."""
    flags = [str(option.name) for option in deploy_command.params]
    files = [folder / "endpoint.yml", *sorted(folder.glob(f"{only}-deployment.yml"))]
    options = {**dict.fromkeys(flags), "files": files, "settings": settings}
    return deploy_plan(client, plan_files(options, {}), quiet)


SHOWN = ("models", "environment", "image", "request_settings", "liveness_probe", "readiness_probe", "instance_count",
         "environment_variables", "instance_type", "data_collector", "description", "tags", "properties",
         "cloud_settings", "model_mount_path", "app_insights_enabled", "target")  # fmt: skip


def test_the_same_again(house: House, client: Client, tmp_path: Path) -> None:
    house.register("m")
    house.workspace.environments.register(PLAIN)
    (house.code / "deep").mkdir()
    (house.code / "deep" / "tool.sh").write_text("#!/bin/sh\n")
    (house.code / "deep" / "tool.sh").chmod(0o755)
    house.deploy(
        models=("m:1",),
        environment="own:1",
        environment_variables={"MODE": "night"},
        instance_count=2,
        instance_type="Standard_F4s_v2",
        request_settings={"request_timeout_ms": 90000},
        liveness_probe={"initial_delay": 3},
        description="one",
        tags={"a": "b"},
    )
    house.deploy(name="green", models=("m:1",), environment="own:1", instance_type="Standard_F4s_v2")
    client.update_traffic("iris", {"green": 100}, {"blue": 5})
    before = client.get_endpoint("iris")
    files = export(client, tmp_path / "out")
    assert files == [
        "blue-deployment.yml",
        "code/blue/src/deep/tool.sh",
        "code/blue/src/score.py",
        "code/green/src/deep/tool.sh",
        "code/green/src/score.py",
        "deploy.sh",
        "endpoint.yml",
        "environment-own.yml",
        "environments/own/conda.yml",
        "green-deployment.yml",
        "model-m.yml",
        "models/m/m.pkl",
    ]
    assert (tmp_path / "out/code/blue/src/deep/tool.sh").stat().st_mode & 0o100
    texts = "".join(path.read_text() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert not any(secret in texts for secret in ("night", *client.get_keys("iris").values()))

    house.deploy("other")
    client.delete_endpoint("iris")
    traffic = ("endpoint.traffic={green: 100}", "endpoint.mirror_traffic={blue: 5}")
    # As deploy.sh says it: each with its own values, and traffic once all are there.
    deploy_folder(client, tmp_path / "out", "environment_variables.MODE=night", only="blue")
    after = deploy_folder(client, tmp_path / "out", *traffic, only="green")
    for key in ("auth_mode", "traffic", "mirror_traffic", "description", "tags", "target"):
        assert after[key] == before[key]
    for old, new in zip(before["deployments"], after["deployments"], strict=True):
        assert {key: old[key] for key in SHOWN} == {key: new[key] for key in SHOWN}
    layout = house.store.layouts.path_of("iris", "blue", house.deployment().generation)
    assert (layout / "azureml-models/m/1/m.pkl").read_text() == "weights"
    # Nothing was registered anew.
    assert [m.id for m in house.workspace.models.list_versions()] == ["m:1"]
    assert [e.id for e in house.workspace.environments.list_versions()] == ["own:1"]


def test_an_empty_emulator_takes_it(house: House, client: Client, tmp_path: Path) -> None:
    """Nothing but the folder is needed."""
    house.write_code("src", requirements_txt="flask\n")
    house.register("a")
    house.deploy(models=("a:1",))
    export(client, tmp_path / "out")
    client.delete_endpoint("iris")
    client.archive_model("a", "1", archived=True)
    shutil.rmtree(house.store.home / "models")
    shutil.rmtree(house.code)
    after = deploy_folder(client, tmp_path / "out")
    assert after["deployments"][0]["models"] == ["a:1"]


def test_several_models_are_one_there(house: House, client: Client, tmp_path: Path) -> None:
    house.register("a")
    house.register("b", "other")
    house.deploy(models=("a:1", "b:1"), target="aks")
    export(client, tmp_path / "out")
    client.delete_endpoint("iris")
    (deployment,) = deploy_folder(client, tmp_path / "out")["deployments"]
    (model,) = deployment["models"]
    assert (deployment["target"], model.split(":")[0]) == ("managed", "iris-blue-models")
    tree = {file["path"] for file in client.get_tree("iris", None)["files"]}
    folder = f"azureml-models/{model.replace(':', '/')}/models"
    assert tree == {f"{folder}/a/1/a.pkl", f"{folder}/b/1/b.pkl", "src/score.py", "src/score_with_models.py"}
    # What is deployed now is exported as it is, and the same models are the same version.
    export(client, tmp_path / "again")
    assert deploy_folder(client, tmp_path / "again")["deployments"][0]["models"] == [model]


def test_a_debugger_is_not_exported(house: House, client: Client, tmp_path: Path) -> None:
    house.workspace.environments.register(PLAIN)
    house.deploy(environment="own:1", debug_port=5678)
    document = client.get_export("iris", include_values=False)["deployments"][0]
    assert document["environment"]["requirements"] == ["flask"]
    assert document["environment_is_registered"]


def test_an_image_that_another_home_has_built(house: House, client: Client) -> None:
    spec = house.workspace.environments.spec(PLAIN)
    house.engine.build_image(spec, print, threading.Event())
    house.deploy(environment=PLAIN.model_copy(update={"name": "CliV2AnonymousEnvironment"}))
    document = client.get_export("iris", include_values=False)["deployments"][0]
    assert (document["environment"]["image"], document["image"]) == ("base", f"fake:{spec.digest[:8]}")


def test_a_name_that_means_another_content_now(house: House, client: Client) -> None:
    """An environment file with the name of a registered one is not that one."""
    house.workspace.environments.register(PLAIN)
    house.write_code("src", conda_yml="name: own\ndependencies: [python=3.11, pip, {pip: [numpy]}]\n")
    house.deploy()
    document = client.get_export("iris", include_values=False)["deployments"][0]
    assert (document["environment"]["requirements"], document["environment_is_registered"]) == (["numpy"], False)


def test_a_script_alone(house: House, client: Client, tmp_path: Path) -> None:
    """Of target local only the script went along, and only it is exported."""
    house.write_code("src", other_txt="x")
    house.deploy(target="local")
    export(client, tmp_path / "out")
    assert [p.name for p in (tmp_path / "out/code/blue/src").iterdir()] == ["score.py"]


def test_values_of_variables(house: House, client: Client) -> None:
    house.deploy(environment_variables={"TOKEN": "s3cret"})
    assert "s3cret" not in str(client.get_export("iris", include_values=False))
    (told,) = client.get_export("iris", include_values=True)["deployments"]
    assert told["deployment"]["environment_variables"] == {"TOKEN": "s3cret"}
    assert "key-1" not in str(client.get_export("iris", include_values=True))


def test_a_build_context(house: House, client: Client, tmp_path: Path) -> None:
    context = tmp_path / "image"
    (context / "sub").mkdir(parents=True)
    (context / "Dockerfile").write_text("FROM scratch\n")
    (context / "sub/a").write_text("x")
    deployment = house.deploy()
    own = Environment(name="own", build={"path": str(context)})  # type: ignore[arg-type]
    house.store.put_image_environment(deployment.image, own)
    written = client.download_context("iris", "blue", tmp_path / "out")
    assert {p.relative_to(tmp_path / "out").as_posix() for p in written} == {"Dockerfile", "sub/a"}


def test_exports_that_are_refused(house: House, client: Client, served: Served) -> None:
    with pytest.raises(ResourceNotFound):
        client.get_export("iris", include_values=False)
    house.engine.fail_build = "no"
    with pytest.raises(Exception, match="no"):
        house.deploy()
    with pytest.raises(ResourceNotReady, match="no deployment of endpoint 'iris' has ever served"):
        client.get_export("iris", include_values=False)
    house.engine.fail_build = ""
    house.deploy(name="green")
    document = client.get_export("iris", include_values=False)
    assert (document["left_out"], len(document["deployments"])) == (["blue"], 1)
    with pytest.raises(ResourceNotFound):
        served.house.workspace.exports.document("none", include_values=False)


def test_an_image_of_unknown_origin(house: House, client: Client) -> None:
    deployment = house.deploy()
    (house.store.home / "images" / f"{deployment.image}.json").unlink()
    with pytest.raises(ResourceNotFound, match="it is unknown what environment"):
        client.get_export("iris", include_values=False)


def test_files_that_a_container_sees(house: House, client: Client, tmp_path: Path) -> None:
    house.register("a")
    house.register("b")
    house.deploy(models=("a:1", "b:1"), target="aks", explicit_source_dir=True)
    source = read_source(client.get_export("iris", include_values=False), has_values=False)
    files = write_export(client, "iris", export_compose(source, None), tmp_path / "out")
    assert files == [
        "blue/app/azureml-models/a/1/a.pkl",
        "blue/app/azureml-models/b/1/b.pkl",
        "blue/app/src/score.py",
        "compose.yaml",
    ]
    # Again into the same folder: nothing of it is in the way.
    assert write_export(client, "iris", export_compose(source, None), tmp_path / "out") == files


def test_one_deployment_of_several(house: House, client: Client) -> None:
    house.deploy()
    house.deploy(name="green")
    document = client.get_export("iris", include_values=False)
    source = read_source(document, has_values=False, only="green")
    assert set(export_az_ml(source, "managed").texts) >= {"endpoint.yml", "green-deployment.yml"}
    assert "blue-deployment.yml" not in export_az_ml(source, "managed").texts


def test_settings_of_the_command_line(house: House, client: Client, tmp_path: Path) -> None:
    house.deploy(environment_variables={"MODE": "a"})
    export(client, tmp_path / "out")
    with pytest.raises(Exception, match="one fault") as refused:
        deploy_folder(client, tmp_path / "out")
    assert "the placeholder {{MODE}} is not filled" in str(refused.value.faults[0])  # type: ignore[attr-defined]
    assert parse_setting("environment_variables.MODE=b").value == "b"


def test_an_image_as_it_is_keeps_its_name(house: House, client: Client) -> None:
    """What was built is remembered by its digest; what is exported has the name that the user gave."""
    routes = {"port": 8080, "path": "/"}
    config = {"liveness_route": routes, "readiness_route": routes, "scoring_route": routes}
    own = Environment.parse({"name": "own", "version": "1", "image": "reg/own:7", "inference_config": config})
    house.workspace.environments.register(own)
    house.engine.own_images = {"reg/own:7": "a" * 64}
    deployment = house.deploy(environment="own:1", code=None, scoring_script=None)
    built = house.store.find_image_environment(deployment.image)
    assert built is not None
    assert built.image == f"reg/own:7@sha256:{'a' * 64}"
    (told,) = client.get_export("iris", include_values=False)["deployments"]
    assert (told["environment"]["image"], told["environment_is_registered"]) == ("reg/own:7", True)
    other = own.model_copy(update={"image": "reg/other:7"})
    house.store.put_image_environment(deployment.image, other)
    (told,) = client.get_export("iris", include_values=False)["deployments"]
    assert (told["environment"]["image"], told["environment_is_registered"]) == ("reg/other:7", False)
