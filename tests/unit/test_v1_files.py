"""v1's files as parts of a deployment: what each key comes to, and what is told of those that come to nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from emulator.azure_files.v1.deployment_config import COMPUTE_TYPES, DeploymentConfigFile, read_deployment_config
from emulator.azure_files.v1.inference_config import InferenceConfigFile, read_inference_config
from emulator.cli.deploy import deploy_command
from emulator.cli.deploy_v1 import read_v1_options
from emulator.cli.environments import named
from emulator.difference import texts
from emulator.documents.yaml_document import parse_yaml_or_json
from emulator.entities import ANONYMOUS, BuildContext, DeploymentRequest, Environment
from emulator.environments import read_environment
from emulator.errors import BadArgument, BadDocument
from emulator.secret import revealed

IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"
CONDA = {"dependencies": ["python=3.9", {"pip": ["azureml-defaults", "scikit-learn==1.3.2"]}]}
CONDA_TEXT = "dependencies:\n  - python=3.10\n  - pip:\n    - azureml-defaults\n"
# What `az ml environment scaffold` writes, but for the image.
SCAFFOLD: dict[str, Any] = {
    "name": "testenv",
    "version": None,
    "environmentVariables": {"EXAMPLE_ENV_VAR": "EXAMPLE_VALUE"},
    "python": {
        "userManagedDependencies": False,
        "interpreterPath": "python",
        "condaDependenciesFile": None,
        "baseCondaEnvironment": None,
    },
    "docker": {
        "enabled": False,
        "baseImage": IMAGE,
        "baseDockerfile": None,
        "sharedVolumes": True,
        "shmSize": "2g",
        "arguments": [],
        "baseImageRegistry": {"address": None, "username": None, "password": None},
    },
    "spark": {"repositories": [], "packages": [], "precachePackages": True},
    "databricks": {"mavenLibraries": [], "pypiLibraries": []},
    "inferencingStackVersion": None,
}


def deployment(**document: Any) -> DeploymentConfigFile:
    return read_deployment_config(parse_yaml_or_json(json.dumps(document), "deploymentconfig.json"))


def inference(files: Mapping[str, str] | None = None, **document: Any) -> InferenceConfigFile:
    text = json.dumps({"entryScript": "score.py", **document})
    return read_inference_config(parse_yaml_or_json(text, "inferenceconfig.json"), reader(files or {}))


def saved(files: Mapping[str, str] | None = None, **changes: Any) -> Environment:
    """The environment of a folder that `save_to_directory` made; a change is a section's key or the whole key."""
    document = json.loads(json.dumps(SCAFFOLD))
    for key, value in changes.items():
        document[key] = {**document[key], **value} if isinstance(document.get(key), dict) else value
    given = {"conda_dependencies.yml": CONDA_TEXT} if files is None else files
    return read_environment(json.dumps(document), "azureml_environment.json", reader(given))


def reader(files: Mapping[str, str]) -> Any:
    def read(name: str) -> str:
        if name not in files:
            raise BadArgument(f"the file '{name}' does not exist")
        return files[name]

    return read


def told(found: DeploymentConfigFile | InferenceConfigFile | Environment) -> str:
    return "\n".join(texts(found.differences))


def parts(**document: Any) -> dict[str, Any]:
    """The parts, which are good fields of a request."""
    found = dict(deployment(**document).parts)
    DeploymentRequest.parse({"endpoint_name": "iris", **found})
    return found


# documents


def test_json_may_have_tabs_and_what_yaml_reads_otherwise() -> None:
    text = '{\n\t"a": 1e3,\n\t"b": {"c": "\\ud83d\\ude00 \\/", "yes": null}\n}'
    document = parse_yaml_or_json(text, "f.json")
    assert document.data == {"a": 1000.0, "b": {"c": "😀 /", "yes": None}}
    assert document.fault(("b", "c"), "bad").where == "f.json:3"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a": 1,\n "a": 2}', "f.json:2: the key 'a' is there twice"),
        ('{\n\t"a" 1\n}', "f.json:2: Expecting ':' delimiter"),
        ('{\n"a": 1\n"b": 2}', "f.json:3: expected ',' or '}'"),
        ("a: 1\n\tb: 2", "f.json:2: found character"),
        ("[1]", "must hold a JSON object, not a list"),
        ("just a text", "must hold a YAML mapping"),
        ("", "must hold a YAML mapping (key: value), not nothing"),
    ],
)
def test_neither_yaml_nor_json(text: str, told: str) -> None:
    with pytest.raises(BadDocument) as caught:
        parse_yaml_or_json(text, "f.json")
    assert told in "\n".join([caught.value.message, *map(str, caught.value.faults)])


