"""Six callers who do what they like, at the same time, to an emulator that is killed meanwhile, and what must hold."""

from __future__ import annotations

import itertools
import json
import socket
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import requests
from amlemu_process import until
from doomed import Doomed, scored
from operation_history import ABSENT, FAILED, History
from projects import project, script

from emulator.client.client import Client, Json
from emulator.errors import (
    BadArgument,
    EmulatorError,
    EngineUnavailable,
    OperationCanceled,
    OperationInProgress,
    OperationTimedOut,
    ResourceNotFound,
)

CALLERS = 6
ENDPOINTS = ("ants", "bees", "cats", "dogs")
DEPLOYMENTS = ("blue", "green")
MODELS = ("lions", "tigers")
SETTLED = ("Succeeded", "Failed")
SECONDS = 90.0
THERE = "there"
# Below each of these, whatever is there is the emulator's alone; the other folders hold what containers are given.
OWN = ("models", "environments", "images", "endpoints", "known", "logs", "uploads/claims")
NOBODY_IS_THERE = (404, 424, 502, 503)
MOST_CHANGES = 1500
"""How many changes of the disk an emulator makes at most before it dies, where that is how it dies."""
Writes = Mapping[Hashable, str]
"""What each of some registers is to hold."""


class RoundOver(Exception):
    """The emulator is dead, or as many steps as were to be made have been."""


@dataclass
class Machine:
    """The emulator, what its callers were told, and what they did last."""

    doomed: Doomed
    folder: Path
    random: Random
    history: History = field(default_factory=History)
    registered: dict[tuple[str, str], bytes] = field(default_factory=dict)
    sent: dict[str, set[bytes]] = field(default_factory=lambda: {name: set() for name in MODELS})
    generations: dict[int, tuple[str, str, str]] = field(default_factory=dict)
    last_generation: int = 0
    steps: int = 0
    restarts: int = 0
    told: list[deque[str]] = field(default_factory=lambda: [deque(maxlen=12) for _ in range(CALLERS)])
    faults: list[BaseException] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    limit: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def run(self, steps: int) -> None:
        """That many steps, a kill after every fifty or so, and a look at everything after each."""
        self.doomed.start()
        self._build_environment()
        while self.steps < steps:
            self._round(min(steps, self.steps + self.random.randint(35, 60)))
            self.doomed.start()
            self.restarts += 1
            Inspection(self).check()

    def _build_environment(self) -> None:
        """Which takes longer than all else; and each endpoint has something to serve with at the beginning."""
        for endpoint in ENDPOINTS:
            Caller(self, 0, self.random).deploy(self.doomed.client, endpoint, DEPLOYMENTS[0])

    def _round(self, limit: int) -> None:
        self.limit = limit
        self.over.clear()
        if self.random.random() < 0.5:
            self.doomed.arm(self.random.randint(1, MOST_CHANGES))
        callers = [Caller(self, number, Random(self.random.random())) for number in range(CALLERS)]
        threads = [threading.Thread(target=caller.work) for caller in callers]
        for thread in threads:
            thread.start()
        until(self.over.is_set, "the steps of a round are begun", SECONDS * 3)
        time.sleep(self.random.uniform(0, 1))  # while the last of them go on
        if self.doomed.runs:
            self.doomed.kill()
        for thread in threads:
            thread.join(SECONDS)
            assert not thread.is_alive(), "a caller of an emulator that is dead waits"
        if self.faults:
            raise self.faults[0]

    def begin_step(self) -> int:
        """Count one; RoundOver when the round has had its steps."""
        with self.lock:
            if self.over.is_set() or self.steps >= self.limit:
                self.over.set()
                raise RoundOver
            self.steps += 1
            return self.steps

    def fresh(self, name: str) -> Path:
        return self.folder / f"{name}-{next(self.numbers)}"


