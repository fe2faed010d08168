"""The parity table of the scoring server itself: azureml-inference-server-http, which every target runs.

amlemu runs the server that the environment pins and changes nothing of it; these rows hold what a script and its
caller meet with version 1.5.1, asked directly, and the tests ask that server.  What the front door makes of its
answers is in other rows.
"""

from __future__ import annotations

from emulator.profiles.facts import Answer, Row, documented, row
from emulator.profiles.sources import (
    SERVER_BLUEPRINT,
    SERVER_CONFIG,
    SERVER_INPUT,
    SERVER_PAGE,
    SERVER_ROUTES,
    SERVER_SWAGGER,
)

_SCRIPT_ERROR = "An unexpected error occurred in scoring script. Check the logs for more info."
_INTERNAL_ERROR = "An unexpected internal error occurred. Check the logs for more info."

SERVER_ROWS: tuple[Row, ...] = (
    row(
        "server.health",
        "GET / answers once init() has returned.",
        documented(Answer(200, "Healthy"), SERVER_ROUTES, SERVER_PAGE),
    ),
    row(
        "server.swagger_versions",
        "The versions of the Swagger document, the first without ?version; any other is 404.",
        documented(("2", "3", "3.1"), SERVER_SWAGGER),
    ),
    row(
        "server.swagger_undecorated",
        "A script without decorators has a Swagger document all the same, of empty objects.",
        documented({"type": "object", "example": {}}, SERVER_SWAGGER),
    ),
    row(
        "server.swagger_file",
        "A swagger2.json or swagger3.json in AML_APP_ROOT goes before the generated document.",
        documented(("swagger2.json", "swagger3.json"), SERVER_SWAGGER),
    ),
    row(
        "server.body_as_text",
        "run() without decorators gets the body as text, whatever its content type, but a form arrives empty.",
        documented("text", SERVER_INPUT),
    ),
    row(
        "server.body_not_text",
        "The answer to a body that is not UTF-8 text, for run() without decorators.",
        documented(Answer(400, '{"message": "Input cannot be decoded as UTF-8: …"}'), SERVER_INPUT),
    ),
    row(
        "server.query_as_json",
        "GET gives run() the query as a JSON text, its values parsed where they can be.",
        documented("JSON text", SERVER_INPUT),
    ),
    row(
        "server.options",
        "OPTIONS /score is answered without run().",
        documented(Answer(200, ""), SERVER_ROUTES),
    ),
    row(
        "server.other_methods",
        "PUT, DELETE and PATCH do not reach run().",
        documented(405, SERVER_ROUTES),
    ),
    row(
        "server.unknown_path",
        "Any other path is refused, /score/ with a slash at its end too.",
        documented(404, SERVER_ROUTES),
    ),
    row(
        "server.text_result",
        "A text that run() returns becomes a JSON text, so what is JSON already is encoded twice.",
        documented("quoted", SERVER_ROUTES),
    ),
    row(
        "server.no_result",
        "The body when run() returns None.",
        documented("{}", SERVER_ROUTES),
    ),
    row(
        "server.nan_result",
        "NaN and infinity are written as such, which is no JSON for most callers.",
        documented("NaN", SERVER_ROUTES),
    ),
    row(
        "server.script_error",
        "The answer when run() raises; x-ms-run-function-failed is True.",
        documented(Answer(500, f'{{"message": "{_SCRIPT_ERROR}"}}'), SERVER_ROUTES),
    ),
    row(
        "server.result_no_json",
        "The answer when the result cannot be JSON (an ndarray, a DataFrame); x-ms-run-function-failed is False.",
        documented(Answer(500, f'{{"message": "{_INTERNAL_ERROR}"}}'), SERVER_ROUTES),
    ),
    row(
        "server.scoring_timeout",
        "The answer when run() takes longer than SCORING_TIMEOUT_MS.",
        documented(Answer(500, '{"message": "Scoring timeout after <N> ms"}'), SERVER_ROUTES),
    ),
    row(
        "server.long_request_id",
        "The answer to an x-request-id of more than 100 characters.",
        documented(Answer(431, '{"message": "x-request-id must not exceed 100 characters"}'), SERVER_ROUTES),
    ),
    row(
        "server.imports_from_app_root",
        "A script imports the modules that lie in AML_APP_ROOT; installed ones of the same name go before them.",
        documented("appended to sys.path", SERVER_BLUEPRINT),
    ),
    row(
        "server.config_file",
        "A config.json in AML_APP_ROOT is read as the server's settings, whatever it was meant to be.",
        documented("config.json", SERVER_CONFIG),
    ),
)