# deploymentconfig.json


@pytest.mark.parametrize("computed", [*COMPUTE_TYPES, "ACI", "Aks", "LOCAL"])
def test_the_target_is_the_compute_type(computed: str) -> None:
    target = computed.lower().removesuffix("endpoint")
    assert parts(computeType=computed)["target"] == target


def test_local_takes_a_port_or_none() -> None:
    assert deployment(computeType="local", port=32267).parts == {"target": "local", "port": 32267}
    assert deployment(computeType="local", port=0).parts == {"target": "local"}
    assert deployment(computeType="local", port=None, authEnabled=True).parts == {"target": "local"}


def test_the_documented_aci_document() -> None:
    resources = {"cpu": 0.5, "memoryInGB": 1.0}
    found = deployment(
        computeType="aci", containerResourceRequirements=resources, authEnabled=True, sslEnabled=False,
        appInsightsEnabled=False,
    )  # fmt: skip
    assert found.parts == {
        "target": "aci",
        "auth_mode": "key",
        "app_insights_enabled": False,
        "resources": {
            "requests": {"cpu": "0.5", "memory": "1.0Gi"},
            "limits": {"cpu": "0.5", "memory": "1.0Gi"},
        },
        "cloud_settings": {"sslEnabled": False},
    }
    assert found.differences == ()


def test_every_key_of_aci_that_only_a_cloud_acts_upon_is_told() -> None:
    asked = {
        "location": "westeurope",
        "sslEnabled": True, "sslCertificate": "cert.pem", "sslKey": "key.pem", "cname": "example.com",
        "dnsNameLabel": "iris",
        "vaultBaseUrl": "https://example.com", "keyName": "k", "keyVersion": "1",
        "vnetName": "net", "subnetName": "sub",
    }  # fmt: skip
    found = deployment(computeType="aci", appInsightsEnabled=True, **asked)
    assert found.parts["cloud_settings"] == asked
    assert [key for key in asked if key not in told(found)] == []


def test_the_documented_aks_document() -> None:
    found = deployment(
        computeType="aks",
        autoScaler={
            "autoscaleEnabled": True, "minReplicas": 2, "maxReplicas": 3, "refreshPeriodInSeconds": 1,
            "targetUtilization": 70,
        },
        dataCollection={"storageEnabled": True},
        authEnabled=True,
        containerResourceRequirements={"cpu": 0.5, "memoryInGB": 1.0, "cpuLimit": 1, "memoryInGBLimit": 2},
        appInsightsEnabled=True,
        scoringTimeoutMs=1000,
        maxConcurrentRequestsPerContainer=2,
        maxQueueWaitMs=300,
        gpuCores=1,
        livenessProbeRequirements={
            "periodSeconds": 5, "initialDelaySeconds": 30, "timeoutSeconds": 3, "successThreshold": 1,
            "failureThreshold": 4,
        },
        namespace="serving",
        computeTargetName="akscompute",
        keys={"primaryKey": "p", "secondaryKey": "s3cond"},
    )  # fmt: skip
    assert found.parts == {
        "target": "aks",
        "instance_count": 2,
        "auth_mode": "key",
        "primary_key": "p",
        "app_insights_enabled": True,
        "request_settings": {
            "request_timeout_ms": 1000,
            "max_concurrent_requests_per_instance": 2,
            "max_queue_wait_ms": 300,
        },
        "liveness_probe": {
            "initial_delay": 30, "period": 5, "timeout": 3, "success_threshold": 1, "failure_threshold": 4,
        },
        "resources": {
            "requests": {"cpu": "0.5", "memory": "1.0Gi"},
            "limits": {"cpu": "1", "memory": "2Gi"},
        },
        "cloud_settings": {
            "gpuCores": 1,
            "namespace": "serving",
            "computeTargetName": "akscompute",
            "autoScaler": {
                "autoscaleEnabled": True, "minReplicas": 2, "maxReplicas": 3, "refreshPeriodInSeconds": 1,
                "targetUtilization": 70,
            },
            "dataCollection": {"storageEnabled": True},
        },
    }  # fmt: skip
    for key in ("gpuCores", "namespace", "computeTargetName", "storageEnabled",
                "secondaryKey", "the cloud scales from 2 to 3 containers"):  # fmt: skip
        assert key in told(found)
    assert "s3cond" not in told(found)


