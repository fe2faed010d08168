"""Collected data and telemetry: taken from the containers' sinks, counted, and written."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from emulator.containers.cloud_events import Collected, written
from emulator.containers.data_collection import MDC_CONFIG, SINK_PROGRAM, mdc_config
from emulator.containers.spec import ContainerSpec
from emulator.entities import OnlineDeployment
from emulator.errors import DamagedDocument, EmulatorError, ResourceNotFound
from emulator.profiles import profile_of
from emulator.store import Store
from emulator.store.collected import CollectedReader
from emulator.store.lines import LineReader, LineWriter
from emulator.store.sinks import SinkFolder
from emulator.workspace.collecting.counts import Counted, Counts
from emulator.workspace.collecting.sink_records import (
    SinkRecord,
    collected_of,
    enabled_name,
    read_sink_records,
    telemetry_line,
)
from emulator.workspace.effects import Effects

_TAKE_SECONDS = 1.0
# How long the containers of a replaced generation may still hand something over.
_LEFT_ALONE_SECONDS = 120


class Collecting:
    """Writes collected data; `sink` is the source of the program that receives it in containers."""

    def __init__(self, store: Store, effects: Effects, sink: str = "") -> None:
        self._store = store
        self._effects = effects
        self._sink = sink
        self.counts = Counts(effects.monotonic)
        self._insights = LineWriter(store.logs.insights)
        self._taking = threading.Lock()
        self._ended: dict[tuple[str, str], int] = {}
        self._stopping = threading.Event()

    # requests and responses that the gateway has seen

    def write(self, many: Sequence[Collected]) -> None:
        """Write and count collected data; what the disk refuses counts as an error."""
        fit = [one for one in many if self._fits(one)]
        try:
            self._store.collected.write(written(one) for one in fit)
        except OSError:
            for one in fit:
                self.drop(one.endpoint, one.deployment, one.collection, "StorageError")
            return
        for one in fit:
            self.counts.add(Counted(one.endpoint, one.deployment, one.collection))

    def drop(self, endpoint: str, deployment: str, collection: str, reason: str, number: int = 1) -> None:
        """Count data that was not collected."""
        self.counts.add(Counted(endpoint, deployment, collection, reason), number)

    def _fits(self, one: Collected) -> bool:
        fits = len(one.body) <= one.profile.longest_bytes
        if not fits:
            self.drop(one.endpoint, one.deployment, one.collection, "PayloadTooLarge")
        return fits

    # records of the containers' sinks

    def prepare(self, deployment: OnlineDeployment, spec: ContainerSpec) -> None:
        """Make the folder that the container's sink shares with the emulator, if it has a sink."""
        if spec.sink:
            files = {SINK_PROGRAM: self._sink, MDC_CONFIG: json.dumps(mdc_config(deployment))}
            self._store.sinks.prepare(self._folder(deployment) / spec.sink.rpartition("/")[2], files)

    def folder(self, deployment: OnlineDeployment) -> str:
        """Return the folder of a generation's sinks."""
        return str(self._folder(deployment))

    def _folder(self, deployment: OnlineDeployment) -> Path:
        return self._store.sinks.of_generation(deployment.endpoint_name, deployment.name, deployment.generation)

    def start(self) -> None:
        """Take records every second, until `stop`."""
        self._effects.background(self._run)

    def stop(self) -> None:
        """Stop taking records."""
        self._stopping.set()

    # reading

    def get_collected(
        self, deployment: OnlineDeployment, collection: str | None, *, tail: int | None, follow: bool
    ) -> Iterator[str]:
        """Return the lines of one collection, of all when None; raise ResourceNotFound for an unknown one."""
        self.take()
        key = deployment.endpoint_name, deployment.name
        collector = deployment.data_collector
        known = {*self._store.collected.collections(*key), *(collector.collections if collector else ())}
        if collection is not None and collection not in known:
            message = f"there is no collection '{collection}'; there are: {', '.join(sorted(known)) or 'none'}"
            raise ResourceNotFound(message, target=f"deployment {deployment.name} of endpoint {key[0]}")
        files = partial(self._store.collected.files, *key, collection)
        return CollectedReader(files, tail, follow, self._effects.sleep)

    def get_insights_log(self, endpoint_name: str, *, tail: int | None, follow: bool) -> Iterator[str]:
        """Return the telemetry that containers have sent to Application Insights."""
        self.take()
        return LineReader(self._store.logs.insights(endpoint_name), tail, follow, self._effects.sleep)

    # taking records of sinks periodically

    def _run(self) -> None:
        while not self._stopping.wait(_TAKE_SECONDS):
            with suppress(EmulatorError, OSError):  # a disk that is full or unavailable for a moment
                self.take()

    def take(self) -> None:
        """Write all records that containers have handed over."""
        with self._taking:
            for folder in self._store.sinks.all():
                try:
                    deployment = self._store.find_deployment(folder.endpoint, folder.deployment)
                except DamagedDocument:
                    continue  # its records stay until the document can be read
                is_over = folder.generation <= self._ended.get((folder.endpoint, folder.deployment), 0)
                if deployment is not None and not is_over:
                    self._take(folder, deployment)
                self._remove_if_left(folder, deployment)

    def finish(self, deployment: OnlineDeployment) -> None:
        """Take the last records of a deleted deployment, and remove its folders."""
        key = deployment.endpoint_name, deployment.name
        with self._taking:
            for folder in self._store.sinks.all():
                if (folder.endpoint, folder.deployment) == key and folder.generation <= deployment.generation:
                    self._take(folder, deployment)
                    self._store.sinks.remove(*key, folder.generation)
            # Containers that end in the background must not add to the next deployment of that name.
            self._ended[key] = deployment.generation
            if not profile_of(deployment.target).collection.kept:
                self._store.collected.remove(deployment.endpoint_name, deployment.name)

    def _remove_if_left(self, folder: SinkFolder, deployment: OnlineDeployment | None) -> None:
        """Remove the folder of a replaced or deleted generation once it is old enough to be unused."""
        if deployment is not None and folder.generation >= deployment.generation:
            return
        with suppress(FileNotFoundError):
            if self._effects.epoch() - folder.path.stat().st_mtime > _LEFT_ALONE_SECONDS:
                self._store.sinks.remove(folder.endpoint, folder.deployment, folder.generation)

    def _take(self, folder: SinkFolder, deployment: OnlineDeployment) -> None:
        for content in self._store.sinks.take(folder):
            handed = list(read_sink_records(deployment, folder, content))
            self.write([one for item in handed for one in self._collected(item)])
            for item in handed:
                if item.record.get("kind") == "telemetry":
                    self._write_telemetry(item)
                elif item.record.get("kind") == "dropped":
                    self._count_dropped(item)

    def _collected(self, handed: SinkRecord) -> Iterator[Collected]:
        """Yield the event of a Collector's record, if it is valid and the deployment enables its collection."""
        if handed.record.get("kind") != "collected":
            return
        name, one = collected_of(handed.record, handed.deployment, handed.instance)
        if one is None:
            deployment = handed.deployment
            self.drop(deployment.endpoint_name, deployment.name, name, "BadEvent" if name else "NotEnabled")
            return
        yield one

    def _count_dropped(self, handed: SinkRecord) -> None:
        name = enabled_name(str(handed.record.get("what", "")), handed.deployment)
        count = handed.record.get("count")
        if name and isinstance(count, int) and 0 < count < 1_000_000_000:
            deployment = handed.deployment
            self.drop(deployment.endpoint_name, deployment.name, name, "QueueFull", count)

    def _write_telemetry(self, handed: SinkRecord) -> None:
        items = handed.record.get("items")
        with suppress(OSError):
            for item in items if isinstance(items, list) else []:
                line = telemetry_line(item, handed.deployment.name, handed.instance, self._effects.now())
                if line:
                    self._insights.write(handed.deployment.endpoint_name, json.dumps(line))
