"""Deployments that bring an image of their own: routes, ports, probes, models, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from core_support import House
from fake_engine import Behaviour, Running

from emulator.control_api.resources import Addresses, endpoint_resource
from emulator.difference import texts
from emulator.entities import AZUREML_ROUTES, DeploymentRequest, Environment, ModelRequest, OnlineDeployment
from emulator.errors import BadArgument, BadDocument, EngineUnavailable, ResourceNotReady
from emulator.workspace import silent_progress

DIGEST = "ab" * 32
ROUTES = {
    "liveness_route": {"port": 8080, "path": "/live"},
    "readiness_route": {"port": 8080, "path": "/ready"},
    "scoring_route": {"port": 8501, "path": "/v1/models/m:predict"},
}
MINIMAL = "mcr.microsoft.com/azureml/minimal-py311-inference:1"
QUICK = {"initial_delay": 1, "period": 1, "failure_threshold": 2}


@pytest.fixture
def byoc(house: House) -> House:
    house.engine.own_images = {"server:1": DIGEST}
    return house


def deploy(house: House, **changes: Any) -> OnlineDeployment:
    """Deploy the image without a script."""
    environment = {"name": "custom", "image": "server:1", "inference_config": ROUTES}
    document = {"endpoint_name": "iris", "environment": environment, **changes}
    return house.workspace.deployments.create_or_update(DeploymentRequest.parse(document), silent_progress())


def started(house: House) -> Running:
    (running,) = house.engine.containers()
    return running


def scoring_uri(house: House, name: str = "iris") -> str:
    workspace = house.workspace
    shown = [(deployment, ()) for deployment in workspace.deployments.list_of(name)]
    document = endpoint_resource(workspace.endpoints.get(name), shown, Addresses("127.0.0.1", 18081))
    uri: str = document["properties"]["scoringUri"]
    return uri


# Routes


@pytest.mark.row("custom.taken")
@pytest.mark.row("custom.command")
def test_an_image_runs_as_it_is(byoc: House) -> None:
    deployment = deploy(byoc)
    spec = started(byoc).spec
    assert (spec.image, spec.port, spec.other_ports, spec.launched) == (DIGEST, 8501, (8080,), False)
    assert spec.working_dir is None
    assert (deployment.image, deployment.image_reference) == (DIGEST, f"server:1@sha256:{DIGEST}")
    assert (deployment.code_configuration, deployment.own_command) == (None, True)
    assert deployment.differences == ()


@pytest.mark.row("custom.taken")
@pytest.mark.parametrize(("target", "told"), [("aks", True), ("aci", True), ("kubernetes", False), ("local", False)])
def test_v1_has_no_custom_containers(byoc: House, target: str, told: bool) -> None:
    assert any("takes no custom container" in text for text in texts(deploy(byoc, target=target).differences)) is told


@pytest.mark.row("custom.probes")
def test_probes_go_to_their_routes(byoc: House) -> None:
    deploy(byoc)
    assert byoc.engine.probed_ports == {(8080, "/live"), (8080, "/ready")}
    byoc.engine.probed_ports.clear()
    byoc.pass_time(30)
    assert byoc.engine.probed_ports == {(8080, "/live"), (8080, "/ready")}


@pytest.mark.row("custom.probes")
@pytest.mark.parametrize("path", ["/live", "/ready"])
def test_a_start_needs_both_probes(byoc: House, path: str) -> None:
    byoc.engine.behaviour = Behaviour(statuses={path: 404})
    with pytest.raises(ResourceNotReady) as caught:
        deploy(byoc, liveness_probe=QUICK)
    assert f"GET {path} on its port 8080: HTTP probe failed with statuscode: 404" in caught.value.message
    assert byoc.engine.containers() == []


@pytest.mark.row("custom.probes")
def test_each_probe_has_its_own_consequence(byoc: House) -> None:
    deploy(byoc, liveness_probe=QUICK, readiness_probe=QUICK)
    byoc.behave(statuses={"/ready": 503})
    byoc.pass_time(4)
    assert byoc.states() == [("NotReady", 0)]
    byoc.behave(statuses={"/live": 503})
    byoc.wait_for(lambda: byoc.states()[0][1] == 1)


@pytest.mark.row("custom.routes_needed")
def test_default_routes_are_those_of_azure_mls_own_server(byoc: House) -> None:
    byoc.engine.behaviour = Behaviour(ready=False, status=404)
    with pytest.raises(ResourceNotReady) as caught:
        byoc.deploy(environment={"name": "custom", "image": "server:1"}, liveness_probe=QUICK)
    assert byoc.engine.probed_ports == {(40001, "/")}
    assert "GET / on its port 5001" in caught.value.message
    assert "needs inference_config in its environment" in caught.value.message


@pytest.mark.row("custom.scoring_uri")
@pytest.mark.parametrize(
    ("target", "uri"),
    [
        ("managed", "http://127.0.0.1:18100/v1/models/m:predict"),
        ("kubernetes", "http://127.0.0.1:18081/api/v1/endpoint/iris/v1/models/m:predict"),
        ("local", "http://127.0.0.1:18100/v1/models/m:predict"),
    ],
)
def test_the_scoring_uri_ends_in_the_scoring_route(byoc: House, target: str, uri: str) -> None:
    deploy(byoc, target=target)
    assert scoring_uri(byoc) == uri


@pytest.mark.row("custom.scoring_uri")
def test_the_scoring_uri_is_that_of_most_requests(byoc: House) -> None:
    deploy(byoc)
    byoc.deploy(name="green")
    assert scoring_uri(byoc).endswith("/v1/models/m:predict")
    byoc.workspace.endpoints.update_traffic("iris", {"blue": 10, "green": 90}, None)
    assert scoring_uri(byoc).endswith(":18100/score")


@pytest.mark.row("custom.routes_may_change")
@pytest.mark.parametrize(("target", "refused"), [("kubernetes", True), ("managed", False), ("local", False)])
def test_an_update_with_other_routes(byoc: House, target: str, refused: bool) -> None:
    deploy(byoc, target=target)
    deploy(byoc)
    other = {"name": "custom", "image": "server:1", "inference_config": AZUREML_ROUTES.to_document()}
    if refused:
        with pytest.raises(BadArgument, match="Cannot override existing endpoint: InferenceLiveness"):
            deploy(byoc, environment=other)
    else:
        assert deploy(byoc, environment=other).inference_config == AZUREML_ROUTES


# Models and scripts


@pytest.mark.row("custom.model_mount_path")
@pytest.mark.parametrize(
    ("mount", "model_dir", "mounted", "laid_out"),
    [
        (None, "/var/azureml-app/azureml-models/m/1", None, "azureml-models/m/1/m.pkl"),
        ("/models", "/models/m/1", "/models", "/models/m/1/m.pkl"),
        ("/var/azureml-app/my/models/", "/var/azureml-app/my/models/m/1", None, "my/models/m/1/m.pkl"),
    ],
)
def test_where_models_lie(byoc: House, mount: str | None, model_dir: str, mounted: str | None, laid_out: str) -> None:
    byoc.register("m")
    deploy(byoc, models=["m:1"], model_mount_path=mount)
    spec = started(byoc).spec
    assert spec.environment_variables["AZUREML_MODEL_DIR"] == model_dir
    assert spec.model_mount == mounted
    assert [path for path, _ in byoc.workspace.deployments.tree("iris", "blue")] == [laid_out]


@pytest.mark.row("custom.model_mount_path")
def test_several_models_at_a_mount_path(byoc: House) -> None:
    byoc.register("m")
    byoc.register("n")
    deploy(byoc, models=["m:1", "n:1"], model_mount_path="/models", target="aks")
    assert started(byoc).spec.environment_variables["AZUREML_MODEL_DIR"] == "/models"


@pytest.mark.row("custom.script_variables")
def test_variables_of_a_custom_container_with_a_script(byoc: House) -> None:
    (byoc.code / "serve.R").write_text("function() 1\n")
    environment = {"name": "custom", "image": "server:1", "inference_config": ROUTES}
    byoc.deploy(environment=environment, scoring_script="serve.R")
    spec = started(byoc).spec
    assert spec.environment_variables == {
        "AML_APP_ROOT": "/var/azureml-app/src",
        "AZUREML_ENTRY_SCRIPT": "serve.R",
    }
    assert spec.working_dir is None


def test_a_script_that_is_not_python_needs_a_custom_container(house: House) -> None:
    (house.code / "serve.R").write_text("function() 1\n")
    with pytest.raises(BadArgument, match="must be a .py file"):
        house.deploy(scoring_script="serve.R")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"environment": {"name": "e", "image": "server:1"}}, "there is no scoring script"),
        (
            {"environment": {"name": "e", "python_version": "3.11", "inference_config": AZUREML_ROUTES.to_document()}},
            "there is no scoring script",
        ),
        ({"debug_port": 5678}, "the debugger comes with amlemu's launcher"),
        ({"environment": {"name": "e", "image": "-x", "inference_config": ROUTES}}, "cannot be the name of an image"),
    ],
)
def test_settings_that_exclude_each_other(byoc: House, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadArgument, match=message):
        deploy(byoc, **changes)
    assert byoc.workspace.endpoints.list_names() == []


def test_a_mount_path_needs_a_custom_container(house: House) -> None:
    with pytest.raises(BadArgument, match="model_mount_path is for custom containers"):
        house.deploy(model_mount_path="/models")


def test_an_image_for_another_machine(byoc: House) -> None:
    byoc.engine.behaviour = Behaviour(exit_code=1, log=("exec /serve: exec format error",))
    with pytest.raises(ResourceNotReady) as caught:
        deploy(byoc)
    assert "--platform" in caught.value.hint


# Images


def test_an_image_name_is_resolved_at_each_deploy(byoc: House) -> None:
    deploy(byoc)
    byoc.engine.own_images["server:1"] = "cd" * 32
    assert deploy(byoc).image == "cd" * 32


def test_an_image_that_is_gone_comes_back_by_its_digest(byoc: House) -> None:
    deploy(byoc)
    byoc.workspace.deployments.stop_all()
    byoc.engine.images.clear()
    byoc.engine.own_images = {"server:1": "cd" * 32, f"server:1@sha256:{DIGEST}": DIGEST}
    byoc.workspace.deployments.restore("iris", "blue")
    assert started(byoc).spec.image == DIGEST
    assert byoc.state() == "Succeeded"


def test_an_image_that_cannot_be_had(byoc: House) -> None:
    with pytest.raises(EngineUnavailable, match="image nowhere:1 is not here"):
        deploy(byoc, environment={"name": "e", "image": "nowhere:1", "inference_config": ROUTES})
    assert byoc.state() == "Failed"


def test_packages_stand_for_a_prebuilt_image_that_cannot_be_had(house: House) -> None:
    deployment = house.deploy(environment={"name": "e", "image": MINIMAL})
    assert texts(deployment.differences)[0].startswith(
        f"image {MINIMAL} is not used. Python 3.11 with azureml-inference"
    )
    spec = started(house).spec
    assert (spec.launched, spec.working_dir, deployment.own_command) == (True, "/var/azureml-app/src", False)
    house.engine.own_images[MINIMAL] = DIGEST
    there = house.deploy(environment={"name": "e", "image": MINIMAL})
    assert (there.image, there.own_command, texts(there.differences)) == (DIGEST, True, ())


def test_the_platform_is_passed_to_the_engine(byoc: House) -> None:
    deploy(byoc, platform="linux/amd64")
    assert getattr(byoc.engine.builds[-1], "platform", None) == "linux/amd64"
    with pytest.raises(BadArgument, match="platform"):
        deploy(byoc, platform="windows")


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "docker").mkdir(parents=True)
    (folder / "docker/Dockerfile").write_text("FROM scratch\n")
    routes = "".join(f"  {name}: {{port: {r['port']}, path: '{r['path']}'}}\n" for name, r in ROUTES.items())
    (folder / "environment.yml").write_text(f"name: custom\nbuild: {{path: docker}}\ninference_config:\n{routes}")
    return folder


def test_an_unchanged_context_is_not_built_again(house: House, context: Path) -> None:
    file = str(context / "environment.yml")
    first = deploy(house, environment=file)
    assert deploy(house, environment=file).image == first.image
    assert len(house.engine.builds) == 1
    (context / "docker/file").write_text("new")
    assert deploy(house, environment=file).image != first.image


def test_a_registered_context_does_not_change(house: House, context: Path) -> None:
    registered = house.workspace.environments.register(house.workspace.environments.read(context / "environment.yml"))
    again = house.workspace.environments.register(house.workspace.environments.read(context / "environment.yml"))
    assert registered.id == again.id == "custom:1"
    first = deploy(house, environment="custom:1").image
    (context / "docker/Dockerfile").write_text("FROM other\n")
    assert deploy(house, environment="custom:1").image == first
    assert (
        house.workspace.environments.register(house.workspace.environments.read(context / "environment.yml")).id
        == "custom:2"
    )
    assert deploy(house, environment="custom:2").image != first


def test_an_environment_of_the_requests_own_with_a_context_is_registered(house: House, context: Path) -> None:
    own = Environment.parse({"name": "own", "build": {"path": str(context / "docker")}, "inference_config": ROUTES})
    deploy(house, environment=own)
    (registered,) = house.workspace.environments.list_versions()
    assert registered.build is not None
    assert registered.build.path.startswith(str(house.store.home))


def test_a_context_that_is_gone(house: House, context: Path) -> None:
    (context / "docker/Dockerfile").unlink()
    own = {"name": "own", "build": {"path": str(context / "docker")}, "inference_config": ROUTES}
    with pytest.raises(BadArgument, match="the Dockerfile .* does not exist"):
        deploy(house, environment=own)


def test_models_of_the_requests_own(byoc: House, tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("w")
    deployment = deploy(byoc, models=(ModelRequest(name="own", path=str(tmp_path / "weights")),))
    assert deployment.models == ("own:1",)


@pytest.mark.row("custom.override_file")
@pytest.mark.parametrize(("target", "port"), [("local", 8080), ("managed", 5001)])
def test_the_routes_of_a_local_webservice(house: House, context: Path, target: str, port: int) -> None:
    (context / "environment.yml").write_text("build: {path: docker}\n")
    text = '{"scorePath": "predict", "healthPath": "/health", "internalTargetPort": 8080}'
    (context / "docker/container_override_config.json").write_text(text)
    house.deploy(environment=str(context / "environment.yml"), target=target)
    assert started(house).spec.port == port
    assert scoring_uri(house).endswith("/predict" if target == "local" else "/score")
    assert {path for _, path in house.engine.probed_ports} == ({"/health"} if target == "local" else {"/"})


@pytest.mark.row("custom.override_file")
@pytest.mark.parametrize("text", ["{", "[]", '{"internalTargetPort": 0}', '{"scorePath": 1}', '{"healthPath": "/a b"}'])
def test_a_file_of_routes_that_makes_no_sense(house: House, context: Path, text: str) -> None:
    (context / "environment.yml").write_text("build: {path: docker}\n")
    (context / "docker/container_override_config.json").write_text(text)
    with pytest.raises(BadDocument):
        house.deploy(environment=str(context / "environment.yml"), target="local")


def test_missing_routes_of_an_override_file_are_azure_mls_own(house: House, context: Path) -> None:
    (context / "environment.yml").write_text("build: {path: docker}\n")
    text = '{"scorePath": null, "healthPath": "alive", "other": 1}'
    (context / "docker/container_override_config.json").write_text(text)
    deployment = house.deploy(environment=str(context / "environment.yml"), target="local")
    config = deployment.inference_config
    assert config is not None
    assert (config.scoring_route, config.liveness_route.path) == (AZUREML_ROUTES.scoring_route, "/alive")


def test_prune_ignores_a_missing_context(house: House, context: Path) -> None:
    registered = house.workspace.environments.register(house.workspace.environments.read(context / "environment.yml"))
    assert registered.build is not None
    shutil.rmtree(registered.build.path)
    assert house.workspace.prune(dry_run=True) == []
    with pytest.raises(BadArgument, match="the build context .* does not exist"):
        deploy(house, environment="custom:1")