@pytest.mark.parametrize(
    ("document", "count", "said"),
    [
        ({"numReplicas": 3}, 3, ""),
        ({"numReplicas": 3, "autoScaler": {"autoscaleEnabled": False}}, 3, ""),
        ({}, 1, "the cloud scales from 1 to 10 containers; here it is always 1"),
        (
            {"autoScaler": {"autoscaleEnabled": True, "minReplicas": 4}},
            4,
            "from 4 to 10 containers; here it is always 4",
        ),
    ],
)
def test_the_number_of_containers(document: dict[str, Any], count: int, said: str) -> None:
    found = deployment(computeType="aks", **document)
    assert found.parts["instance_count"] == count
    assert said in told(found)
    assert bool(found.differences) == bool(said)


@pytest.mark.parametrize(
    ("computed", "document", "mode"),
    [
        ("aci", {}, None),
        ("aci", {"authEnabled": True}, "key"),
        ("aci", {"authEnabled": False}, "none"),
        ("aks", {}, None),
        ("aks", {"authEnabled": False}, "none"),
        ("aks", {"tokenAuthEnabled": True}, "aml_token"),
        ("aks", {"authEnabled": False, "tokenAuthEnabled": True}, "aml_token"),
        ("aks", {"authEnabled": True, "tokenAuthEnabled": False}, "key"),
    ],
)
def test_what_callers_are_asked_for(computed: str, document: dict[str, Any], mode: str | None) -> None:
    assert parts(computeType=computed, **document).get("auth_mode") == mode


def test_a_secondary_key_alone_is_ignored_as_in_the_cloud() -> None:
    found = deployment(computeType="aci", keys={"secondaryKey": "s3cond"})
    assert "primary_key" not in found.parts
    assert "ignored without a primaryKey, as in the cloud" in told(found)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"enableAppInsights": True}, "unknown key 'enableAppInsights' is ignored, as in the cloud; did you mean"),
        ({"keys": {"primarykey": "s3cret"}}, "keys.primarykey: unknown key 'primarykey' is ignored, as in the cloud;"),
        ({"zzz": 1}, "deploymentconfig.json:1: zzz: unknown key 'zzz' is ignored, as in the cloud"),
        ({"tokenAuthEnabled": True}, "tokenAuthEnabled"),
    ],
)
def test_an_unknown_key_of_aci_is_told_and_is_no_fault(document: dict[str, Any], said: str) -> None:
    found = deployment(computeType="aci", **document)
    assert said in told(found)
    assert "s3cret" not in told(found)
    assert found.parts["target"] == "aci"


def test_aksendpoint_s_own_keys_are_known() -> None:
    found = deployment(computeType="aksendpoint", numReplicas=1, versionName="v2", trafficPercentile=20)
    assert "versionName, trafficPercentile: no effect" in told(found)
    assert "unknown key" in told(deployment(computeType="aks", numReplicas=1, versionName="v2"))


def test_one_key_without_effect_is_named_once() -> None:
    said = told(deployment(computeType="aci", location="westeurope"))
    assert "deploymentconfig.json:1: location: no effect, the service runs on this machine" in said


# inferenceconfig.json


def test_the_documented_inference_config() -> None:
    environment = {**SCAFFOLD, "python": {"userManagedDependencies": False, "condaDependencies": CONDA}}
    found = inference(sourceDirectory="./source_dir", environment=environment)
    assert (found.entry_script, found.source_directory) == ("score.py", "./source_dir")
    assert isinstance(found.environment, Environment)
    assert found.environment.name == "testenv"
    assert found.environment.image == IMAGE
    assert found.environment.python_version == "3.9"
    assert found.environment.requirements == ("azureml-defaults", "scikit-learn==1.3.2")
    assert revealed(found.environment.variables) == {"EXAMPLE_ENV_VAR": "EXAMPLE_VALUE"}
    assert found.environment.differences == ()
    assert found.differences == ()


