"""Every route of the control API, asked as it stands in the URL map: a route that is added is asked too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

import requests
from flask import Flask
from served import Served

from emulator.azure_paths import OWN_PATH, WORKSPACE_PATH
from emulator.control_api import create_control_api
from emulator.control_api.openapi_metadata import description_of
from emulator.entities import ROLES

ADMIN = "amlemu_the-admins-own-token"
_PART = re.compile(r"<(?:\w+:)?(\w+)>")


@dataclass(frozen=True)
class Route:
    """A rule with a method; `name` is the rule without what all of them begin with."""

    rule: str
    method: str
    query: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.rule.removeprefix(WORKSPACE_PATH).replace(OWN_PATH, "/")

    def path(self, values: Mapping[str, str]) -> str:
        """The path with its parts filled in; KeyError for a part that nobody has thought of."""
        return _PART.sub(lambda part: quote(values[part[1]], safe=""), self.rule)


def routes_of(flask: Flask) -> Iterator[Route]:
    """All of them, whatever they say of themselves."""
    for rule in flask.url_map.iter_rules():
        described = description_of(flask.view_functions[rule.endpoint])
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield Route(rule.rule, method, described.query if described else ())


def routes(served: Served) -> list[Route]:
    return list(routes_of(create_control_api(served.services)))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def tokens_by_role(served: Served) -> dict[str, str]:
    """A token of each role."""
    made = {"admin": ADMIN}
    for role in ROLES[:-1]:
        answer = served.ask("POST", "//_amlemu/tokens", json={"name": f"a-{role}", "role": role}, headers=bearer(ADMIN))
        made[role] = str(answer.json()["token"])
    return made


def get(served: Served, route: Route, values: Mapping[str, str], token: str, **query: str) -> requests.Response:
    """The whole answer to a GET."""
    path = route.path(values)
    return requests.get(served.url + path, headers=bearer(token), params=query, timeout=20)
