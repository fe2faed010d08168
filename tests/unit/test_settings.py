"""Settings: who wins, and what a wrong one is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emulator.config import PROJECT_FILE, Settings, read_settings
from emulator.config.login import Login, remove_login, write_login
from emulator.errors import BadArgument, BadDocument


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A shell of a user without any setting."""
    return {"HOME": str(tmp_path / "me"), "XDG_CONFIG_HOME": str(tmp_path / "config")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the command is run, with a folder above it."""
    folder = tmp_path / "work/project"
    folder.mkdir(parents=True)
    return folder


def user_file(environ: dict[str, str], text: str) -> None:
    file = Path(environ["XDG_CONFIG_HOME"], "amlemu", PROJECT_FILE)
    file.parent.mkdir(parents=True)
    file.write_text(text)


def test_defaults(environ: dict[str, str], folder: Path, tmp_path: Path) -> None:
    settings = read_settings(environ | {"XDG_DATA_HOME": str(tmp_path / "data")}, folder)
    assert settings == Settings(home=(tmp_path / "data/amlemu").resolve())
    assert (settings.port, settings.gateway_port, settings.engine) == (18080, 18081, "auto")
    assert settings.endpoint_ports == range(18100, 18200)
    assert settings.control_url == "http://127.0.0.1:18080"


def test_flags_over_variables_over_project_over_user_over_defaults(environ: dict[str, str], folder: Path) -> None:
    user_file(environ, 'port = 1001\ngateway_port = 1001\nengine = "process"\npublic_host = "user"\n')
    (folder.parent / PROJECT_FILE).write_text('port = 1002\ngateway_port = 1002\nengine = "docker"\n')
    environ |= {"AMLEMU_PORT": "1003", "AMLEMU_GATEWAY_PORT": "1003", "AMLEMU_ENGINE": ""}
    settings = read_settings(environ, folder, {"port": 1004, "engine": None})
    assert settings.port == 1004
    assert settings.gateway_port == 1003
    assert settings.engine == "docker", "an empty variable and a flag that is not given say nothing"
    assert settings.public_host == "user"
    assert settings.bind_host == "127.0.0.1"


def test_the_nearest_project_file_alone_counts(environ: dict[str, str], folder: Path) -> None:
    (folder.parent / PROJECT_FILE).write_text('port = 1001\nbind_host = "::1"\n')
    (folder / PROJECT_FILE).write_text("port = 1002\n")
    settings = read_settings(environ, folder)
    assert (settings.port, settings.bind_host) == (1002, "127.0.0.1")


def test_a_home_is_relative_to_the_settings_file(environ: dict[str, str], folder: Path) -> None:
    (folder.parent / PROJECT_FILE).write_text('home = "state"\n')
    assert read_settings(environ, folder).home == (folder.parent / "state").resolve()
    assert read_settings(environ | {"AMLEMU_HOME": "state"}, folder).home == (folder / "state").resolve()
    assert read_settings(environ, folder, {"home": folder / "flag"}).home == (folder / "flag").resolve()


def test_a_home_has_one_spelling(environ: dict[str, str], folder: Path) -> None:
    (folder / "link").symlink_to(folder.parent)
    spellings = [folder / "link/state", folder / "../state", folder.parent / "state"]
    assert len({read_settings(environ | {"AMLEMU_HOME": str(s)}, folder).home for s in spellings}) == 1


def test_another_emulator(environ: dict[str, str], folder: Path) -> None:
    settings = read_settings(environ | {"AMLEMU_URL": "http://there:1"}, folder)
    assert (settings.url, settings.control_url) == ("http://there:1", "http://127.0.0.1:18080")


@pytest.mark.parametrize(("text", "ports"), [("18100-18101", range(18100, 18102)), ("18100", range(18100, 18101))])
def test_ranges_of_ports(environ: dict[str, str], folder: Path, text: str, ports: range) -> None:
    assert read_settings(environ | {"AMLEMU_ENDPOINT_PORTS": text}, folder).endpoint_ports == ports


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        (
            "AMLEMU_PORT",
            "http",
            "AMLEMU_PORT: 'http' is not a port: a whole number from 1 to 65535, or 0 for a free one",
        ),
        ("AMLEMU_PORT", "-1", "AMLEMU_PORT: '-1' is not a port"),
        ("AMLEMU_PORT", "65536", "AMLEMU_PORT: '65536' is not a port"),
        ("AMLEMU_PORT", "80.5", "AMLEMU_PORT: '80.5' is not a port"),
        ("AMLEMU_ENDPOINT_PORTS", "2-1", "AMLEMU_ENDPOINT_PORTS: '2-1' is not a range of ports"),
        ("AMLEMU_ENDPOINT_PORTS", "1-2-3", "AMLEMU_ENDPOINT_PORTS: '2-3' is not a port"),
        ("AMLEMU_ENDPOINT_PORTS", "-", "AMLEMU_ENDPOINT_PORTS: '' is not a port"),
        ("AMLEMU_ENGINE", "podman", "AMLEMU_ENGINE: 'podman' is not one of: auto, docker, process"),
    ],
)
def test_a_bad_variable(environ: dict[str, str], folder: Path, variable: str, value: str, told: str) -> None:
    with pytest.raises(BadArgument) as caught:
        read_settings(environ | {variable: value}, folder)
    assert caught.value.message.startswith(told)


def test_a_bad_flag(environ: dict[str, str], folder: Path) -> None:
    with pytest.raises(BadArgument, match="--gateway-port: '-1' is not a port"):
        read_settings(environ, folder, {"gateway_port": -1})


@pytest.mark.parametrize("value", [True, 80.0, [80], {"a": 1}])
def test_a_port_is_a_whole_number(environ: dict[str, str], folder: Path, value: Any) -> None:
    with pytest.raises(BadArgument, match="is not a port"):
        read_settings(environ, folder, {"port": value})


def test_a_project_file_that_is_not_toml(environ: dict[str, str], folder: Path) -> None:
    (folder / PROJECT_FILE).write_bytes(b"\xff\xfe")
    with pytest.raises(BadDocument, match="is not valid TOML"):
        read_settings(environ, folder)


def test_a_folder_named_like_the_project_file_is_ignored(environ: dict[str, str], folder: Path) -> None:
    (folder / PROJECT_FILE).mkdir()
    assert read_settings(environ, folder).port == 18080


# what replaces assumed facts


ASSUMED = """
port = 1001

[assumed.managed]
"routing.rejected_method" = { status = 403, body = "nope" }

[assumed.kubernetes]
"auth.swagger_key_required" = false
"""


def test_choices_of_assumed_facts(environ: dict[str, str], folder: Path) -> None:
    (folder / PROJECT_FILE).write_text(ASSUMED)
    settings = read_settings(environ, folder)
    assert settings.port == 1001
    assert settings.assumed == {
        "managed": {"routing.rejected_method": {"status": 403, "body": "nope"}},
        "kubernetes": {"auth.swagger_key_required": False},
    }


def test_assumed_facts_are_merged_row_by_row(environ: dict[str, str], folder: Path) -> None:
    user_file(
        environ, '[assumed.aks]\n"limits.instances" = 1\n"limits.model_bytes" = 1\n"container.model_dir_none" = "u"\n'
    )
    (folder / PROJECT_FILE).write_text('[assumed.aks]\n"limits.instances" = 2\n"limits.model_bytes" = 2\n')
    environ |= {"AMLEMU_ASSUMED": '{"aks": {"limits.instances": 3}, "aci": {"container.model_dir_none": null}}'}
    assert read_settings(environ, folder).assumed == {
        "aks": {"limits.instances": 3, "limits.model_bytes": 2, "container.model_dir_none": "u"},
        "aci": {"container.model_dir_none": None},
    }


def test_each_fault_of_assumed_facts_has_its_line(environ: dict[str, str], folder: Path) -> None:
    file = folder / PROJECT_FILE
    file.write_text(
        """prot = 1
[assumed.managed]
"routing.rejected_metod" = 1
'routing.methods' = ["GET"]

[assumed."aks"]
"routing.rejected_method" = { status = "403", body = "" }
[assumed.azure]
"""
    )
    with pytest.raises(BadDocument) as caught:
        read_settings(environ, folder)
    assert [(fault.where, fault.field, fault.message.partition(",")[0]) for fault in caught.value.faults] == [
        (f"{file}:1", "prot", "unknown setting 'prot'"),
        (f"{file}:3", 'assumed.managed."routing.rejected_metod"', "unknown row 'routing.rejected_metod'"),
        (
            f"{file}:4",
            'assumed.managed."routing.methods"',
            "this is not assumed but documented (v1: Advanced entry scripts",
        ),
        (f"{file}:7", 'assumed.aks."routing.rejected_method"', "status must be a whole number from 0"),
        (f"{file}:8", "assumed.azure", "unknown target 'azure'; known: managed"),
    ]
    assert "did you mean 'routing.rejected_method'?" in caught.value.faults[1].message


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\nassumed = 1\n", 2),
        ("# assumed\n[assumed]\nmanaged = 1\n", 2),
        ('[assumed]\nmanaged = { "routing.methods" = [] }\n', 2),
        ('port = 1\n[assumed]\nmanaged."routing.methods" = []\n', 3),
    ],
)
def test_faults_have_a_line_in_every_notation_of_tables(
    environ: dict[str, str], folder: Path, text: str, line: int
) -> None:
    """TOML has many ways to write a table; the line is that of the row where it can be found."""
    (folder / PROJECT_FILE).write_text(text)
    with pytest.raises(BadDocument) as caught:
        read_settings(environ, folder)
    assert [fault.where for fault in caught.value.faults] == [f"{folder / PROJECT_FILE}:{line}"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "AMLEMU_ASSUMED is not valid JSON"),
        ("[]", "AMLEMU_ASSUMED has one fault"),
        ('{"managed": {"routing.rejected_method": {"status": 403}, "a.b": 1}}', "AMLEMU_ASSUMED has 2 faults"),
    ],
)
def test_a_bad_variable_of_assumed_facts(environ: dict[str, str], folder: Path, text: str, told: str) -> None:
    with pytest.raises(BadDocument, match=told) as caught:
        read_settings(environ | {"AMLEMU_ASSUMED": text}, folder)
    assert {fault.where for fault in caught.value.faults} == {"AMLEMU_ASSUMED"}


def test_the_key_file_is_relative_to_the_settings_file(environ: dict[str, str], folder: Path) -> None:
    assert read_settings(environ, folder).aad_keys is None
    (folder.parent / PROJECT_FILE).write_text('aad_keys = "keys.json"\naad_tenant = "t"\n')
    settings = read_settings(environ, folder)
    assert (settings.aad_keys, settings.aad_tenant) == (folder.parent / "keys.json", "t")
    assert read_settings(environ | {"AMLEMU_AAD_KEYS": "mine.json"}, folder).aad_keys == folder / "mine.json"


@pytest.mark.parametrize("url", ["https://login.microsoftonline.com/common/discovery/v2.0/keys", "file:///keys.json"])
def test_a_url_of_keys_is_refused(environ: dict[str, str], folder: Path, url: str) -> None:
    with pytest.raises(BadArgument, match="AMLEMU_AAD_KEYS: must be a file with a JSON Web Key Set, not a URL"):
        read_settings(environ | {"AMLEMU_AAD_KEYS": url}, folder)


def test_the_path_of_the_key_file_must_be_a_text(environ: dict[str, str], folder: Path) -> None:
    (folder / PROJECT_FILE).write_text("aad_keys = 7\n")
    with pytest.raises(BadDocument) as caught:
        read_settings(environ, folder)
    assert caught.value.faults[0].message == "must be a text, not 7"


# quotas and chance


def test_limits_and_seed(environ: dict[str, str], folder: Path) -> None:
    assert (read_settings(environ, folder).limits, read_settings(environ, folder).traffic_seed) == ("report", None)
    (folder / PROJECT_FILE).write_text('limits = "cloud"\ntraffic_seed = 7\n')
    settings = read_settings(environ, folder)
    assert (settings.limits, settings.traffic_seed) == ("cloud", 7)
    assert read_settings(environ | {"AMLEMU_TRAFFIC_SEED": "8"}, folder).traffic_seed == 8


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("AMLEMU_LIMITS", "none", "'none' is not one of: report, cloud"),
        ("AMLEMU_TRAFFIC_SEED", "x", "'x' is not a whole number"),
    ],
)
def test_bad_limits_and_seed(environ: dict[str, str], folder: Path, variable: str, value: str, told: str) -> None:
    with pytest.raises(BadArgument, match=f"{variable}: {told}"):
        read_settings(environ | {variable: value}, folder)


# what stands in for curated environments


def test_curated_environments_are_merged_from_all_files(environ: dict[str, str], folder: Path) -> None:
    user_file(
        environ,
        '[curated_environments.ours]\npython_version = "3.8"\npackages = ["flask"]\n'
        '[curated_environments."sklearn-1.5"]\npython_version = "3.8"\npackages = ["flask"]\n',
    )
    (folder / PROJECT_FILE).write_text(
        'port = 1001\n[curated_environments."sklearn-1.5"]\npython_version = "3.11"\npackages = []\n'
    )
    settings = read_settings(environ, folder)
    assert settings.port == 1001
    assert settings.curated_environments == {
        "ours": {"python_version": "3.8", "packages": ["flask"]},
        "sklearn-1.5": {"python_version": "3.11", "packages": []},
    }
    environ["AMLEMU_CURATED_ENVIRONMENTS"] = '{"ours": {"python_version": "3.12", "packages": []}}'
    assert read_settings(environ, folder).curated_environments["ours"] == {"python_version": "3.12", "packages": []}
    assert read_settings({"HOME": "/nowhere"}, folder.parent).curated_environments == {}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("{", "Expecting property name"),
        ('{"ours": 3}', 'curated_environments."ours": must be a table of python_version and packages'),
        ("[]", "curated_environments: must be a table of environments"),
    ],
)
def test_a_bad_variable_of_curated_environments(environ: dict[str, str], folder: Path, value: str, told: str) -> None:
    with pytest.raises(BadDocument) as caught:
        read_settings(environ | {"AMLEMU_CURATED_ENVIRONMENTS": value}, folder)
    assert told in str(caught.value.faults[0])
    assert caught.value.faults[0].where == "AMLEMU_CURATED_ENVIRONMENTS"


PAIRS = {"mcr.microsoft.com/azureml/*": "local/azureml:1", "python": "mine"}


@pytest.mark.parametrize(
    "text",
    [
        "mcr.microsoft.com/azureml/*=local/azureml:1, python=mine",
        "mcr.microsoft.com/azureml/*=local/azureml:1,python=mine,",
        " mcr.microsoft.com/azureml/*=local/azureml:1  python=mine\n",
        '{"mcr.microsoft.com/azureml/*": "local/azureml:1", "python": "mine"}',
        "",
    ],
)
def test_base_images(environ: dict[str, str], folder: Path, text: str) -> None:
    (folder / PROJECT_FILE).write_text('[base_images]\npython = "another"\n')
    found = read_settings(environ | {"AMLEMU_BASE_IMAGES": text, "AMLEMU_PLATFORM": "linux/arm64"}, folder)
    assert found.base_images == (PAIRS if text else {"python": "another"})
    assert found.platform == "linux/arm64"


@pytest.mark.parametrize(
    "text",
    [
        "forge=https://mirror/forge?a=b defaults=/srv/main",
        "forge=https://mirror/forge?a=b, defaults=/srv/main",
        '{"forge": "https://mirror/forge?a=b", "defaults": "/srv/main"}',
    ],
)
def test_conda_channels(environ: dict[str, str], folder: Path, text: str) -> None:
    found = read_settings(environ | {"AMLEMU_CONDA_CHANNELS": text}, folder)
    assert found.conda_channels == {"forge": "https://mirror/forge?a=b", "defaults": "/srv/main"}


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("AMLEMU_BASE_IMAGES", "python", "must be JSON, or name=image pairs"),
        ("AMLEMU_BASE_IMAGES", "python = mine", "with commas or spaces between"),
        ("AMLEMU_CONDA_CHANNELS", "forge", "must be JSON, or name=url pairs with commas or spaces between"),
        ("AMLEMU_BASE_IMAGES", "{python", "is not valid JSON"),
        ("AMLEMU_BASE_IMAGES", '{"python": 1}', "must be a table"),
        ("AMLEMU_BASE_IMAGES", "python=", "both must be names of images"),
        ("AMLEMU_BASE_IMAGES", "python=--privileged", "both must be names of images"),
        ("AMLEMU_PLATFORM", "amd64", "is not the platform of a container"),
    ],
)
def test_bad_images(environ: dict[str, str], folder: Path, variable: str, value: str, told: str) -> None:
    with pytest.raises(BadArgument, match=variable) as caught:
        read_settings(environ | {variable: value}, folder)
    assert told in caught.value.message


def test_the_network_of_an_emulator_in_a_container(environ: dict[str, str], folder: Path) -> None:
    assert read_settings(environ, folder).network == ""
    assert read_settings(environ | {"AMLEMU_NETWORK": "team_scoring.1"}, folder).network == "team_scoring.1"
    with pytest.raises(BadArgument, match="AMLEMU_NETWORK: '--privileged' is not the name of a network"):
        read_settings(environ | {"AMLEMU_NETWORK": "--privileged"}, folder)


# tokens and logins


def test_the_control_url_of_each_bind_host() -> None:
    hosts = {
        "127.0.0.1": "127.0.0.1",
        "0.0.0.0": "127.0.0.1",
        "::": "127.0.0.1",
        "10.0.0.7": "10.0.0.7",
        "::1": "[::1]",
    }
    for bind_host, shown in hosts.items():
        assert Settings(Path("/home"), bind_host=bind_host).control_url == f"http://{shown}:18080"


def test_a_token_is_masked_and_refused_in_a_project_file(environ: dict[str, str], folder: Path) -> None:
    settings = read_settings(environ | {"AMLEMU_TOKEN": "from-the-shell"}, folder)
    assert settings.token == "from-the-shell"
    assert "from-the-shell" not in repr(settings)
    (folder / PROJECT_FILE).write_text('port = 1\ntoken = "committed"\n')
    with pytest.raises(BadDocument, match="has a token") as caught:
        read_settings(environ, folder)
    assert caught.value.faults[0].where == f"{folder / PROJECT_FILE}:2"
    assert "committed" not in str(caught.value.to_dict())


def test_a_token_in_the_user_file(environ: dict[str, str], folder: Path) -> None:
    user_file(environ, 'token = "of-the-user"\n')
    assert read_settings(environ, folder).token == "of-the-user"


def test_a_login_applies_to_its_own_url_only(environ: dict[str, str], folder: Path) -> None:
    path = write_login(environ, Login("http://team:18080", "teams-token"))
    assert path.stat().st_mode & 0o777 == 0o600
    found = read_settings(environ, folder)
    assert (found.url, found.token) == ("http://team:18080", "teams-token")
    for url, token in (("http://team:18080/", "teams-token"), ("http://evil:18080", "")):
        (folder / PROJECT_FILE).write_text(f'url = "{url}"\n')
        assert read_settings(environ, folder).token == token
    (folder / PROJECT_FILE).unlink()
    elsewhere = read_settings(environ | {"AMLEMU_URL": "http://other:1", "AMLEMU_TOKEN": "mine"}, folder)
    assert (elsewhere.url, elsewhere.token) == ("http://other:1", "mine")
    here = read_settings(environ | {"AMLEMU_HOME": str(folder)}, folder)
    assert (here.url, here.token) == ("", "")
    assert remove_login(environ)
    assert not remove_login(environ)
    assert read_settings(environ, folder).url == ""


def test_a_damaged_login(environ: dict[str, str], folder: Path) -> None:
    path = write_login(environ, Login("http://team:18080", "teams-token"))
    path.write_text('{"url": "http://team:18080"')
    with pytest.raises(BadDocument, match="is damaged") as caught:
        read_settings(environ, folder)
    assert "amlemu logout" in caught.value.hint
