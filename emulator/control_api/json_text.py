"""JSON responses, written by pydantic's serializer: a list of hundreds of endpoints is a megabyte."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app, jsonify
from flask.json.provider import DefaultJSONProvider
from pydantic_core import to_json

from emulator.secret import masked_values, may_have_credentials


class QuickJson(DefaultJSONProvider):
    """A faster JSON provider for Flask, which keeps the order of keys and masks credentials.

    All responses pass here; `revealed` is for the ones that must contain secrets.
    """

    sort_keys = False

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """Return `obj` as JSON, with credentials masked."""
        text = self.revealed(obj, **kwargs)
        if not may_have_credentials(text):
            return text
        return self.revealed(masked_values(obj), **kwargs)

    def revealed(self, obj: Any, **kwargs: Any) -> str:
        """Return `obj` as JSON, with credentials."""
        try:
            return to_json(obj).decode()
        except ValueError:  # half of a surrogate pair, which only Python's writer can escape
            return super().dumps(obj, **kwargs)


def revealed(document: Any) -> Response:
    """Return a response with secrets, for a caller who asks for them and whose role was checked."""
    assert isinstance(current_app.json, QuickJson)
    return Response(current_app.json.revealed(document) + "\n", mimetype="application/json")


def answer_with_values(document: Any, *, include_values: bool) -> Response:
    """Return the response, `revealed` if `include_values`: the caller may have the values, and asks for them."""
    return revealed(document) if include_values else jsonify(document)
