"""JSON texts of answers, by the writer of pydantic: a list of hundreds of endpoints is a megabyte."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app, jsonify
from flask.json.provider import DefaultJSONProvider
from pydantic_core import to_json

from emulator.secret import masked_values, may_have_credentials


class QuickJson(DefaultJSONProvider):
    """Flask's own, quicker, with the keys in the order in which they were put, and with credentials masked.

    This is the border where answers leave: what an answer must tell as it is, is `revealed`.
    """

    sort_keys = False

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """The text of `obj`."""
        text = self.revealed(obj, **kwargs)
        if not may_have_credentials(text):
            return text
        return self.revealed(masked_values(obj), **kwargs)

    def revealed(self, obj: Any, **kwargs: Any) -> str:
        """The text of `obj` with every credential in it."""
        try:
            return to_json(obj).decode()
        except ValueError:  # half of a surrogate pair, which only Python's writer can escape
            return super().dumps(obj, **kwargs)


def revealed(document: Any) -> Response:
    """The answer that tells secrets: for those whose role was checked, and who have asked for just that."""
    assert isinstance(current_app.json, QuickJson)
    return Response(current_app.json.revealed(document) + "\n", mimetype="application/json")


def answer_with_values(document: Any, *, include_values: bool) -> Response:
    """The answer, `revealed` when `include_values` says that the caller may have the values, and wants them."""
    return revealed(document) if include_values else jsonify(document)