@dataclass
class Caller:
    """One of those who work side by side; the odd ones send their files, as from another machine."""

    machine: Machine
    number: int
    random: Random

    def work(self) -> None:
        doomed = self.machine.doomed
        self.client = Client(doomed.client.url, doomed.token, sends_files=self.number % 2 == 1)
        try:
            with self.client:
                while True:
                    self._step()
        except RoundOver:
            pass
        except BaseException as error:  # reported by the thread that waits for this one
            self.machine.faults.append(error)
        finally:
            self.machine.over.set()

    def _step(self) -> None:
        number = self.machine.begin_step()
        steps: dict[Callable[[], str], int] = {
            self._register: 20,
            self._deploy: 18,
            self._set_traffic: 14,
            self._ask: 26,
            self._delete_deployment: 9,
            self._delete_endpoint: 5,
            self._prune: 8,
        }
        (step,) = self.random.choices(list(steps), list(steps.values()))
        words = self.machine.told[self.number]
        words.append(f"{number} {step.__name__.strip('_')}: not answered")
        try:
            told = step()
        except (EngineUnavailable, OperationTimedOut, requests.RequestException) as error:
            words[-1] += f" ({error})"
            until(lambda: not self.machine.doomed.runs, f"only a dead emulator does not answer: {error!r}", 10)
            raise RoundOver from error
        words[-1] = f"{number} {step.__name__.strip('_')}: {told}"

    def _register(self) -> str:
        name = self.random.choice(MODELS)
        source, content = self.machine.fresh("model"), self.random.randbytes(self.random.randint(0, 5000))
        source.write_bytes(content)
        with self.machine.lock:
            self.machine.sent[name].add(content)
        version = self.client.register_model(name, {"path": str(source)})["version"]
        with self.machine.lock:
            assert (name, version) not in self.machine.registered, f"version {version} of {name} was given twice"
            self.machine.registered[name, version] = content
        return f"{name}:{version}"

    def _deploy(self) -> str:
        return self.deploy(self.client, *self._one())

    def deploy(self, client: Client, endpoint: str, deployment: str) -> str:
        answer = f"answer-{next(self.machine.numbers)}"
        path = project(self.machine.fresh("code"), script(answer))
        request: Json = {"code": str(path.parent), "scoring_script": path.name}
        with self.machine.lock:
            known = list(self.machine.registered)
        if known:
            request["models"] = [":".join(self.random.choice(known))]
        writes: Writes = {(endpoint, deployment): answer, endpoint: THERE, (endpoint, "traffic"): ""}
        possible: Writes = {(endpoint, deployment): FAILED, endpoint: THERE}

        def do() -> None:
            client.put_deployment(endpoint, deployment, request, lambda _kind, _text: None)

        return self._change(f"{endpoint}/{deployment} {answer}", writes, do, OperationCanceled, refused=possible)

    def _set_traffic(self) -> str:
        endpoint, blue = self.random.choice(ENDPOINTS), self.random.choice((0, 100, self.random.randint(1, 99)))
        wanted = {name: percent for name, percent in (("blue", blue), ("green", 100 - blue)) if percent}
        began = time.monotonic()

        def do() -> None:
            try:
                self.client.update_traffic(endpoint, wanted)
            except (ResourceNotFound, BadArgument):
                self._one_may_be_absent(began, endpoint, *((endpoint, name) for name in wanted))
                raise

        writes: Writes = {(endpoint, "traffic"): json.dumps(wanted)}
        return self._change(f"{endpoint} {wanted}", writes, do, ResourceNotFound, BadArgument)

    def _delete_deployment(self) -> str:
        endpoint, deployment = self._one()
        began = time.monotonic()

        def do() -> None:
            try:
                self.client.delete_deployment(endpoint, deployment)
            except ResourceNotFound:
                self._one_may_be_absent(began, endpoint, (endpoint, deployment))
                raise

        writes: Writes = {(endpoint, deployment): ABSENT, (endpoint, "traffic"): ""}
        return self._change(f"{endpoint}/{deployment}", writes, do, ResourceNotFound)

    def _delete_endpoint(self) -> str:
        endpoint = self.random.choice(ENDPOINTS)
        began = time.monotonic()

        def do() -> None:
            try:
                self.client.delete_endpoint(endpoint)
            except ResourceNotFound:
                self._one_may_be_absent(began, endpoint)
                raise

        registers: tuple[Hashable, ...] = (endpoint, *((endpoint, name) for name in DEPLOYMENTS))
        writes: Writes = {**dict[Hashable, str].fromkeys(registers, ABSENT), (endpoint, "traffic"): ""}
        return self._change(endpoint, writes, do, ResourceNotFound)

    def _prune(self) -> str:
        try:
            return f"{len(self.client.prune(dry_run=False))} things"
        except OperationInProgress as error:
            return error.code

    def _ask(self) -> str:
        """One request to one deployment: what answers was deployed, and not replaced before the request began."""
        endpoint, deployment = self._one()
        began = time.monotonic()
        try:
            uri, key = self.client.get_endpoint(endpoint)["scoring_uri"], self.client.get_keys(endpoint)["primaryKey"]
        except ResourceNotFound:
            self._one_may_be_absent(began, endpoint)
            return f"{endpoint} is not there"
        headers = {"Authorization": f"Bearer {key}", "azureml-model-deployment": deployment}
        try:
            answer = requests.post(uri, json={}, headers=headers, timeout=60)
        except requests.ConnectionError:
            if not self.machine.doomed.runs or ABSENT not in self.machine.history.possible(endpoint, began):
                raise
            return f"{endpoint} is gone"
        possible = self.machine.history.possible((endpoint, deployment), began)
        if answer.ok:
            said = answer.json()["answer"]
            assert said in possible, f"{endpoint}/{deployment} answers {said}, not {possible}"
            return f"{endpoint}/{deployment} {said}"
        # Another port or other keys are those of an endpoint that was deleted, and perhaps made again.
        gone = ABSENT in self.machine.history.possible(endpoint, began)
        assert answer.status_code in NOBODY_IS_THERE or (gone and answer.status_code == 401), answer.text
        assert gone or possible & {ABSENT, FAILED}, f"{endpoint}/{deployment}: {answer.status_code}, not {possible}"
        return f"{endpoint}/{deployment} {answer.status_code}"

    def _one(self) -> tuple[str, str]:
        return self.random.choice(ENDPOINTS), self.random.choice(DEPLOYMENTS)

    def _one_may_be_absent(self, since: float, *registers: Hashable) -> None:
        possible = {register: self.machine.history.possible(register, since) for register in registers}
        assert any(found & {ABSENT, FAILED} for found in possible.values()), f"refused, though there are {possible}"

    def _change(
        self,
        what: str,
        writes: Writes,
        do: Callable[[], None],
        *refusals: type[EmulatorError],
        refused: Writes | None = None,
    ) -> str:
        """Do it, as an operation of the history; `refused` is what it may have written after one of `refusals`, or
        when others were in its way."""
        try:
            with self.machine.history.operation(writes) as operation:
                self._patiently(do)
        except EmulatorError as error:
            if not isinstance(error, (OperationInProgress, *refusals)):
                raise
            self.machine.history.refused(operation, refused or {})
            return f"{what}: {error.code}"
        return what

    def _patiently(self, do: Callable[[], None]) -> None:
        """Somebody else's operation on the same endpoint may be in the way for a while."""
        for _ in range(8):
            with suppress(OperationInProgress):
                do()
                return
            time.sleep(self.random.uniform(0, 0.3))
            if self.machine.over.is_set():
                break
        do()