def test_it_may_be_yaml() -> None:
    text = "entryScript: score.py\nenvironment:\n  name: my-env\n  version: 3\n"
    found = read_inference_config(parse_yaml_or_json(text, "inferenceconfig.yml"), reader({}))
    assert found.environment == "my-env:3"
    assert inference(environment={"name": "my-env"}).environment == "my-env"


def test_an_inline_environment_gets_the_next_version() -> None:
    environment = {**SCAFFOLD, "version": "7", "python": {"condaDependencies": CONDA}}
    found = inference(environment=environment).environment
    assert isinstance(found, Environment)
    assert "version" not in found.model_fields_set


def test_two_environments_without_a_name_share_no_version() -> None:
    bare = {key: value for key, value in SCAFFOLD.items() if key != "name"}
    found = [
        inference(environment={**bare, "python": {"condaDependencies": {"dependencies": [python]}}}).environment
        for python in ("python=3.9", "python=3.10")
    ]
    assert all(isinstance(each, Environment) and each.is_anonymous for each in found)
    assert len({each.id for each in found if isinstance(each, Environment)}) == 2


def test_packages_in_a_file_of_their_own() -> None:
    environment = {"name": "e", "python": {"condaDependenciesFile": "conda/env.yml"}, "docker": {"baseImage": IMAGE}}
    found = inference({"conda/env.yml": CONDA_TEXT}, environment=environment).environment
    assert isinstance(found, Environment)
    assert found.python_version == "3.10"


def test_without_an_environment_that_is_told() -> None:
    found = inference()
    assert found.environment is None
    assert "the cloud takes a default of its own" in told(found)


def test_the_keys_of_2019() -> None:
    found = inference(
        {"src/conda.yml": CONDA_TEXT},
        sourceDirectory="src", runtime="Python", condaFile="conda.yml", extraDockerfileSteps="steps", enableGpu=True,
        baseImage="iris:1", baseImageRegistry={"address": "example.azurecr.io", "password": "s3cret"},
        cudaVersion="9.0",
    )  # fmt: skip
    assert isinstance(found.environment, Environment)
    assert (found.environment.image, found.environment.python_version) == ("example.azurecr.io/iris:1", "3.10")
    for key in ("extraDockerfileSteps", "enableGpu", "cudaVersion", "baseImageRegistry"):
        assert key in told(found)
    assert "s3cret" not in f"{found}"


def test_the_runtime_alone_is_the_sdk_s_default_environment() -> None:
    found = inference(runtime="python").environment
    assert isinstance(found, Environment)
    assert (found.name, found.requirements, found.python_version) == (ANONYMOUS, ("azureml-defaults",), "3.8")


def test_a_documented_key_that_the_parser_never_read() -> None:
    found = inference(environment={"name": "e"}, extraDockerFileSteps="steps")
    assert "did you mean 'extraDockerfileSteps'?" in told(found)


# azureml_environment.json


def test_a_saved_environment_has_its_packages_beside_it() -> None:
    found = saved()
    assert (found.name, found.image, found.python_version) == ("testenv", IMAGE, "3.10")
    assert found.requirements == ("azureml-defaults",)
    assert found.differences == ()
    assert "version" not in found.model_fields_set
    assert saved(version="12").version == "12"


def test_the_file_beside_it_goes_before_what_is_inside() -> None:
    assert saved(python={"condaDependencies": CONDA}).python_version == "3.10"
    assert saved({}, python={"condaDependencies": CONDA}).python_version == "3.9"


@pytest.mark.parametrize(
    ("dockerfile", "said"),
    [
        (f"# base\nFROM --platform=linux/amd64 {IMAGE}\n", ""),
        (f"FROM {IMAGE}\nRUN apt-get update \\\n  && apt-get install -y libgomp1\nENV A=1", "other steps (ENV, RUN)"),
        (f"FROM ubuntu AS first\nFROM {IMAGE}\n", "without its other steps (FROM)"),
    ],
)
def test_a_dockerfile_comes_to_its_image(dockerfile: str, said: str) -> None:
    files = {"conda_dependencies.yml": CONDA_TEXT, "BaseDockerfile": dockerfile}
    found = saved(files, docker={"baseImage": None})
    assert found.image == IMAGE
    assert said in told(found)
    assert bool(found.differences) == bool(said)


