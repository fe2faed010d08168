"""What a workspace must be after its emulator was killed: what was promised before, and no half of anything."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from amlemu_process import until
from doomed import Doomed, scored
from projects import project, script

from emulator.client.client import Json
from emulator.errors import EmulatorError, ResourceNotFound

SETTLED = ("Succeeded", "Failed", "Canceled")
RESTORED_SECONDS = 60.0


@dataclass
class Expected:
    """What an endpoint may be; several values where the emulator died before it could say which."""

    answers: dict[str, set[str]]
    keys: list[Json]
    traffic: list[dict[str, int]]
    port: int
    scoring_uri: str


@dataclass
class Deed:
    """One thing to do: `seconds` and `steps` are what it took when nobody killed the emulator."""

    name: str
    do: Callable[[], Any]
    judge: Callable[[Any, EmulatorError | None], None]
    mend: Callable[[], None] = lambda: None
    seconds: float = 1.0
    steps: int = 10


@dataclass
class World:
    """A workspace with an endpoint that serves, one with two deployments, and models, and what is known of them."""

    doomed: Doomed
    folder: Path
    random: Random
    promised: dict[str, str] = field(default_factory=dict)
    expected: dict[str, Expected] = field(default_factory=dict)
    made: int = 0

    # deeds

    def register(self) -> Deed:
        """A model of several files, one of them large."""
        source = self._fresh("model")
        for name, size in (("a.bin", 9_000_000), ("sub/b.bin", 1000), ("sub/c.txt", 0)):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(self.random.randbytes(size))
        digests = {f"{source.name}/{path.relative_to(source)}": _sha256(path) for path in _files(source)}

        def judge(result: Json | None, _error: EmulatorError | None) -> None:
            if result:
                self.promised[f"m:{result['version']}"] = repr(sorted(digests.items()))

        return Deed("register", lambda: self.client.register_model("m", {"path": str(source)}), judge)

    def deploy_new(self) -> Deed:
        """An endpoint that was not there."""
        answer, deed = self._deploy("extra", "blue")
        self.expected.pop("extra", None)

        def judge(result: Json | None, _error: EmulatorError | None) -> None:
            if result:
                self.remember("extra", {"blue": {answer}})
            else:
                self._check_unfinished("extra", "blue", answer)

        return Deed("deploy new", deed, judge, lambda: self._delete_endpoint_if_there("extra"))

    def update(self) -> Deed:
        """Another script for the endpoint that serves."""
        answer, deed = self._deploy("lasting", "blue")
        known = self.expected["lasting"]

        def judge(result: Json | None, _error: EmulatorError | None) -> None:
            known.answers["blue"] = {answer} if result else known.answers["blue"] | {answer}

        return Deed("update", deed, judge)

    def traffic(self) -> Deed:
        """Another split between two deployments."""
        blue = self.random.randint(1, 99)
        wanted = {"blue": blue, "green": 100 - blue}
        known = self.expected["pair"]

        def judge(result: Json | None, _error: EmulatorError | None) -> None:
            known.traffic = [wanted] if result else [*known.traffic, wanted]

        return Deed("traffic", lambda: self.client.update_traffic("pair", wanted), judge)

    def regenerate_keys(self) -> Deed:
        """A new primary key."""
        known = self.expected["lasting"]

        def judge(result: Json | None, _error: EmulatorError | None) -> None:
            known.keys = [result] if result else []

        return Deed("keys", lambda: self.client.regenerate_keys("lasting", "primary"), judge)

    def delete_deployment(self) -> Deed:
        """One of two."""
        known = self.expected["pair"]

        def do() -> bool:
            self.client.update_traffic("pair", {"blue": 100})
            self.client.delete_deployment("pair", "green")
            return True

        def judge(result: bool | None, _error: EmulatorError | None) -> None:
            there = {d["name"] for d in self.client.get_endpoint("pair")["deployments"]}
            assert not (result and "green" in there), "it was answered as deleted"
            known.traffic = [{}, {"blue": 100}, *known.traffic] if "green" in there else [{}, {"blue": 100}]
            if "green" in there:
                do()  # which can be done again
                known.traffic = [{}, {"blue": 100}]
            known.answers.pop("green", None)

        def mend() -> None:
            answer, deed = self._deploy("pair", "green")
            deed()
            known.answers["green"] = {answer}
            known.traffic = [{"blue": 100}]
            self.client.update_traffic("pair", {"blue": 100})

        return Deed("delete deployment", do, judge, mend)

    def delete_endpoint(self) -> Deed:
        """With all that is behind it."""
        answer, deploy = self._deploy("extra", "blue")
        deploy()
        before = self.remember("extra", {"blue": {answer}})

        def do() -> bool:
            self.client.delete_endpoint("extra")
            return True

        def judge(result: bool | None, _error: EmulatorError | None) -> None:
            there = "extra" in self._names()
            assert not (result and there), "it was answered as deleted"
            if there:
                self._check_endpoint("extra", before)
                do()
            self.expected.pop("extra", None)

        return Deed("delete endpoint", do, judge)

    def prune(self) -> Deed:
        """With something to do: what a deployment has left that is gone."""
        return Deed("prune", lambda: self.client.prune(dry_run=False), lambda _result, _error: None)

    # the checks

    def check(self) -> None:
        """Everything that was promised, and nothing that is half."""
        until(self._is_settled, "every deployment is settled", RESTORED_SECONDS)
        self._check_models()
        for name, expected in self.expected.items():
            self._check_endpoint(name, expected)

    def _is_settled(self) -> bool:
        found = self.client.list_endpoints()
        assert {e["provisioning_state"] for e in found} <= {*SETTLED, "Updating", "Creating"}
        return all(d["provisioning_state"] in SETTLED for e in found for d in e["deployments"]) and all(
            e["provisioning_state"] in SETTLED for e in found
        )

    def _check_models(self) -> None:
        there = {}
        for model in self.client.list_models(include_archived=True):
            target = self._fresh("downloaded")
            self.client.download_model(model["name"], model["version"], target)
            digests = {str(path.relative_to(target)): _sha256(path) for path in _files(target)}
            there[f"{model['name']}:{model['version']}"] = repr(sorted(digests.items()))
            stated = self.doomed.home / "models" / model["name"] / f"{model['version']}.json"
            for digest in digests.values():
                assert digest in stated.read_text(), f"{stated} names other contents"
            shutil.rmtree(target)
        assert self.promised.items() <= there.items(), "a model that was registered is whole"

    def _check_endpoint(self, name: str, expected: Expected) -> None:
        found = self.client.get_endpoint(name)
        assert (found["port"], found["scoring_uri"]) == (expected.port, expected.scoring_uri)
        assert found["provisioning_state"] == "Succeeded"
        assert found["traffic"] in expected.traffic, found["traffic"]
        keys = self.client.get_keys(name)
        assert not expected.keys or keys in expected.keys
        assert {d["name"] for d in found["deployments"]} == expected.answers.keys()
        for deployment, answers in expected.answers.items():
            for key in keys.values():
                said = until(partial(scored, found, key, deployment), f"{name} serves again")
                assert said in answers, f"{name}/{deployment} answers {said}, not {answers}"
            expected.answers[deployment] = {said}
        expected.keys, expected.traffic = [keys], [found["traffic"]]

    def _check_unfinished(self, name: str, deployment: str, answer: str) -> None:
        """An endpoint whose first deploy was cut off: not there, Failed, or whole."""
        if name not in self._names():
            return
        until(self._is_settled, "every deployment is settled", RESTORED_SECONDS)
        found = self.client.get_endpoint(name)
        for one in found["deployments"]:
            assert one["provisioning_state"] in ("Succeeded", "Failed"), one
            if one["provisioning_state"] == "Succeeded":
                assert found["traffic"] == {deployment: 100}, found["traffic"]
                self.remember(name, {deployment: {answer}})
            else:
                assert one["error"]["message"], "the reason is told"

    # the workspace

    @property
    def client(self) -> Any:
        """The control API."""
        return self.doomed.client

    def build(self) -> Mapping[str, tuple[float, int]]:
        """The workspace as it is at the beginning; how long each deed takes, and how many steps."""
        from doomed import measured

        took = {}
        for name, deployments in (("lasting", ("blue",)), ("pair", ("blue", "green"))):
            answers = {}
            for deployment in deployments:
                answer, deploy = self._deploy(name, deployment)
                deploy()
                answers[deployment] = {answer}
            self.remember(name, answers)
        for make in (self.register, self.update, self.traffic, self.regenerate_keys, self.deploy_new,
                     self.delete_deployment, self.prune):  # fmt: skip
            deed = make()
            results: list[Any] = []
            took[deed.name] = measured(self.doomed, partial(_do, deed, results))
            deed.judge(results[0], None)
            deed.mend()
        took["delete endpoint"] = took["delete deployment"]
        return took

    def remember(self, name: str, answers: dict[str, set[str]]) -> Expected:
        """From now on the endpoint is as it is."""
        found = self.client.get_endpoint(name)
        keys, traffic = [self.client.get_keys(name)], [found["traffic"]]
        self.expected[name] = Expected(answers, keys, traffic, found["port"], found["scoring_uri"])
        return self.expected[name]

    def _deploy(self, endpoint: str, deployment: str) -> tuple[str, Callable[[], Json]]:
        self.made += 1
        answer = f"answer-{self.made}"
        path = project(self._fresh("code"), script(answer))
        request = {"code": str(path.parent), "scoring_script": path.name}
        return answer, lambda: self.client.deploy(endpoint, deployment, request, lambda _kind, _text: None)

    def _delete_endpoint_if_there(self, name: str) -> None:
        with suppress(ResourceNotFound):
            self.client.delete_endpoint(name)
        self.expected.pop(name, None)

    def _names(self) -> set[str]:
        return {e["name"] for e in self.client.list_endpoints()}

    def _fresh(self, name: str) -> Path:
        self.made += 1
        folder = self.folder / f"{name}-{self.made}"
        folder.mkdir()
        return folder


def _do(deed: Deed, results: list[Any]) -> None:
    results.append(deed.do())


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
