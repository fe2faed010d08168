"""What a deploy refuses and does by target, and what settings change of it: the rows of rules, layout and assets."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
from core_support import House, Said
from fake_engine import Behaviour
from served import Served

from emulator.containers.spec import container_differences
from emulator.difference import texts
from emulator.entities import ModelRequest, Target
from emulator.errors import BadArgument, EmulatorError, OutOfQuota, ResourceNotFound, ResourceNotReady
from emulator.profiles import overridden, profile_of, read_overrides

TARGETS: tuple[Target, ...] = get_args(Target)
DIES = Behaviour(exit_code=3, log=("Traceback (most recent call last):", "ValueError: no model"))
V1: tuple[Target, ...] = ("aks", "aci", "local")

each_target = pytest.mark.parametrize("target", TARGETS)


def chosen(target: Target, **by_row: Any) -> Any:
    """The settings' choice for one target in force, by row id with `__` for the dot."""
    given = {target: {row_id.replace("__", "."): value for row_id, value in by_row.items()}}
    overrides, misfits = read_overrides(given)
    assert misfits == []
    return overridden(overrides)


def tree(house: House, endpoint: str = "iris") -> list[str]:
    return [path for path, _ in house.workspace.deployments.tree(endpoint, None)]


# all faults at once


FAULTY: dict[str, Any] = {
    "models": ["lions:1", "tigers"],
    "environment": "azureml:savanna:3",
    "instance_type": "Standard_NONE",
    "scoring_script": "missing.py",
}


def test_a_deployment_with_several_faults_is_told_all_of_them_in_one_error(house: House) -> None:
    with pytest.raises(ResourceNotFound) as caught:
        house.deploy(**FAULTY)
    told = [str(fault) for fault in caught.value.faults]
    assert caught.value.message == "4 faults"
    assert caught.value.target == "deployment blue of endpoint iris"
    assert told[0].startswith("model lions:1: no model named 'lions' is registered (amlemu model register --name lions")
    assert told[1].startswith("model tigers@latest: no model named 'tigers' is registered")
    assert told[2].startswith("environment savanna:3: ")
    assert "Standard_NONE" in told[3]
    assert house.workspace.endpoints.list_names() == []


def test_the_script_is_checked_beside_the_models(house: House) -> None:
    with pytest.raises(ResourceNotFound) as caught:
        house.deploy(models=["lions:1"], scoring_script="missing.py")
    assert [("lions" in fault.message, "missing.py" in fault.message) for fault in caught.value.faults] == [
        (True, False),
        (False, True),
    ]


@pytest.mark.parametrize("name", sorted(FAULTY))
def test_a_single_fault_is_an_error_of_its_own(house: House, name: str) -> None:
    value = FAULTY[name][:1] if name == "models" else FAULTY[name]
    with pytest.raises(EmulatorError) as caught:
        house.deploy(**{name: value})
    assert "faults" not in caught.value.message


# names


@pytest.mark.row("names.endpoint", "names.case")
@each_target
def test_a_service_of_v1_has_no_capitals_and_those_of_v2_become_small(house: House, target: Target) -> None:
    if target not in V1:
        deployed = house.deploy("Iris", target=target, name="Blue")
        assert (deployed.endpoint_name, deployed.name) == ("iris", "blue")
        house.deploy("IRIS", target=target, name="green")
        traffic = house.workspace.endpoints.update_traffic("iris", {"BLUE": 90, "Green": 10}).traffic
        assert traffic == {"blue": 90, "green": 10}
        assert house.workspace.endpoints.known_name("iRis") == "iris"
        assert house.workspace.endpoints.known_name("iris", "GREEN") == "green"
        assert house.workspace.endpoints.known_name("Other") == "Other"
        return
    with pytest.raises(BadArgument, match=f"'Iris' cannot name a service of target {target}") as caught:
        house.deploy("Iris", target=target)
    assert caught.value.hint == "--name iris"
    assert house.workspace.endpoints.list_names() == []
    assert house.deploy("iris-2", target=target).provisioning_state == "Succeeded"


@pytest.mark.row("names.together")
@each_target
def test_names_may_be_too_long_together(house: House, target: Target) -> None:
    endpoint, deployment = "e" * 32, "d" * 31
    if target == "kubernetes":
        with pytest.raises(BadArgument, match="have 63 characters together; kubernetes takes 62"):
            house.deploy(endpoint, target=target, name=deployment)
        deployment = deployment[:30]
    assert house.deploy(endpoint, target=target, name=deployment).name == deployment


