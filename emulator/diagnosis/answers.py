"""Explanations of responses: of errors, and of results that a client hardly expects."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from emulator.diagnosis.explanation import Deployed, Explanation
from emulator.diagnosis.log import explain_run
from emulator.diagnosis.starts import explain_crashes
from emulator.diagnosis.steps import with_step
from emulator.diagnosis.workers import WorkerEnds

_OK, _BAD, _TIMED_OUT, _UNSUPPORTED, _TOO_MANY, _FAILED = 200, 400, 408, 415, 429, 500
_OF_THE_SERVER = ("Check the logs for more info", "Scoring timeout")
_MOST_CHARACTERS = 300


@dataclass(frozen=True)
class Answered:
    """The response to a request.

    `status` is what the caller got, `model_status` the container's own, 0 where it gave none; `reason` the front door's
    word for it.  `message` is the beginning of the answer's body, `asked` the deployment that the request named,
    `content_type` and `method` the request's own.
    """

    status: int
    model_status: int = 0
    reason: str = ""
    message: str = ""
    asked: str = ""
    content_type: str = ""
    method: str = "POST"

    @property
    def own_status(self) -> int:
        """The container's status."""
        return self.model_status or self.status

    @property
    def is_unanswered(self) -> bool:
        """Whether the container did not answer."""
        return not self.model_status and ("not_ready" in self.reason or "closed the connection" in self.message)

    @property
    def text(self) -> str:
        """The text of the body, without the JSON around it."""
        try:
            document = json.loads(self.message)
        except ValueError:
            document = self.message
        told = document.get("message", document) if isinstance(document, dict) else document
        return " ".join(str(told).split())[:_MOST_CHARACTERS]


def explain_refusal(
    answered: Answered, endpoint: str, traffic: Mapping[str, int], deployments: Sequence[str]
) -> Explanation:
    """Explain a response of the front door itself; `deployments` are those of the endpoint that serve."""
    if answered.status in (401, 403):
        told = f"endpoint {endpoint} was given no key or token that it knows"
        hint = f"`amlemu keys {endpoint}` prints one, which belongs into the Authorization header"
        return Explanation(told, hint=hint)
    if answered.status == 405:
        told = f"{answered.method} does not reach a container"
        return Explanation(told, hint="only GET and POST do, as in the cloud")
    if answered.asked and answered.asked not in deployments:
        told = f"endpoint {endpoint} has no deployment '{answered.asked}' that serves"
        there = ", ".join(deployments) or "none"
        return Explanation(told, hint=f"it has: {there}; `amlemu show {endpoint}` says how they are")
    if deployments and not any(traffic.values()):
        told = f"endpoint {endpoint} gives none of its traffic to a deployment"
        return Explanation(told, hint=f"`amlemu traffic {endpoint} {deployments[0]}=100` gives it all")
    if not deployments:
        told = f"endpoint {endpoint} has no deployment that serves"
        return Explanation(told, hint=f"`amlemu show {endpoint}` says why; deploy one with --name {endpoint}")
    told = f"endpoint {endpoint} answered {answered.status}: {answered.text}"
    return Explanation(told, hint=f"`amlemu show {endpoint}` says how its deployments are")


def explain_answer(
    answered: Answered, deployed: Deployed, log: Sequence[str], ends: WorkerEnds, timeout_ms: int | None
) -> Explanation:
    """Explain the response of a deployment; `ends` are the ends of its workers while it served."""
    if answered.status == _TIMED_OUT or (answered.status == 504 and not answered.model_status):
        return _timed_out(deployed, timeout_ms)
    if answered.status == _TOO_MANY and not answered.model_status:
        return _too_many(deployed)
    if answered.is_unanswered:
        return _no_answer(deployed, ends)
    text = "\n".join(log)
    of_script = any(sign in answered.message for sign in _OF_THE_SERVER) or not answered.text.strip("{}")
    is_raised = answered.own_status >= _FAILED and (of_script or "<html>" in answered.message)
    if is_raised and (found := explain_run(text, deployed.code_roots)):
        return with_step(found, deployed, text)
    return _of_status(answered, deployed)