def test_a_dockerfile_whose_image_is_a_variable_is_refused() -> None:
    files = {"conda_dependencies.yml": CONDA_TEXT, "BaseDockerfile": "ARG BASE\nFROM $BASE\n"}
    with pytest.raises(BadDocument) as caught:
        saved(files, docker={"baseImage": None})
    assert "must name an image with FROM, without variables" in str(caught.value.faults[0])


def test_a_dockerfile_with_all_packages_is_built() -> None:
    document = {**SCAFFOLD, "python": {"userManagedDependencies": True}, "docker": {"baseImage": None}}
    read = reader({"BaseDockerfile": "ARG BASE\nFROM $BASE\nRUN pip install azureml-defaults\n"})
    found = read_environment(json.dumps(document), "azureml_environment.json", read, "/home/me/env")
    assert found.build == BuildContext(path="/home/me/env", dockerfile_path="BaseDockerfile")
    assert (found.image, found.python_version, texts(found.differences)) == (None, None, ())


def test_packages_that_the_user_manages_are_those_of_the_image() -> None:
    found = saved({}, python={"userManagedDependencies": True}, docker={"baseImage": "example.com/own:1"})
    assert (found.image, found.python_version, found.requirements) == ("example.com/own:1", None, ())
    assert "inferencingStackVersion is not 'latest'" in told(found)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"docker": {"baseImage": None}}, "docker.baseImage: not named"),
        ({"docker": {"shmSize": "8g"}}, "docker.shmSize: no effect"),
        ({"docker": {"arguments": ["--network", "host"]}}, "docker.arguments: no effect"),
        ({"docker": {"platform": {"os": "Linux", "architecture": "arm64"}}}, "docker.platform.architecture"),
        ({"docker": {"baseImageRegistry": {"username": "me", "password": "s3cret"}}}, "docker.baseImageRegistry"),
        ({"python": {"baseCondaEnvironment": "base"}}, "python.baseCondaEnvironment"),
        ({"python": {"interpreterPath": "/usr/bin/python3"}}, "python.interpreterPath: no effect"),
        ({"python": {"condaDependencys": {}}}, "did you mean 'condaDependencies'?"),
        ({"inferencingStackVersion": "20"}, "inferencingStackVersion: '20'"),
        ({"name": "AzureML-Minimal"}, "cannot be registered in the cloud"),
        ({"environmentVariable": {}}, "did you mean 'environmentVariables'?"),
    ],
)
def test_keys_without_effect_are_differences(changes: dict[str, Any], said: str) -> None:
    found = saved(**changes)
    assert said in told(found)
    assert "s3cret" not in f"{found}"


def test_without_a_scoring_server_the_cloud_s_own_words_are_told() -> None:
    found = saved({"conda_dependencies.yml": "dependencies: [python=3.10, {pip: [numpy]}]"})
    assert "exec: gunicorn: not found" in told(found)
    server = "dependencies: [python=3.10, {pip: ['azureml-inference-server-http>=1.0']}]"
    assert saved({"conda_dependencies.yml": server}).differences == ()


# the command


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of v1's files, in which the command is given."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src/score.py").write_text("def init(): ...\n")
    environment = {**SCAFFOLD, "python": {"condaDependencies": CONDA}}
    document = {"entryScript": "score.py", "sourceDirectory": "src", "environment": environment}
    (tmp_path / "ic.json").write_text(json.dumps(document))
    (tmp_path / "dc.json").write_text('{"computeType": "aks", "numReplicas": 2, "scoringTimeoutMs": 1000}')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def request_of(*words: str | Path) -> tuple[str, dict[str, Any]]:
    context = deploy_command.make_context("deploy", [str(word) for word in words])
    endpoint, request = read_v1_options(context.params, {})
    DeploymentRequest.parse({"endpoint_name": endpoint, **request})
    return endpoint, request


def told_of(request: Mapping[str, Any]) -> list[str]:
    return [difference["text"] for difference in request["differences"]]


