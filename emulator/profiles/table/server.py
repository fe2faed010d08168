"""The parity table of the scoring server itself: azureml-inference-server-http, which every target runs.

amlemu runs the server that the environment pins and changes nothing of it; these rows hold what a script and its
caller meet with version 1.5.1, asked directly, and the tests ask that server.  What the front door makes of its
answers is in other rows.
"""

from __future__ import annotations

from emulator.profiles.facts import Answer, Row, documented, everywhere

_SCRIPT_ERROR = "An unexpected error occurred in scoring script. Check the logs for more info."
_INTERNAL_ERROR = "An unexpected internal error occurred. Check the logs for more info."

SERVER_ROWS: tuple[Row, ...] = (
    everywhere(
        "server.health",
        "GET / answers once init() has returned.",
        documented(Answer(200, "Healthy"), "contract/managed §6.4; contract/v1 §2.4"),
    ),
    everywhere(
        "server.swagger_versions",
        "The versions of the Swagger document, the first without ?version; any other is 404.",
        documented(("2", "3", "3.1"), "contract/managed §6.4; contract/v1 §3"),
    ),
    everywhere(
        "server.swagger_undecorated",
        "A script without decorators has a Swagger document all the same, of empty objects.",
        documented({"type": "object", "example": {}}, "contract/v1 §3"),
    ),
    everywhere(
        "server.swagger_file",
        "A swagger2.json or swagger3.json in AML_APP_ROOT goes before the generated document.",
        documented(("swagger2.json", "swagger3.json"), "contract/v1 §3; contract/managed §6.4: extra files read"),
    ),
    everywhere(
        "server.body_as_text",
        "run() without decorators gets the body as text, whatever its content type, but a form arrives empty.",
        documented("text", "contract/managed §6.4; contract/v1 §2.2"),
    ),
    everywhere(
        "server.body_not_text",
        "The answer to a body that is not UTF-8 text, for run() without decorators.",
        documented(Answer(400, '{"message": "Input cannot be decoded as UTF-8: …"}'), "contract/v1 §2.2"),
    ),
    everywhere(
        "server.query_as_json",
        "GET gives run() the query as a JSON text, its values parsed where they can be.",
        documented("JSON text", "contract/managed §6.4; contract/v1 §2.2"),
    ),
    everywhere(
        "server.options",
        "OPTIONS /score is answered without run().",
        documented(Answer(200, ""), "contract/v1 §2.2; contract/managed §6.4: CORS"),
    ),
    everywhere(
        "server.other_methods",
        "PUT, DELETE and PATCH do not reach run().",
        documented(405, "contract/v1 §2.2, §2.4"),
    ),
    everywhere(
        "server.unknown_path",
        "Any other path is refused, /score/ with a slash at its end too.",
        documented(404, "contract/managed §6.4: routes; contract/v1 §2.4"),
    ),
    everywhere(
        "server.text_result",
        "A text that run() returns becomes a JSON text, so what is JSON already is encoded twice.",
        documented("quoted", "contract/managed §6.4: success; contract/v1 §2.3"),
    ),
    everywhere(
        "server.no_result",
        "The body when run() returns None.",
        documented("{}", "contract/v1 §2.3"),
    ),
    everywhere(
        "server.nan_result",
        "NaN and infinity are written as such, which is no JSON for most callers.",
        documented("NaN", "contract/v1 §2.3"),
    ),
    everywhere(
        "server.script_error",
        "The answer when run() raises; x-ms-run-function-failed is True.",
        documented(Answer(500, f'{{"message": "{_SCRIPT_ERROR}"}}'), "contract/managed §6.4: errors; contract/v1 §2.4"),
    ),
    everywhere(
        "server.result_no_json",
        "The answer when the result cannot be JSON (an ndarray, a DataFrame); x-ms-run-function-failed is False.",
        documented(Answer(500, f'{{"message": "{_INTERNAL_ERROR}"}}'), "contract/v1 §2.3, §2.4"),
    ),
    everywhere(
        "server.scoring_timeout",
        "The answer when run() takes longer than SCORING_TIMEOUT_MS.",
        documented(Answer(500, '{"message": "Scoring timeout after <N> ms"}'), "contract/v1 §2.4"),
    ),
    everywhere(
        "server.long_request_id",
        "The answer to an x-request-id of more than 100 characters.",
        documented(Answer(431, '{"message": "x-request-id must not exceed 100 characters"}'), "contract/v1 §2.4"),
    ),
    everywhere(
        "server.imports_from_app_root",
        "A script imports the modules that lie in AML_APP_ROOT; installed ones of the same name go before them.",
        documented("appended to sys.path", "contract/managed §6.4: sys.path; contract/v1 §2.1"),
    ),
    everywhere(
        "server.config_file",
        "A config.json in AML_APP_ROOT is read as the server's settings, whatever it was meant to be.",
        documented("config.json", "contract/managed §6.4: extra files read; contract/v1 §2.5"),
    ),
)
