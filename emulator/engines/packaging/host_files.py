"""Files of this machine that its owner's variables and pip's settings name: certificates, and folders of wheels."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

_CA_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_SYSTEM_CA_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


def ca_bundle_of(environ: Mapping[str, str], pip: Mapping[str, str]) -> Path | None:
    """The file of certificates to trust that variables, pip's settings or the system name; None without."""
    named = [environ.get(name, "") for name in _CA_VARIABLES] + [pip.get("cert", ""), *_SYSTEM_CA_BUNDLES]
    files = (Path(name) for name in named if name)
    # An empty file trusts nobody: it stands where a bundle could be (compose.yaml).
    return next(
        (file for file in files if _is_there(file, lambda found: found.is_file() and found.stat().st_size)), None
    )


def find_links(environ: Mapping[str, str], pip: Mapping[str, str]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """The folders and the pages that list packages beside the indexes."""
    named = (environ.get("UV_FIND_LINKS", "").replace(",", " ") + " " + pip.get("find-links", "")).split()
    pages = [text for text in named if urlsplit(text).scheme in ("http", "https")]
    paths = [Path(unquote(urlsplit(t).path)) if t.startswith("file:") else Path(t) for t in named if t not in pages]
    return tuple(dict.fromkeys(path for path in paths if _is_there(path, Path.is_dir))), tuple(dict.fromkeys(pages))


def _is_there(path: Path, kind: Callable[[Path], object]) -> bool:
    """Whether `path` is of that kind, as far as this process may look: what it may not see is not there."""
    try:
        return bool(kind(path)) and os.access(path, os.R_OK)
    except OSError:
        return False