# limits


@pytest.mark.row("limits.instances")
@pytest.mark.parametrize(("target", "most"), [("managed", 50), ("aci", 1), ("local", 1)])
def test_too_many_instances(house: House, target: Target, most: int) -> None:
    assert profile_of(target).rules.max_instances == most
    with pytest.raises(BadArgument, match=f"{most + 1} instances; a deployment of target {target} takes {most}"):
        house.deploy(target=target, instance_count=most + 1)
    assert house.deploy(target=target, instance_count=min(most, 2)).provisioning_state == "Succeeded"


@pytest.mark.row("limits.instances")
@pytest.mark.parametrize("target", ["kubernetes", "aks"])
def test_as_many_instances_as_one_chooses(house: House, target: Target) -> None:
    assert profile_of(target).rules.max_instances is None
    house.workspace.deployments.plan(house.request(target=target, instance_count=51))
    with chosen(target, limits__instances=3), pytest.raises(BadArgument, match="4 instances"):
        house.deploy(target=target, instance_count=4)


@pytest.mark.row("limits.deployments")
@pytest.mark.parametrize("target", V1)
def test_a_service_of_v1_has_one_deployment(house: House, target: Target) -> None:
    house.deploy(target=target)
    with pytest.raises(OutOfQuota, match=f"has one deployment, the most that {target} takes"):
        house.deploy(name="green")
    assert house.deploy().generation == 2, "an update is no second one"


@pytest.mark.row("limits.deployments")
def test_the_twenty_first_deployment_of_a_managed_endpoint(house: House) -> None:
    assert profile_of("managed").rules.max_deployments == 20
    first = house.deploy()
    for number in range(19):
        house.store.put_deployment(first.model_copy(update={"name": f"other-{number}"}))
    with pytest.raises(OutOfQuota, match="has 20 deployments, the most that managed takes"):
        house.deploy(name="green")
    house.workspace.deployments.plan(house.request(name="other-3"))


@pytest.mark.row("limits.deployments")
def test_the_number_of_deployments_on_kubernetes_can_be_chosen(house: House) -> None:
    house.deploy(target="kubernetes")
    with chosen("kubernetes", limits__deployments=1), pytest.raises(OutOfQuota):
        house.deploy(name="green")
    house.deploy(name="green")


@pytest.mark.row("limits.model_bytes")
def test_large_models_on_aci_are_a_difference(house: House) -> None:
    deployment = house.deploy(target="aci")
    small = house.register().model_copy(update={"size": 1_000_000_000})
    large = small.model_copy(update={"size": 1_000_000_001})
    assert container_differences(deployment, [small]) == []
    assert texts(container_differences(deployment, [large])) == ("aci takes models below 1 GB only",)
    elsewhere = deployment.model_copy(update={"target": "aks"})
    assert container_differences(elsewhere, [large]) == []
    with chosen("aks", limits__model_bytes=2_500_000):
        assert texts(container_differences(elsewhere, [large])) == ("aks takes models below 0.0025 GB only",)


# scripts


@pytest.mark.row("script.module_name")
@pytest.mark.parametrize("script", ["my-score.py", "2score.py", "class.py"])
@each_target
def test_a_script_of_v1_has_the_name_of_a_module(house: House, target: Target, script: str) -> None:
    (house.code / script).write_text((house.code / "score.py").read_text())
    if target not in V1:
        assert house.deploy(target=target, scoring_script=script).provisioning_state == "Succeeded"
        with chosen(target, script__module_name=True), pytest.raises(BadArgument, match="of a Python module"):
            house.deploy(target=target, scoring_script=script)
        return
    with pytest.raises(BadArgument, match=f"'{script}' cannot be an entry script of target {target}"):
        house.deploy(target=target, scoring_script=script)


# layout


@pytest.mark.row("layout.code_folder", "layout.script_alone")
@each_target
def test_the_code_folder_keeps_its_name(house: House, target: Target) -> None:
    (house.code / "help.txt").write_text("taken along")
    house.deploy(target=target, explicit_source_dir=True)
    assert tree(house) == ["src/help.txt", "src/score.py"]
    house.deploy("alone", target=target)
    alone = {"local": ["main.py", "score.py"], "aks": ["score.py"], "aci": ["score.py"]}
    assert tree(house, "alone") == alone.get(target, ["src/help.txt", "src/score.py"])