def test_the_files_make_the_request(project: Path) -> None:
    endpoint, request = request_of("--name", "iris", "--model", "m:1", "--ic", "ic.json", "--dc", "dc.json")
    assert (endpoint, request["models"], request["target"]) == ("iris", ["m:1"], "aks")
    assert (request["code"], request["scoring_script"]) == (str(project / "src"), "score.py")
    assert request["explicit_source_dir"] is True
    assert request["instance_count"] == 2
    assert request["environment"]["name"] == "testenv"
    assert request["environment_variables"] == {"EXAMPLE_ENV_VAR": "EXAMPLE_VALUE"}


def test_options_go_before_the_files(project: Path) -> None:
    words = ("--ic", "ic.json", "--dc", "dc.json", "--target", "aci", "--instance-count", "1", "--env", "MINE=1")
    more = ("--max-concurrent-requests-per-instance", "3", "-e", "my-env:1", "--auth-mode", "none")
    _, request = request_of(*words, *more)
    assert (request["target"], request["instance_count"], request["auth_mode"]) == ("aci", 1, "none")
    assert request["request_settings"] == {"request_timeout_ms": 1000, "max_concurrent_requests_per_instance": 3}
    assert (request["environment"], request["environment_variables"]) == ("my-env:1", {"MINE": "1"})
    assert any("`az ml` takes that of the file" in text for text in told_of(request))


def test_one_variable_of_the_file_may_be_replaced(project: Path) -> None:
    _, request = request_of("--ic", "ic.json", "--env", "EXAMPLE_ENV_VAR=mine")
    assert request["environment_variables"] == {"EXAMPLE_ENV_VAR": "mine"}
    assert request["target"] is None


def test_a_deployment_config_goes_with_a_script_of_the_command_line(project: Path) -> None:
    _, request = request_of("--dc", "dc.json", "--entry", "src/score.py")
    assert (request["target"], request["scoring_script"], request["explicit_source_dir"]) == ("aks", "score.py", False)


def test_without_a_source_directory_the_script_is_alone(project: Path) -> None:
    (project / "alone.yml").write_text("entryScript: src/score.py\nenvironment: {name: my-env}\n")
    _, request = request_of("--ic", "alone.yml")
    assert (request["code"], request["explicit_source_dir"]) == (str(project / "src"), False)


def test_paths_are_looked_for_beside_the_file_too(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "elsewhere").mkdir()
    monkeypatch.chdir(project / "elsewhere")
    _, request = request_of("--ic", "../ic.json")
    assert request["code"] == str(project / "src")
    assert "'src' is the one beside ic.json: `az ml` looks in the working folder" in told_of(request)


def test_a_linked_source_directory_has_the_name_of_what_it_leads_to(project: Path) -> None:
    (project / "link").symlink_to("src")
    (project / "link.yml").write_text("entryScript: score.py\nsourceDirectory: link\nenvironment: {name: my-env}\n")
    _, request = request_of("--ic", "link.yml")
    assert request["code"] == str((project / "src").resolve())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--ic", "none.json"), "the file 'none.json' does not exist"),
        (("--ic", "src"), "the file 'src' cannot be read"),
        (("--ic", "latin.json"), "is not UTF-8 text"),
        (("--ic", "ic.json", "--source-dir", "none"), "the code folder 'none' does not exist"),
        (("--ic", "ic.json", "--model", "./src/score.py"), "only LocalWebservice takes one"),
    ],
)
def test_what_cannot_be_read(project: Path, words: tuple[str, ...], said: str) -> None:
    (project / "latin.json").write_bytes(b'{"entryScript": "\xe9.py"}')
    with pytest.raises(BadArgument, match=said):
        request_of(*words)


def test_a_byte_order_mark_is_no_fault(project: Path) -> None:
    (project / "bom.json").write_bytes(b"\xef\xbb\xbf" + (project / "dc.json").read_bytes())
    _, request = request_of("--ic", "ic.json", "--dc", "bom.json")
    assert request["target"] == "aks"


def test_a_folder_names_the_environment_in_it(project: Path) -> None:
    (project / "myenv").mkdir()
    (project / "myenv/azureml_environment.json").write_text("{}")
    assert named("myenv") == {"file": str(project / "myenv/azureml_environment.json")}
    (project / "empty").mkdir()
    assert named("empty") == {"name": "empty"}
