"""Verbs on access tokens of the control API."""

from __future__ import annotations

import hashlib
import hmac
import threading

from emulator.entities import AccessToken, Caller, Role
from emulator.errors import AuthenticationFailed, BadArgument, DamagedDocument, ResourceNotFound
from emulator.names import TOKEN_PREFIX
from emulator.workspace.core import Core

_ADMIN = "admin"


class Access:
    """Authenticates callers by token: the admin's own ('' for none) and the issued ones."""

    def __init__(self, core: Core) -> None:
        self._core = core
        admin_token = core.config.admin_token
        self._admin = _digest(admin_token) if admin_token else ""
        self._tokens: tuple[AccessToken, ...] = ()
        self._damage: DamagedDocument | None = None
        try:
            self._tokens = core.store.access_tokens()
        except DamagedDocument as error:  # then no issued token is valid: a revoked one must not work again
            self._damage = error
        self._lock = threading.Lock()

    def caller(self, token: str) -> Caller:
        """Return the caller with this token ('' for none); raise AuthenticationFailed for an unknown token."""
        digest = _digest(token)
        if self._admin and hmac.compare_digest(digest, self._admin):
            return Caller(name=_ADMIN, role="admin", identity=_identity(self._admin), is_owner=True)
        found = [known for known in self._tokens if hmac.compare_digest(digest, known.sha256)]
        if not found:
            message = "the token is not valid for this emulator" if token else "this emulator needs a token"
            hint = "set AMLEMU_TOKEN, or `amlemu login`; on the emulator's machine `amlemu token` prints it"
            raise AuthenticationFailed(message, hint=hint)
        return Caller(name=found[0].name, role=found[0].role, identity=_identity(found[0].sha256))

    def list(self) -> tuple[AccessToken, ...]:
        """Return the issued tokens, without the admin's own; raise DamagedDocument when they cannot be read."""
        self._refuse_damage()
        return self._tokens

    def _refuse_damage(self) -> None:
        if self._damage:
            raise self._damage

    def create(self, name: str, role: Role) -> tuple[AccessToken, str]:
        """Issue a token; return its document and the token itself, which is not stored."""
        token = TOKEN_PREFIX + self._core.effects.new_key()
        document = {"name": name, "role": role, "sha256": _digest(token), "created_at": self._core.effects.now()}
        made = AccessToken.parse(document, target=f"token {name}")
        self._refuse_damage()
        with self._lock:
            if name == _ADMIN or any(known.name == name for known in self._tokens):
                hint = f"amlemu token delete {name}, or take another name"
                raise BadArgument(f"there is a token '{name}' already", target=f"token {name}", hint=hint)
            self._keep((*self._tokens, made))
        return made, token

    def delete(self, name: str) -> None:
        """Revoke a token."""
        self._refuse_damage()
        with self._lock:
            rest = tuple(known for known in self._tokens if known.name != name)
            if rest == self._tokens:
                raise ResourceNotFound(f"there is no token '{name}'", target=f"token {name}", hint="amlemu token list")
            self._keep(rest)

    def _keep(self, tokens: tuple[AccessToken, ...]) -> None:
        self._core.store.put_access_tokens(tokens)
        self._tokens = tokens


def _identity(digest: str) -> str:
    """Return the caller's identity for file names, from which the token cannot be derived."""
    return hashlib.sha256(f"caller {digest}".encode()).hexdigest()[:32]


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