@pytest.mark.row("layout.code_folder")
def test_another_code_folder_can_be_chosen(house: House) -> None:
    """Its variables follow."""
    with chosen("kubernetes", layout__code_folder="user/{code}"):
        house.deploy(target="kubernetes")
        assert tree(house) == ["user/src/score.py"]
        assert house.engine.variables()["AML_APP_ROOT"] == "/var/azureml-app/user/src"


@pytest.mark.row("layout.ignore_files")
@each_target
def test_which_targets_read_an_ignore_file(house: House, target: Target) -> None:
    (house.code / ".amlignore").write_text("*.csv\n")
    (house.code / "big.csv").write_text("")
    house.deploy(target=target, explicit_source_dir=True)
    assert ("src/big.csv" in tree(house)) is (target in V1)


@pytest.mark.row("layout.tool_folders")
@each_target
def test_folders_of_tools_in_the_code_folder(house: House, target: Target) -> None:
    for name in (".git/config", "env/pyvenv.cfg", "__pycache__/score.pyc"):
        (house.code / name).parent.mkdir()
        (house.code / name).write_text("")
    deployment = house.deploy(target=target, explicit_source_dir=True)
    assert tree(house) == ["src/score.py"]
    assert "left out of the code: .git/, __pycache__/, env/" in texts(deployment.differences)
    with chosen(target, layout__tool_folders=True):
        house.deploy(explicit_source_dir=True)
    assert tree(house) == ["src/.git/config", "src/__pycache__/score.pyc", "src/env/pyvenv.cfg", "src/score.py"]


@pytest.mark.row("layout.model_file", "layout.model_folder", "layout.only_deployed_models")
@each_target
def test_a_model_lies_alone_under_its_own_name(house: House, tmp_path: Path, target: Target) -> None:
    (tmp_path / "weights/sub").mkdir(parents=True)
    (tmp_path / "weights/sub/a.bin").write_text("a")
    for _ in range(2):
        house.register("m")
        house.workspace.models.create(ModelRequest(name="folder", path=str(tmp_path / "weights")))
    house.deploy(target=target, explicit_source_dir=True, models=["m:2"])
    assert tree(house) == ["azureml-models/m/2/m.pkl", "src/score.py"]
    house.deploy("pets", target=target, explicit_source_dir=True, models=["folder:1"])
    assert tree(house, "pets") == ["azureml-models/folder/1/weights/sub/a.bin", "src/score.py"]


@pytest.mark.row("layout.several_models")
@each_target
def test_several_models_lie_side_by_side(house: House, target: Target) -> None:
    for name in ("m", "n"):
        house.register(name)
    house.deploy(target=target, explicit_source_dir=True, models=["m", "n"])
    assert tree(house) == ["azureml-models/m/1/m.pkl", "azureml-models/n/1/n.pkl", "src/score.py"]


@pytest.mark.row("layout.several_models")
def test_another_place_of_models_can_be_chosen(house: House) -> None:
    house.register()
    with chosen("managed", layout__several_models="{version}-{model}"):
        house.deploy(models=["m"])
    assert tree(house) == ["azureml-models/1-m/m.pkl", "src/score.py"]


# registry


@pytest.mark.row("registry.latest", "registry.archived")
@each_target
def test_latest_is_settled_by_the_deploy(house: House, target: Target) -> None:
    house.register()
    house.register(content="better")
    assert house.deploy(target=target, models=["m"]).models == ("m:2",)
    house.register(content="best")
    house.settle()
    assert house.restarted().deployment().models == ("m:2",)
    house.workspace.models.archive("m", "3")
    assert house.deploy(models=["m@latest"]).models == ("m:2",)
    assert house.deploy(models=["m:3"]).models == ("m:3",)


# variables


@pytest.mark.row("container.user_variables_win")
@each_target
def test_whose_variable_wins(house: House, target: Target) -> None:
    mine = {"AML_APP_ROOT": "/mine"}
    house.deploy(target=target, environment_variables=mine)
    assert house.engine.variables()["AML_APP_ROOT"] == "/mine"
    if target == "local":
        return
    with chosen(target, container__user_variables_win=False):
        house.deploy("pets", target=target, environment_variables=mine | {"OWN": "1"})
    variables = house.engine.containers()[-1].spec.environment_variables
    assert variables["AML_APP_ROOT"].startswith("/var/azureml-app")
    assert variables["OWN"] == "1"