def _timed_out(deployed: Deployed, timeout_ms: int | None) -> Explanation:
    limit = f"request_timeout_ms, which is {timeout_ms}" if timeout_ms else "the time-out"
    most = "up to 180000 in the cloud" if deployed.target == "managed" else "in the deployment's YAML"
    hint = f"make run() faster, or raise request_timeout_ms ({most}); the container works on with this request"
    return Explanation(f"run() took longer than {limit}", stage="run", hint=hint)


def _too_many(deployed: Deployed) -> Explanation:
    told = f"more requests at once than deployment {deployed.deployment} takes"
    hint = "a client tries again later; more instances, or a greater max_concurrent_requests_per_instance, take more"
    return Explanation(told, hint=hint)


def _no_answer(deployed: Deployed, ends: WorkerEnds) -> Explanation:
    if ends.count:
        return explain_crashes(ends, deployed)
    told = f"no instance of deployment {deployed.deployment} is ready, or it closed the connection"
    hint = f"`amlemu show {deployed.endpoint}` says how they are; {deployed.command('logs')} has their last words"
    return Explanation(told, hint=hint)


def _of_status(answered: Answered, deployed: Deployed) -> Explanation:
    status, said = answered.own_status, answered.text
    passed = f", which the front door of target {deployed.target} passes on as {answered.status}"
    as_other = passed if answered.model_status and answered.model_status != answered.status else ""
    if status == _UNSUPPORTED:
        told = f"run() is decorated with @input_schema and takes JSON only; Content-Type was '{answered.content_type}'"
        return Explanation(told, stage="run", hint="send the header Content-Type: application/json")
    if status == _BAD and "value is not provided for" in said:
        swagger = f"`amlemu invoke {deployed.endpoint} --path /swagger.json` shows what is expected"
        return Explanation(
            f"the request lacks a parameter of run(): {said}",
            stage="run",
            hint=f"its JSON must be an object with a key for each parameter of run(), by the name that both run() and"
            f" @input_schema give it; {swagger}",
        )
    if status == _BAD and "could not be decoded as JSON" in said:
        hint = 'send JSON: an object with a key for each parameter of run(), as in {"data": [[1, 2]]}'
        return Explanation(f"the body of the request is no JSON: {said}", stage="run", hint=hint)
    if _OK < status < _BAD:
        told = f"run() answered with status {status}{as_other}"
        return Explanation(told, stage="run", hint="answer with status 200: every other is an error to that front door")
    told = f"the container answered with status {status}{as_other}" + (f": {said}" if said else "")
    hint = f"{deployed.command('logs')} shows the script's side"
    return Explanation(told, stage="run", hint=hint)


def odd_answer(content_type: str, body: bytes) -> Explanation | None:
    """Explain a suspicious response of status 200: JSON inside a JSON text, or not JSON at all."""
    if not content_type.startswith("application/json"):
        return None
    if body.strip() in (b"NaN", b"Infinity", b"-Infinity") or (b"NaN" in body and not _is_strict(body)):
        hint = "replace it by None: most programs refuse to read NaN"
        return Explanation("run() returned NaN, for which JSON has no form", stage="run", hint=hint)
    if not body.startswith(b'"'):
        return None
    try:
        inner = json.loads(json.loads(body))
    except (ValueError, TypeError):
        return None
    if not isinstance(inner, dict | list):
        return None
    told = "run() returned JSON as text, so clients get a quoted string and not an object"
    return Explanation(told, stage="run", hint="return the dict or the list itself, without json.dumps()")


def _is_strict(body: bytes) -> bool:
    def refuse(_constant: str) -> None:
        raise ValueError

    try:
        json.loads(body, parse_constant=refuse)
    except ValueError:
        return False
    return True
