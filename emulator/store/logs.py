"""The logs that outlive what wrote them: builds, containers that failed to start, requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class Logs:
    """One folder of log files."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "logs"
        self._folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def build(self, digest: str) -> Iterator[Callable[[str], None]]:
        """A function that takes the lines of an environment's build; they replace those of its last build."""
        with (self._folder / f"build-{digest[:16]}.log").open("w", encoding="utf-8") as file:
            yield lambda line: print(line, file=file)

    def keep_container(self, endpoint_name: str, deployment_name: str, lines: Iterable[str]) -> None:
        """Keep what the container of a failed start has said."""
        text = "".join(f"{line}\n" for line in lines)
        self._container(endpoint_name, deployment_name).write_text(text, encoding="utf-8")

    def kept_container(self, endpoint_name: str, deployment_name: str) -> list[str]:
        """What was kept of a failed start, nothing when the last start went well."""
        path = self._container(endpoint_name, deployment_name)
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def forget_container(self, endpoint_name: str, deployment_name: str) -> None:
        """Drop what was kept."""
        self._container(endpoint_name, deployment_name).unlink(missing_ok=True)

    def requests(self, endpoint_name: str) -> Path:
        """The file of the front door's lines, one JSON object each."""
        return self._folder / f"{endpoint_name}.requests.jsonl"

    def forget_requests(self, endpoint_name: str) -> None:
        """Drop the front door's lines."""
        _forget(self.requests(endpoint_name))

    def events(self, endpoint_name: str) -> Path:
        """The file of what happened to the endpoint's containers, one JSON object each."""
        return self._folder / f"{endpoint_name}.events.jsonl"

    def forget_events(self, endpoint_name: str) -> None:
        """Drop what happened to the endpoint's containers."""
        _forget(self.events(endpoint_name))

    def insights(self, endpoint_name: str) -> Path:
        """The file of what the endpoint's containers have sent to Application Insights, one JSON object each."""
        return self._folder / f"{endpoint_name}.insights.jsonl"

    def forget_insights(self, endpoint_name: str) -> None:
        """Drop what was sent to Application Insights."""
        _forget(self.insights(endpoint_name))

    def _container(self, endpoint_name: str, deployment_name: str) -> Path:
        return self._folder / f"{endpoint_name}.{deployment_name}.failed.log"


def _forget(path: Path) -> None:
    for file in (path, path.with_name(path.name + ".1")):
        file.unlink(missing_ok=True)
