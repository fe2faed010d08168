"""MLflow models without a script, and Triton repositories: what is taken, what is refused, what the container sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
from core_support import House
from fake_engine import Behaviour

from emulator.difference import texts
from emulator.entities import ANONYMOUS, Environment, InferenceConfig, Model, ModelRequest, Route, Target
from emulator.errors import BadArgument, BadDocument, ResourceNotReady
from emulator.names import V1_TARGETS
from emulator.profiles import overridden, profile_of, read_overrides

TARGETS: tuple[Target, ...] = get_args(Target)
MLMODEL = "flavors:\n  python_function:\n    env: conda.yaml\n    loader_module: mlflow.sklearn\n"
CONDA = "dependencies:\n- python=3.11.7\n- pip:\n  - mlflow==2.16.0\n  - azureml-ai-monitoring\n"
ROUTE = Route(port=8000, path="/v2/health/ready")
BYOC = Environment(
    name="byoc",
    image="own/server:1",
    python_version="3.11",
    inference_config=InferenceConfig(liveness_route=ROUTE, readiness_route=ROUTE, scoring_route=ROUTE),
)
PLAIN = Environment(name=ANONYMOUS, version="b" * 64, python_version="3.11", requirements=("mlflow",))

each_target = pytest.mark.parametrize("target", TARGETS)


def files(folder: Path, **texts: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        path = folder / name.replace("__", ".").replace("_in_", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return files(tmp_path / "iris_model", MLmodel=MLMODEL, conda__yaml=CONDA)


@pytest.fixture
def model(house: House, folder: Path) -> Model:
    return house.workspace.models.create(ModelRequest(name="my_mlflow", path=str(folder), type="mlflow_model"))


def no_code(house: House, **changes: Any) -> Any:
    return house.deploy(**{"models": ["my_mlflow"], "code": None, "scoring_script": None} | changes)


@pytest.mark.row("mlflow.no_code")
@each_target
def test_a_model_alone_is_deployed(house: House, model: Model, target: Target) -> None:
    if target == "local":
        with pytest.raises(BadArgument, match="target local takes no model without a scoring script") as caught:
            no_code(house, target=target)
        assert caught.value.hint == "name the script with --entry"
        return
    deployment = no_code(house, target=target)
    assert (deployment.provisioning_state, deployment.code_configuration) == ("Succeeded", None)
    assert deployment.environment_source == "conda.yaml of MLflow model my_mlflow:1"
    (spec,) = house.engine.builds
    assert spec.requirements[:2] == ("mlflow==2.16.0", "azureml-ai-monitoring")
    assert "azureml-inference-server-http>=1" in spec.requirements
    assert spec.files["mlflow_score_script.py"]
    assert any("the cloud installs them when a container starts" in text for text in texts(deployment.differences))


@pytest.mark.row("mlflow.no_code")
def test_settings_may_disable_deployments_without_code(house: House, model: Model) -> None:
    overrides, misfits = read_overrides({"aci": {"mlflow.no_code": False}})
    assert misfits == []
    with overridden(overrides), pytest.raises(BadArgument, match="target aci takes no model without"):
        no_code(house, target="aci")


@pytest.mark.row("mlflow.model_folder", "mlflow.extra_conda_yaml", "mlflow.script")
@pytest.mark.parametrize("target", [t for t in TARGETS if t != "local"])
def test_variables_of_the_container(house: House, model: Model, target: Target) -> None:
    no_code(house, target=target)
    (running,) = house.engine.containers()
    variables, model_dir = running.spec.environment_variables, "/var/azureml-app/azureml-models/my_mlflow/1"
    assert {name: variables[name] for name in ("AML_APP_ROOT", "AZUREML_ENTRY_SCRIPT", "AZUREML_MODEL_DIR")} == {
        "AML_APP_ROOT": "/var/mlflow_resources",
        "AZUREML_ENTRY_SCRIPT": "mlflow_score_script.py",
        "AZUREML_MODEL_DIR": model_dir,
    }
    assert variables["MLFLOW_MODEL_FOLDER"] == "iris_model"
    assert variables["AZUREML_EXTRA_CONDA_YAML_ABS_PATH"] == f"{model_dir}/iris_model/conda.yaml"
    assert running.spec.working_dir == "/var/mlflow_resources"
    tree = [path for path, _ in house.workspace.deployments.tree("iris", None)]
    assert tree == [f"azureml-models/my_mlflow/1/iris_model/{name}" for name in ("MLmodel", "conda.yaml")]


@pytest.mark.row("mlflow.extra_conda_yaml")
@each_target
def test_variables_may_be_chosen_where_they_are_assumed(target: Target) -> None:
    overrides, misfits = read_overrides({target: {"mlflow.extra_conda_yaml": "none"}})
    assert bool(misfits) is (target == "managed")
    with overridden(overrides):
        variables = profile_of(target).mlflow.variables("/m", "f")
    assert ("AZUREML_EXTRA_CONDA_YAML_ABS_PATH" in variables) is (target == "managed")


def test_a_variable_of_the_users_own_is_a_difference(house: House, model: Model) -> None:
    told = texts(no_code(house, environment_variables={"MLFLOW_MODEL_FOLDER": "other"}).differences)
    assert any(text.startswith("MLFLOW_MODEL_FOLDER set by the deployment") for text in told)
    told = texts(house.deploy(environment_variables={"MLFLOW_MODEL_FOLDER": "other"}).differences)
    assert not any("MLFLOW_MODEL_FOLDER" in text for text in told)


def test_an_inline_model_is_deployed_alone(house: House, folder: Path) -> None:
    deployment = no_code(house, models=[{"path": str(folder), "type": "mlflow_model"}])
    assert deployment.environment_source == f"conda.yaml of MLflow model {folder}"
    assert house.engine.variables()["MLFLOW_MODEL_FOLDER"] == "iris_model"


def test_it_comes_back_with_the_emulator(house: House, model: Model) -> None:
    before = no_code(house)
    house.workspace.deployments.stop_all()
    house.engine.images.clear()
    again = house.restarted()
    again.workspace.reconcile()
    again.settle()
    assert again.deployment().image == before.image
    assert again.engine.builds[0].files["mlflow_score_script.py"]
    assert again.engine.variables()["MLFLOW_MODEL_FOLDER"] == "iris_model"


@pytest.mark.row("mlflow.flavor")
@pytest.mark.parametrize("environment", [None, PLAIN], ids=["derived", "given"])
def test_a_model_without_pyfunc(house: House, folder: Path, environment: Environment | None) -> None:
    (folder / "MLmodel").write_text("flavors:\n  mleap: {mleap_version: '0.23'}\n")
    with pytest.raises(BadDocument, match="MLmodel has one fault") as caught:
        no_code(house, models=[{"path": str(folder), "type": "mlflow_model", "name": "own"}], environment=environment)
    assert caught.value.target == "model own"
    (fault,) = caught.value.faults
    assert str(fault).startswith("MLmodel:1: flavors: has no flavour python_function")
    assert house.workspace.models.list_versions() == []


def test_files_of_a_registered_model_that_are_wrong(house: House, folder: Path) -> None:
    (folder / "conda.yaml").write_bytes(b"dependencies: [\xff]\n")
    house.workspace.models.create(ModelRequest(name="bad", path=str(folder), type="mlflow_model"))
    with pytest.raises(BadArgument, match=r"the file 'conda.yaml' is not UTF-8 text \(byte 15\)"):
        no_code(house, models=["bad"])


def test_a_folder_without_mlmodel(house: House, tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match="is not an MLflow model: it has no file MLmodel"):
        no_code(house, models=[{"path": str(files(tmp_path / "m", x="y")), "type": "mlflow_model"}])


def test_two_models_need_a_script(house: House, model: Model) -> None:
    house.register("m")
    with pytest.raises(BadArgument, match="2 models: an MLflow model without a scoring script is deployed alone"):
        no_code(house, models=["my_mlflow", "m"])


def test_another_model_needs_a_script(house: House) -> None:
    house.register("m")
    with pytest.raises(BadArgument, match="there is no scoring script") as caught:
        no_code(house, models=["m"])
    assert "--entry" in caught.value.hint


@pytest.mark.parametrize("target", V1_TARGETS)
def test_v1_no_code_deployment_is_refused_as_not_emulated(house: House, target: Target) -> None:
    house.register("m")
    with pytest.raises(BadArgument, match=r"\(ONNX, scikit-learn, TensorFlow\) is not emulated") as caught:
        no_code(house, models=["m"], target=target)
    assert "--entry" in caught.value.hint


# with a script, with an environment, with both


@pytest.mark.row("mlflow.script_needs_environment")
@each_target
def test_a_script_needs_an_environment(house: House, model: Model, target: Target) -> None:
    if target in ("managed", "kubernetes"):
        with pytest.raises(BadArgument, match="an MLflow model with a scoring script needs an environment") as caught:
            house.deploy(models=["my_mlflow"], target=target)
        assert caught.value.target == "model my_mlflow:1"
        assert caught.value.hint == "give --environment, or leave --entry out"
    else:
        assert house.deploy(models=["my_mlflow"], target=target).environment == "amlemu-default:1"


def test_with_both_it_is_an_ordinary_deployment(house: House, model: Model) -> None:
    assert house.deploy(models=["my_mlflow"], environment=PLAIN).environment == PLAIN.id
    variables = house.engine.variables()
    assert (variables["AML_APP_ROOT"], variables["AZUREML_ENTRY_SCRIPT"]) == ("/var/azureml-app/src", "score.py")
    assert "MLFLOW_MODEL_FOLDER" not in variables
    assert "mlflow_score_script.py" not in house.engine.builds[0].files


def test_the_file_beside_the_script_is_an_environment(house: House, model: Model) -> None:
    house.write_code("src", conda_yml="dependencies: [python=3.11]\n")
    assert house.deploy(models=["my_mlflow"]).environment_source == "conda.yml"


def test_an_environment_without_a_script_is_taken_as_it_is(house: House, model: Model) -> None:
    assert no_code(house, environment=PLAIN).environment == PLAIN.id
    (spec,) = house.engine.builds
    assert spec.requirements == PLAIN.requirements
    assert spec.files["mlflow_score_script.py"]
    assert house.engine.variables()["AML_APP_ROOT"] == "/var/mlflow_resources"


def test_a_container_of_the_users_own_is_none_of_ours(house: House, model: Model) -> None:
    no_code(house, environment=BYOC)
    assert "AML_APP_ROOT" not in house.engine.variables()
    assert "mlflow_score_script.py" not in house.engine.builds[0].files


def test_the_cause_of_a_failed_script_is_reported(house: House, model: Model) -> None:
    log = (
        "Traceback (most recent call last):",
        '  File "/azureml-envs/amlemu/lib/python3.11/site-packages/azureml_inference_server_http/x.py", line 1, in f',
        '  File "/var/mlflow_resources/mlflow_score_script.py", line 180, in init',
        '  File "/azureml-envs/amlemu/lib/python3.11/site-packages/mlflow/pyfunc/__init__.py", line 9, in load_model',
        "ModuleNotFoundError: No module named 'lightgbm'",
    )
    house.engine.behaviour = Behaviour(exit_code=3, log=log)
    with pytest.raises(ResourceNotReady) as caught:
        no_code(house)
    assert caught.value.message == "ModuleNotFoundError: No module named 'lightgbm' (mlflow_score_script.py, line 180)"


# Triton


@pytest.fixture
def triton(house: House, tmp_path: Path) -> Model:
    folder = files(tmp_path / "models", densenet_in_1_in_model__onnx="weights")
    return house.workspace.models.create(ModelRequest(name="my_triton", path=str(folder), type="triton_model"))


@pytest.mark.row("triton.no_code")
@pytest.mark.parametrize("environment", [None, PLAIN], ids=["none", "no container"])
def test_a_triton_model_asks_for_an_image(house: House, triton: Model, environment: Environment | None) -> None:
    with pytest.raises(BadArgument, match="a Triton model runs on a Triton image") as caught:
        no_code(house, models=["my_triton"], environment=environment)
    assert caught.value.target == "model my_triton:1"
    assert "`inference_config`: liveness_route {port: 8000, path: /v2/health/live}" in caught.value.hint


@pytest.mark.row("triton.no_code")
def test_a_triton_model_in_a_container_of_the_users_own(house: House, triton: Model) -> None:
    assert no_code(house, models=["my_triton"], environment=BYOC).environment == "byoc:1"


@pytest.mark.row("triton.repository")
def test_an_invalid_triton_repository(house: House, tmp_path: Path) -> None:
    folder = files(tmp_path / "densenet", **{"1_in_model__onnx": "weights"})
    with pytest.raises(BadArgument, match="is no Triton model repository") as caught:
        no_code(house, models=[{"path": str(folder), "type": "triton_model"}], environment=BYOC)
    assert caught.value.hint.endswith("register the one above it")