class Inspection:
    """Everything that must hold of an emulator that has just been started again."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._client: Any = machine.doomed.client
        self._home = machine.doomed.home

    def check(self) -> None:
        """What was acknowledged is there, nothing is half, and once pruned, nothing is left of what is gone."""
        began = time.monotonic()
        until(self._is_settled, "every deployment is settled", SECONDS)
        self._check_modes()
        self._check_models()
        known: dict[Hashable, str] = {}
        endpoints = {found["name"]: found for found in self._client.list_endpoints()}
        for name in ENDPOINTS:
            known |= self._endpoint(name, endpoints.get(name), began)
        self._check_generations(known)
        self._client.prune(dry_run=False)
        self._wait_for_ends(endpoints)
        self._check_models()
        assert self._client.list_damage() == []
        self._machine.history.settle(known)
        self._machine.doomed.check_said()

    def _wait_for_ends(self, endpoints: Mapping[str, Json]) -> None:
        """What was replaced ends in the background."""
        deadline = time.monotonic() + SECONDS
        while left := self._leftovers(endpoints):
            assert time.monotonic() < deadline, f"pruned, and there are still {left}"
            time.sleep(0.2)

    def _is_settled(self) -> bool:
        found = self._client.list_endpoints()
        return all(one["provisioning_state"] in SETTLED for e in found for one in (e, *e["deployments"]))

    # models

    def _check_models(self) -> None:
        """What was registered has the very bytes that were sent; what was not acknowledged is whole."""
        there = {}
        for model in self._client.list_models(include_archived=True):
            name, version = model["name"], model["version"]
            target = self._machine.fresh("downloaded")
            (file,) = self._client.download_model(name, version, target)
            there[name, version] = file.read_bytes()
            assert there[name, version] in self._machine.sent[name], f"{name}:{version} was never sent"
        for known, content in self._machine.registered.items():
            assert there.get(known) == content, f"{known} was registered"
        self._machine.registered |= there  # whose versions are never given again either

    # endpoints

    def _endpoint(self, name: str, found: Json | None, began: float) -> dict[Hashable, str]:
        """What there is of it, all of which may be."""
        history = self._machine.history
        assert (THERE if found else ABSENT) in history.possible(name, began), f"{name}: {found}"
        by_name = {d["name"]: d for d in found["deployments"]} if found else {}
        known: dict[Hashable, str] = {name: THERE if found else ABSENT}
        for deployment in DEPLOYMENTS:
            state = self._deployment(found, by_name.get(deployment))
            possible = history.possible((name, deployment), began)
            was_cut_off = state == FAILED and possible & {ABSENT, FAILED} and possible - {ABSENT}
            assert state in possible or was_cut_off, f"{name}/{deployment} is {state}, not {possible}"
            known[name, deployment] = state
        if found:
            known[name, "traffic"] = self._traffic(found, set(by_name), began)
        return known

    def _deployment(self, endpoint: Json | None, deployment: Json | None) -> str:
        """What it answers, or FAILED with a reason, or ABSENT."""
        if endpoint is None or deployment is None:
            return ABSENT
        if deployment["provisioning_state"] == "Failed":
            assert deployment["error"]["message"], "the reason is told"
            return FAILED
        assert not endpoint["out_of_service"], endpoint["out_of_service"]
        key = self._client.get_keys(endpoint["name"])["primaryKey"]
        name = deployment["name"]
        return str(until(lambda: scored(endpoint, key, name), f"{endpoint['name']}/{name} serves again", SECONDS))

    def _traffic(self, endpoint: Json, deployments: set[str], began: float) -> str:
        traffic = endpoint["traffic"]
        assert traffic.keys() <= deployments, f"{traffic} names what is not there of {deployments}"
        assert sum(traffic.values()) in (0, 100), traffic
        possible = self._machine.history.possible((endpoint["name"], "traffic"), began)
        # '' is of an operation that changes traffic as a consequence: whatever is valid may be.
        wanted = [] if possible & {"", ABSENT} else [json.loads(text) for text in possible]
        found = {name: percent for name, percent in traffic.items() if percent}
        assert not wanted or found in wanted, f"traffic is {traffic}, not {wanted}"
        return json.dumps(found)

    # the home

    def _documents(self) -> list[Json]:
        return [json.loads(p.read_text()) for p in sorted(self._home.glob("endpoints/*/deployments/*.json"))]

    def _check_generations(self, known: Mapping[Hashable, str]) -> None:
        """A number belongs to one answer of one deployment for ever, and a new one is larger than all before."""
        last = json.loads((self._home / "generations.json").read_text())["last"]
        for document in self._documents():
            name, number = (document["endpoint_name"], document["name"]), document["generation"]
            assert number <= last, f"{number} was never drawn"
            if known[name] == FAILED:
                continue
            meaning = (*name, known[name])
            assert number in self._machine.generations or number > self._machine.last_generation, f"{number} is old"
            before = self._machine.generations.setdefault(number, meaning)
            assert before == meaning, f"generation {number} was {before} and is {meaning}"
        assert self._machine.last_generation <= last, "numbers go on"
        self._machine.last_generation = last

    def _check_modes(self) -> None:
        entries = [self._home, *self._home.iterdir(), *(p for name in OWN for p in (self._home / name).rglob("*"))]
        for path in entries:
            with suppress(FileNotFoundError):  # a document's temporary file
                mode = stat.S_IMODE(path.stat().st_mode)
                assert mode == (0o700 if path.is_dir() else 0o600), f"{path} has {mode:o}"

    def _leftovers(self, endpoints: Mapping[str, Json]) -> list[str]:
        """What nothing means of what lies in the home and listens on its ports."""
        serving = {f"{d['endpoint_name']}/{d['name']}/{d['generation']}" for d in self._documents() if d["serving"]}
        layouts = {str(p.relative_to(self._home / "layouts")) for p in self._home.glob("layouts/*/*/*")}
        containers = [p.name for p in self._home.glob("process/containers/*")]
        logs = {p.name for p in self._home.glob("logs/*") if not p.name.startswith("build-")}
        wanted = {f["sha256"] for p in self._home.glob("models/*/*.json") for f in json.loads(p.read_text())["files"]}
        wanted |= {
            p.readlink().name for p in self._home.glob("uploads/trees/**/*") if p.is_symlink()
        }  # kept for an hour
        contents = {p.name for p in self._home.glob("files/*/*")}
        halves = [p for pattern in ("**/.*.json.*", "files/.adding-*", "endpoints/.removed-*", "sinks/.*")
                  for p in self._home.glob(pattern)]  # fmt: skip
        return [
            *(f"layout {one}" for one in layouts ^ serving),
            *([f"{len(containers)} containers of {len(serving)}"] if len(containers) != len(serving) else []),
            *(f"log {one}" for one in logs if one.split(".")[0] not in endpoints),
            *(f"content {one} is lost" for one in wanted - contents),
            *(f"content {one} of nothing" for one in contents - wanted),
            *map(str, halves),
            *(f"port {port} is open" for port in self._open_ports() ^ {e["port"] for e in endpoints.values()}),
        ]

    def _open_ports(self) -> set[int]:
        first, last = map(int, self._machine.doomed.environ["AMLEMU_ENDPOINT_PORTS"].split("-"))
        return {port for port in range(first, last + 1) if _listens(port)}


def _listens(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def explained(machine: Machine, seed: int) -> Iterator[None]:
    """Say, where something fails, how to do it again and what everybody did last."""
    try:
        yield
    except BaseException:
        print(f"--survival-seed {seed}, step {machine.steps}, after {machine.restarts} restarts")
        for number, words in enumerate(machine.told):
            print(f"caller {number}:", *words, sep="\n  ")
        print(f"the emulator said: {machine.doomed.said.read_text()[-3000:]}")
        raise
