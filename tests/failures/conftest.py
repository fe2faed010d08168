"""One emulator for all broken deployments, with one environment, and what is said of each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from amlemu_process import Environ, amlemu, client_of, temporary_environ
from broken import (
    DECORATORS,
    MODEL_FILES,
    REQUESTS,
    RUNS,
    STARTS,
    BrokenRequest,
    BrokenStart,
    body_for,
    calling_script,
)

from emulator.client.client import Client
from emulator.errors import EmulatorError, ResourceNotFound

# Of the server that writes the logs; with what the scripts import.
REQUIREMENTS = "azureml-inference-server-http==1.5.1\ninference-schema[numpy-support]\nnumpy\n"
# As many as the smallest machine has cores, and one that waits for a container.
_TOGETHER = 3
_SECONDS = 60

Told = tuple[str, str, str]
"""The endpoint, the first line about its failure, and the second."""


class Bench:
    """Deploys what is broken, a few at a time, and keeps what is said."""

    def __init__(self, environ: Environ, folder: Path) -> None:
        self.environ = environ
        self._folder = folder
        self._pool = ThreadPoolExecutor(_TOGETHER)
        (folder / "requirements.txt").write_text(REQUIREMENTS)
        model = folder / "model" / "model"
        for name, text in MODEL_FILES.items():
            file = model.parent / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        amlemu(environ, "model", "register", "--name", "taxi", "--path", model)
        self.deploy("warm", f"{DECORATORS}def run(data):\n    return 1\n")  # builds the environment, once

    def deploy(self, endpoint: str, script: str, **request: object) -> str:
        """Deploy a script that starts; where it answers."""
        with client_of(self.environ) as client:
            document = client.deploy(endpoint, "blue", self.request(endpoint, script, **request), lambda *_: None)
        return str(document["scoring_uri"])

    def request(
        self,
        endpoint: str,
        script: str,
        *,
        files: Mapping[str, str] | None = None,
        entry: str = "score.py",
        only_its_folder: bool = False,
        **request: object,
    ) -> dict[str, object]:
        """The body of a deploy, with its code folder in place."""
        code = self._folder / endpoint / "project"
        for name, text in {**(files or {}), entry: script}.items():
            file = code / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        folder = (code / entry).parent if only_its_folder else code
        return {
            "code": str(folder),
            "scoring_script": str((code / entry).relative_to(folder)),
            "environment": str(self._folder / "requirements.txt"),
            "models": ["taxi:1"],
            **request,
        }

    def begin(self, work: Callable[[], Told]) -> Future[Told]:
        return self._pool.submit(work)

    def close(self) -> None:
        """Begin nothing more."""
        self._pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """The emulator with its model and its environment."""
    with temporary_environ() as environ:
        bench = Bench(environ, tmp_path_factory.mktemp("broken"))
        yield bench
        bench.close()


def wanted(request: pytest.FixtureRequest) -> set[str]:
    """The faults of the tests that this run has."""
    specs = (getattr(item, "callspec", None) for item in request.session.items)
    return {spec.params["fault"] for spec in specs if spec and "fault" in spec.params}


@pytest.fixture(scope="session")
def starts(bench: Bench, request: pytest.FixtureRequest) -> dict[str, Future[Told]]:
    """What is said of deployments that do not come about."""
    faults = wanted(request)

    def tell(number: int, broken: BrokenStart) -> Told:
        endpoint = f"start-{number}"
        more = {"liveness_probe": broken.budget} if broken.budget else {}
        request = bench.request(
            endpoint, broken.script, files=broken.files, entry=broken.entry, only_its_folder=broken.only_its_folder,
            environment_variables=broken.variables, models=["taxi:1"] if broken.has_model else [], **more,
        )  # fmt: skip
        with client_of(bench.environ) as client:
            try:
                client.deploy(endpoint, "blue", request, lambda *_: None)
            except EmulatorError as error:
                with suppress(ResourceNotFound):  # refused before anything was made
                    client.delete_endpoint(endpoint)  # whose port another needs
                return endpoint, error.message, error.hint
        raise AssertionError("it serves")

    return {
        name: bench.begin(lambda number=number, broken=broken: tell(number, broken))
        for number, (name, broken) in enumerate(STARTS.items())
        if name in faults
    }


@pytest.fixture(scope="session")
def requests_told(bench: Bench) -> dict[str, Future[Told]]:
    """What is said of the answers of one deployment whose run() fails in many ways, one after the other."""
    one_at_a_time = ThreadPoolExecutor(1)
    settings = {"request_timeout_ms": 3000}
    uri = one_at_a_time.submit(bench.deploy, "requests", calling_script(), request_settings=settings)

    def tell(name: str, broken: BrokenRequest) -> Told:
        return ask(bench, "requests", uri.result(_SECONDS), broken, broken.body or body_for(name))

    return {name: one_at_a_time.submit(tell, name, broken) for name, broken in REQUESTS.items()}


@pytest.fixture(scope="session")
def runs(bench: Bench) -> dict[str, Future[Told]]:
    """What is said of the answers of deployments that each have a run() of their own."""
    scripts = list(dict.fromkeys(script for script, _ in RUNS.values()))
    served: dict[str, Future[str]] = {}

    def serve(number: int, script: str) -> str:
        return bench.deploy(f"run-{number}", DECORATORS + script)

    pool = ThreadPoolExecutor(2)
    for number, script in enumerate(scripts):
        served[script] = pool.submit(serve, number, script)

    def tell(script: str, broken: BrokenRequest) -> Told:
        endpoint = f"run-{scripts.index(script)}"
        return ask(bench, endpoint, served[script].result(_SECONDS), broken, broken.body or "{}")

    last = ThreadPoolExecutor(1)
    return {name: last.submit(tell, script, broken) for name, (script, broken) in RUNS.items()}


def ask(bench: Bench, endpoint: str, uri: str, broken: BrokenRequest, body: str) -> Told:
    """Send the request, and have its answer explained."""
    with client_of(bench.environ) as client:
        headers = {"Content-Type": broken.content_type, "Authorization": f"Bearer {_key(client, endpoint)}"}
        answer = requests.request(broken.method, uri, data=body, headers=headers | dict(broken.headers), timeout=30)
        assert not answer.ok, answer.text
        return (endpoint, *client.explain(endpoint, answer, answer.content))


def _key(client: Client, endpoint: str) -> str:
    return str(client.get_keys(endpoint)["primaryKey"])