@pytest.mark.row("container.read_only_mounts")
@pytest.mark.parametrize("target", ["managed", "kubernetes", "aci", "local"])
def test_writable_code_and_models_can_be_chosen(house: House, target: Target) -> None:
    """How a generation was laid out stays with it: links are never written to, whatever the settings say later."""
    house.register()
    house.deploy("links", target=target, models=["m"])
    with chosen(target, container__read_only_mounts=False):
        house.deploy("copies", target=target, models=["m"])
        later = house.restarted()
        later.workspace.deployments.stop_all()
        later.workspace.reconcile()
        later.settle()
    read_only = {c.spec.labels["amlemu.endpoint"]: c.spec.read_only for c in later.engine.containers()}
    assert read_only == {"links": True, "copies": False}
    deployed = [deployment for name in read_only for deployment in house.store.deployments(name)]
    layouts = {d.endpoint_name: house.store.layouts.path_of(d.endpoint_name, d.name, d.generation) for d in deployed}
    links = {name: (layout / "azureml-models/m/1/m.pkl").stat().st_nlink for name, layout in layouts.items()}
    assert links == {"links": 2, "copies": 1}


# updates


@pytest.mark.row("deployment.processes", "deployment.serves_while_updating")
@each_target
def test_an_update_of_the_same_code_is_a_new_process(house: House, target: Target) -> None:
    house.deploy(target=target)
    (old,) = house.running()
    seen: list[object] = []
    house.deploy(said=Said(at=("waiting", lambda: seen.append(house.instances()))))
    assert seen == [[old.id]], "the old one serves until the new one is ready"
    house.settle()
    (new,) = house.running()
    assert new.id != old.id


@pytest.mark.row("deployment.serves_while_updating")
@pytest.mark.parametrize("target", V1)
def test_a_gap_during_an_update_can_be_chosen(house: House, target: Target) -> None:
    house.deploy(target=target)
    seen: list[object] = []
    with chosen(target, deployment__serves_while_updating=False):
        house.deploy(said=Said(at=("waiting", lambda: seen.append((house.instances(), len(house.running()))))))
        assert seen == [([], 1)]
        house.engine.behaviours.append(DIES)
        with pytest.raises(ResourceNotReady):
            house.deploy()
        house.settle()
    assert len(house.instances()) == 1, "what served before comes back"


@pytest.mark.row("deployment.log_of_a_failure")
@each_target
def test_a_failure_can_be_read_about(house: House, target: Target) -> None:
    house.engine.behaviours.append(DIES)
    with pytest.raises(ResourceNotReady):
        house.deploy(target=target)
    lines = list(house.workspace.deployments.get_logs("iris", "blue", tail=None, follow=False))
    assert any("Traceback" in line for line in lines)


def test_the_control_api_gives_texts_and_groups(served: Served) -> None:
    served.house.deploy("my_endpoint", name="blue_deployment")
    document = served.ask("GET", "/onlineEndpoints/my_endpoint").json()["amlemu"]["deployments"][0]
    assert document["difference_details"][0] == {
        "text": "the cloud refuses the name 'my_endpoint': letters, digits and '-' only",
        "group": "fails_in_cloud",
        "code": "names.refused",
    }
    assert document["differences"] == [difference["text"] for difference in document["difference_details"]]


# what the settings have chosen is said


def test_a_choice_is_a_difference_of_every_deployment_of_that_target(served: Served) -> None:
    house = served.house
    house.deploy(target="aks")
    house.deploy("pets")

    def said(endpoint: str) -> list[str]:
        document = served.ask("GET", f"/onlineEndpoints/{endpoint}").json()["amlemu"]["deployments"][0]
        return [text for text in document["differences"] if "overridden" in text]

    assert said("iris") == []
    with chosen("aks", auth__wrong_key={"status": 403, "body": "no"}, container__model_dir_none="none"):
        assert said("iris") == [
            'auth.wrong_key is overridden by the settings: 403 "no"',
            "container.model_dir_none is overridden by the settings: none",
        ]
        assert said("pets") == []
    assert said("iris") == []
