"""Azure ML's own v2 files: what they come to, with the command line's values in place."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from emulator.azure_files import (
    Disk,
    Source,
    deployment_faults,
    deployment_requests,
    endpoint_request,
    parse_setting,
    read_files,
    read_model_file,
)
from emulator.difference import texts
from emulator.entities import DeploymentRequest, EndpointRequest, ModelRequest
from emulator.errors import BadArgument, BadDocument

ENDPOINT = """\
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json
name: {{ENDPOINT_NAME}}   # filled by a pipeline
auth_mode: AMLToken
identity: {type: UserAssigned, user_assigned_identities: [{resource_id: /subscriptions/x}]}
public_network_access: Disabled
tags: {team: vision, year: 2026}
traffic: {blue: "90", green: 10}
mirror_traffic: {green: 10}
"""
MANAGED = """\
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
name: blue
endpoint_name: {{ENDPOINT_NAME}}
model:
  name: iris
  version: 3
  path: ../models/iris
  type: MlflowModel
code_configuration:
  code: ../onlinescoring
  scoring_script: ./score.py
environment:
  name: my-env
  version: 2
  conda_file: ../env/conda.yml
  image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest
environment_variables:
  WORKERS: 2
  DEBUG: true
  TOKEN: ${{azureml://connections/x/credentials/key}}
instance_type: Standard_DS3_v2
instance_count: 2
app_insights_enabled: yes
egress_public_network_access: disabled
scale_settings: {type: default}
request_settings: {request_timeout_ms: 3000, max_concurrent_requests_per_instance: 4, max_queue_wait_ms: 0}
liveness_probe: {initial_delay: 5, failure_threshold: 3}
data_collector:
  rolling_rate: Minute
  sampling_rate: 0.5
  request_logging: {capture_headers: [x-user]}
  collections:
    request: {enabled: 'True'}
    model_inputs: {enabled: false, data: azureml:inputs:1}
"""
KUBERNETES = """\
type: kubernetes
name: blue
endpoint_name: iris
model: azureml:iris@latest
code_configuration: {code: ./src, scoring_script: score.py}
environment: azureml:sklearn:1
resources: {requests: {cpu: 0.1, memory: 0.5Gi}, limits: {cpu: 1}}
scale_settings: {type: target_utilization, min_instances: 2, max_instances: 5, target_utilization_percentage: 70}
"""
CONDA = "name: c\ndependencies: [python=3.10, pip, {pip: [azureml-inference-server-http]}]\n"
FILES = {"/repo/env/conda.yml": CONDA}
FOLDERS = ("/repo/models/iris", "/repo/onlinescoring", "/repo/deploy/src")


def kind(path: str) -> Literal["file", "folder", ""]:
    return "folder" if path in FOLDERS else "file" if path in FILES or path.endswith("score.py") else ""


DISK = Disk(kind, FILES.__getitem__)


def source(text: str, file: str = "deploy.yml") -> Source:
    return Source(file, "/repo/deploy", text)


def request(text: str, *settings: str, name: str = "iris", **variables: str) -> dict[str, Any]:
    read = read_files([source(text)], [parse_setting(s) for s in settings], name=name)
    requests, faults = deployment_requests(read, DISK, variables)
    assert faults == []
    ((_, document),) = requests
    DeploymentRequest.parse(document | {"endpoint_name": read.endpoint_name})
    return document


def test_an_endpoint() -> None:
    read = read_files([source(ENDPOINT)], name="iris")
    assert read.endpoint is not None
    assert (read.endpoint_name, read.is_kubernetes) == ("iris", False)
    assert (read.endpoint.traffic, read.endpoint.mirror_traffic) == ({"blue": 90, "green": 10}, {"green": 10})
    document = endpoint_request(read.endpoint, "managed")
    wanted = EndpointRequest.parse(document | {"name": "iris"})
    assert (wanted.auth_mode, wanted.tags) == ("aml_token", {"team": "vision", "year": "2026"})
    assert set(wanted.cloud_settings) == {"identity", "public_network_access"}
    assert texts(wanted.differences) == (
        "identity: user_assigned is only for the cloud: no identity is given to the container",
        "public_network_access: disabled is only for the cloud: the endpoint listens where the emulator does",
    )


def test_a_managed_deployment() -> None:
    document = request(MANAGED, TOKEN="mine")
    environment = document.pop("environment")
    assert document == {
        "models": [
            {"name": "iris", "version": "3", "type": "mlflow_model", "path": "/repo/models/iris", "description": "",
             "tags": {}, "properties": {}}
        ],
        "code": "/repo/onlinescoring",
        "scoring_script": "score.py",
        "explicit_source_dir": True,
        "environment_variables": {"WORKERS": "2", "DEBUG": "True", "TOKEN": "mine"},
        "request_settings": {
            "request_timeout_ms": 3000, "max_concurrent_requests_per_instance": 4, "max_queue_wait_ms": 0
        },
        "instance_type": "Standard_DS3_v2",
        "resources": None,
        "instance_count": 2,
        "app_insights_enabled": True,
        "data_collector": {
            "rolling_rate": "minute",
            "sampling_rate": 0.5,
            "collections": {
                "request": {"enabled": True, "data": None, "client_id": None},
                "model_inputs": {"enabled": False, "data": {"name": "azureml:inputs:1"}, "client_id": None},
            },
            "capture_headers": ["x-user"],
        },
        "model_mount_path": None,
        "description": "",
        "tags": {},
        "properties": {},
        "cloud_settings": {"egress_public_network_access": "disabled", "scale_settings": {"type": "default"}},
        "differences": [
            {
                "text": "egress_public_network_access: disabled is only for the cloud:"
                " the container reaches what this machine reaches",
                "group": "only_here",
                "code": "cloud_setting.egress_public_network_access",
            }
        ],
        "liveness_probe": {"initial_delay": 5, "failure_threshold": 3},
        "readiness_probe": None,
    }  # fmt: skip
    assert (environment["name"], environment["version"], environment["python_version"]) == ("my-env", "2", "3.10")


def test_a_kubernetes_deployment() -> None:
    document = request(KUBERNETES)
    assert read_files([source(KUBERNETES)]).is_kubernetes
    assert (document["models"], document["environment"]) == (["azureml:iris@latest"], "azureml:sklearn:1")
    assert document["instance_count"] == 2
    assert document["resources"] == {"requests": {"cpu": "0.1", "memory": "0.5Gi"}, "limits": {"cpu": "1"}}
    told = "scale_settings: 2 instances run, none more under load"
    assert document["differences"] == [{"text": told, "group": "differs", "code": "scaling.fixed"}]


def test_settings_stand_in_place_of_the_file() -> None:
    changed = request(
        KUBERNETES,
        "instance_count=4",
        "deployment.request_settings.request_timeout_ms=100",
        "code_configuration.code=../onlinescoring",
        "environment_variables.A=true",
    )
    assert changed["instance_count"] == 4
    assert changed["request_settings"] == {"request_timeout_ms": 100}
    assert changed["code"] == "/repo/onlinescoring"
    assert changed["environment_variables"] == {"A": "True"}


def test_a_setting_goes_to_the_file_that_has_its_key() -> None:
    both = [source(ENDPOINT, "endpoint.yml"), source(MANAGED)]
    read = read_files(both, [parse_setting("traffic.blue=100"), parse_setting("traffic.green=0")], name="iris")
    assert read.endpoint is not None
    assert read.endpoint.traffic == {"blue": 100, "green": 0}
    with pytest.raises(BadArgument, match="both files have 'tags'"):
        read_files(both, [parse_setting("tags.a=b")], name="iris")
    assert read_files(both, [parse_setting("endpoint.tags.a=b")], name="iris").endpoint.tags["a"] == "b"  # type: ignore[union-attr]


def test_a_bad_setting_is_the_place_of_its_fault() -> None:
    with pytest.raises(BadDocument) as caught:
        read_files([source(KUBERNETES)], [parse_setting("instance_count=none"), parse_setting("instance_conut=2")])
    assert sorted(map(str, caught.value.faults)) == [
        "--set instance_conut: instance_conut: unknown key 'instance_conut', did you mean 'instance_count'?",
        "--set instance_count: instance_count: 'none' is not a whole number",
    ]


@pytest.mark.parametrize("text", ["a", "=1", "a..b=1", "a.[x]=1", "a=[", "[0]b=1"])
def test_settings_that_are_none(text: str) -> None:
    with pytest.raises(BadArgument, match="--set"):
        parse_setting(text)


def test_settings_of_lists() -> None:
    text = ENDPOINT.replace("{{ENDPOINT_NAME}}", "iris")
    path = "identity.user_assigned_identities[0].resource_id"
    read = read_files([source(text)], [parse_setting(f"{path}=/other")])
    assert read.endpoint is not None and read.endpoint.identity is not None
    assert read.endpoint.identity.user_assigned_identities == [{"resource_id": "/other"}]
    with pytest.raises(BadArgument, match="the list has 1 items"):
        read_files([source(text)], [parse_setting("identity.user_assigned_identities[1]=x")])


@pytest.mark.parametrize(
    "line",
    [
        "description: {{WHAT}}",
        "description: '{{ WHAT }}'",
        "description: {{WHAT}} # said later",
        "description: x-{{WHAT}}",
        'description: {{A}}"{{B}}',
        "tags: {a: '{{WHAT}}'}",
        "properties:\n  - {{WHAT}}",
    ],
)
def test_placeholders_that_are_left(line: str) -> None:
    with pytest.raises(BadDocument) as caught:
        read_files([source(f"name: iris\n{line}\n")])
    assert "is not filled: write a value, or give --set" in "".join(map(str, caught.value.faults))


@pytest.mark.parametrize("line", ["description: a <b> c", "tags: {a: <b>}", "properties: {a: '${{ x }}'}"])
def test_texts_that_are_not_placeholders(line: str) -> None:
    assert read_files([source(f"name: iris\n{line}\n")]).endpoint_name == "iris"


def test_the_deployment_of_the_command_line() -> None:
    read = read_files([source(KUBERNETES)], name="pets", deployment="green")
    assert (read.endpoint_name, read.deployments[0].file.name) == ("pets", "green")
    other = KUBERNETES.replace("name: blue", "name: red")
    with pytest.raises(BadArgument, match="there are several deployments"):
        read_files([source(KUBERNETES), source(other, "b.yml")], deployment="green")


def test_answers_of_the_cloud_are_taken() -> None:
    shown = "name: iris\nid: /subscriptions/x\nscoring_uri: https://x\nprovisioning_state: Succeeded\nkind: Managed\n"
    read = read_files([source(f"{shown}location: westeurope\nopenapi_uri: https://x\n")])
    assert read.endpoint_name == "iris"


def test_a_models_file() -> None:
    text = (
        "$schema: x\nname: iris\nversion: 4\npath: ../models/iris\ndescription: it\ntags: {a: 1}\nstage: Production\n"
    )
    document = read_model_file(source(text), DISK)
    assert ModelRequest.parse(document) == ModelRequest(
        name="iris", version="4", path="/repo/models/iris", description="it", tags={"a": "1"}
    )


BLANKS = """\
name: blue
endpoint_name: <ENDPOINT>
model: azureml:iris@latest
environment: {image: "<ACR>.azurecr.io/<IMAGE>:{{ TAG }}", inference_config: {}}
instance_type: <ACR>
"""


def test_every_blank_is_told_with_what_fills_it() -> None:
    with pytest.raises(BadDocument) as raised:
        read_files([source(BLANKS)])
    told = {(fault.field, fault.message) for fault in raised.value.faults}
    assert told == {
        ("endpoint_name", "the placeholder <ENDPOINT> is not filled: give --name NAME"),
        *(
            (
                "environment.image",
                f"the placeholder {text} is not filled: write a value, or give --set '{text}=VALUE'",
            )
            for text in ("<ACR>", "<IMAGE>", "{{ TAG }}")
        ),
        ("instance_type", "the placeholder <ACR> is not filled: write a value, or give --set '<ACR>=VALUE'"),
    }


def test_a_placeholder_is_filled_wherever_it_is() -> None:
    settings = [parse_setting(text) for text in ("<ACR>=team", "<IMAGE>=sklearn", "{{ TAG }}=7", "<ENDPOINT>=iris")]
    read = read_files([source(BLANKS)], settings)
    file = read.deployments[0].file
    assert (read.endpoint_name, file.instance_type) == ("iris", "team")
    assert isinstance(file.environment, dict)
    assert file.environment["image"] == "team.azurecr.io/sklearn:7"


def test_a_placeholder_that_no_file_has_is_refused() -> None:
    with pytest.raises(BadArgument, match=r"--set <REGION>: the files have no such placeholder; they have <ACR>, "):
        read_files([source(BLANKS)], [parse_setting("<REGION>=x")])


def test_what_a_flag_gives_is_not_looked_for_in_the_file() -> None:
    settings = [parse_setting("instance_type=Standard_DS3_v2")]
    read = read_files([source(BLANKS)], settings, name="iris", replaced=["environment"])
    assert read.deployments[0].file.environment is None


def test_a_missing_name_tells_its_flag() -> None:
    with pytest.raises(BadDocument) as raised:
        read_files([source("environment: azureml:e:1\ninstance_type: Standard_DS3_v2\n")])
    assert [(fault.field, fault.message) for fault in raised.value.faults] == [
        ("name", "is required: write it, or give --deployment NAME"),
        ("endpoint_name", "is required: write it, or give --name NAME"),
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (
            "$schema: http://azureml/sdk-2-0/ModelVersionPackage.json\ntarget_environment: e\n",
            "a model package (az ml model package), not of an endpoint or a deployment: amlemu builds none",
        ),
        ("target_environment_name: e\ninferencing_server: {type: azureml_online}\n", "a model package"),
        (
            "$schema: https://azuremlschemas.azureedge.net/latest/batchEndpoint.schema.json\nname: b\n",
            "a batch endpoint",
        ),
        ("$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json\njobs: {}\n", "a pipeline job"),
        (
            "$schema: https://azuremlschemas.azureedge.net/latest/model.schema.json\nname: m\npath: m\n",
            "a model, not of an endpoint or a deployment: `amlemu model register -f` takes it",
        ),
        ("conda_file: c.yml\n", "an environment, not of an endpoint or a deployment: `amlemu environment register -f`"),
    ],
)
def test_another_kind_of_file_is_named_with_what_takes_it(text: str, what: str) -> None:
    with pytest.raises(BadDocument) as raised:
        read_files([source(text)])
    (fault,) = raised.value.faults
    assert fault.message.startswith(f"this is the file of {what}")


# all in one round


BROKEN = """\
name: blue
endpoint_name: iris
modle: azureml:iris:1
model: {path: ../nowhere, colour: red}
code_configuration: {code: ../gone, scoring_script: score.py}
environment: {conda_file: lost.yml, imgae: x, image: python:3.11}
environment_variables: {TOKEN: "${{azureml://connections/x/credentials/key}}"}
instance_type: Standard_DS3_v2
instance_count: many
"""


def nothing_there() -> Disk:
    def read(path: str) -> str:
        raise BadArgument(f"the file '{path}' does not exist")

    return Disk(lambda _path: "", read)


def test_unknown_keys_missing_files_and_inline_environments_are_told_in_one_round() -> None:
    with pytest.raises(BadDocument) as caught:
        read_files(
            [Source("blue.yml", "/work", BROKEN)], also=lambda some: deployment_faults(some, nothing_there(), {})
        )
    told = {fault.field for fault in caught.value.faults}
    assert {
        "modle", "model.colour", "model.path", "code_configuration.code", "environment_variables.TOKEN",
        "instance_count", "environment.imgae", "environment.conda_file",
    } <= told  # fmt: skip
    assert len(caught.value.faults) == len(set(map(str, caught.value.faults)))


@pytest.mark.parametrize("missing", ["name", "endpoint_name"])
def test_what_is_missing_hides_nothing_else(missing: str) -> None:
    text = "".join(line + "\n" for line in BROKEN.splitlines() if not line.startswith(f"{missing}:"))
    with pytest.raises(BadDocument) as caught:
        read_files([Source("blue.yml", "/work", text)], also=lambda some: deployment_faults(some, nothing_there(), {}))
    assert {missing, "code_configuration.code", "model.path"} <= {fault.field for fault in caught.value.faults}


def test_a_models_own_file_likewise() -> None:
    with pytest.raises(BadDocument) as caught:
        read_model_file(Source("model.yml", "/work", "name: m\npath: gone\ncolour: red\n"), nothing_there())
    assert {fault.field for fault in caught.value.faults} == {"colour", "path"}


# numbers and names as the SDK takes them


def test_numbers_with_a_point_and_names_with_capitals() -> None:
    text = (
        "name: Blue\nendpoint_name: Iris\nmodel: azureml:m:1\ninstance_type: Standard_DS3_v2\ninstance_count: 2.0\n"
        "request_settings: {request_timeout_ms: 60000.0, max_concurrent_requests_per_instance: 2.0}\n"
    )
    endpoint = "name: IRIS\ntraffic: {BLUE: 90.0, Green: 10}\nmirror_traffic: {Red: 5}\n"
    files = read_files([Source("e.yml", "/work", endpoint), Source("blue.yml", "/work", text)])
    assert files.endpoint is not None
    assert (files.endpoint_name, files.deployments[0].file.name) == ("iris", "blue")
    assert files.endpoint.traffic == {"blue": 90, "green": 10}
    assert files.endpoint.mirror_traffic == {"red": 5}
    settings = files.deployments[0].file.request_settings
    assert settings is not None
    assert settings.request_timeout_ms == 60000
    assert files.deployments[0].file.instance_count == 2


@pytest.mark.parametrize("number", [".inf", ".nan", "true", "'60000.0'"])
def test_texts_that_are_not_numbers_for_the_sdk(number: str) -> None:
    with pytest.raises(BadDocument, match="one fault"):
        read_files([Source("e.yml", "/work", f"name: iris\ntraffic: {{blue: {number}}}\n")])


def test_traffic_of_one_deployment_under_two_spellings() -> None:
    with pytest.raises(BadDocument) as caught:
        read_files([Source("e.yml", "/work", "name: iris\ntraffic: {blue: 50, Blue: 50}\n")])
    assert "blue is named twice" in caught.value.faults[0].message
