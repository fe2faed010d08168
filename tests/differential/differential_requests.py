"""The requests of the differential test, written out in bytes, and which script gets which."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

SCRIPTS = Path(__file__).with_name("scripts")
KEY = "primary-key"

JSON = b"Content-Type: application/json"
DATA = b'{"data": [[1, 2], [3, 4]], "method": "predict"}'
ROWS = b'{"data": [{"width": 1.5, "name": "iris", "count": 2}]}'


@dataclass(frozen=True)
class Request:
    """One request as it goes over the wire, with a valid key; `name` is what a failure is called by."""

    name: str
    raw: bytes

    @property
    def method(self) -> str:
        return self.raw.split(b" ", 1)[0].decode("latin-1")

    def without(self, header: str) -> Request:
        """The same request without that header, as a front door that sets it itself sends it on."""
        head, end, body = self.raw.partition(b"\r\n\r\n")
        kept = [line for line in head.split(b"\r\n") if not line.lower().startswith(header.lower().encode() + b":")]
        return Request(self.name, b"\r\n".join(kept) + end + body)

    def value(self, header: str) -> bytes | None:
        """The value of that header, None without one."""
        head = self.raw.partition(b"\r\n\r\n")[0]
        name = header.lower().encode() + b":"
        return next((line[len(name) :].strip() for line in head.split(b"\r\n") if line.lower().startswith(name)), None)

    def with_last(self, header: str, value: bytes) -> Request:
        """The same request with that header behind the others."""
        head, end, body = self.raw.partition(b"\r\n\r\n")
        return Request(self.name, b"%s\r\n%s: %s%s%s" % (head, header.encode(), value, end, body))

    def with_coding(self, coding: bytes) -> Request:
        """The same chunked request under another name of its coding."""
        return Request(self.name, self.raw.replace(b"ncoding: chunked", b"ncoding: " + coding, 1))


def request(name: str, first: bytes, *lines: bytes, body: bytes | None = None, version: bytes = b"1.1") -> Request:
    """A request of that first line; with a body it tells its length."""
    head = [first + b" HTTP/" + version, b"Host: scoring.local", b"Authorization: Bearer " + KEY.encode(), *lines]
    if body is not None:
        head.append(b"Content-Length: %d" % len(body))
    return Request(name, b"\r\n".join(head) + b"\r\n\r\n" + (body or b""))


def post(name: str, body: bytes | None, *lines: bytes, target: bytes = b"/score") -> Request:
    return request(name, b"POST " + target, *lines, body=body)


def get(name: str, target: bytes, *lines: bytes, method: bytes = b"GET") -> Request:
    return request(name, method + b" " + target, *lines)


def chunked(name: str, coded: bytes, *lines: bytes) -> Request:
    whole = post(name, None, *lines, b"Transfer-Encoding: chunked")
    return Request(name, whole.raw + coded)


_FORM_PARTS = (
    b'--edge\r\nContent-Disposition: form-data; name="note"\r\n\r\ngr\xc3\xbc\xc3\x9fe\r\n'
    b'--edge\r\nContent-Disposition: form-data; name="image"; filename="a b.png"\r\nContent-Type: image/png\r\n\r\n'
    b"\x89PNG\r\n\x1a\n\x00\xff\r\n--edge--\r\n"
)
_BIG = json.dumps({"data": [[number, 1] for number in range(200_000)]}).encode()

# What every script is asked.
GENERAL: tuple[Request, ...] = (
    post("json", DATA, JSON),
    post("json_rows", ROWS, JSON),
    post("json_with_charset", DATA, b"Content-Type: application/json; charset=utf-8"),
    post("json_of_a_vendor", DATA, b"Content-Type: application/vnd.model+json"),
    post("json_with_mark", b"\xef\xbb\xbf" + DATA, JSON),
    post("json_in_utf_16", DATA.decode().encode("utf-16"), JSON),
    post("json_not_ascii", '{"data": [[1, 2]], "grüße": "世界"}'.encode(), JSON),
    post("json_no_utf_8", b'{"data": "\xff\xfe"}', JSON),
    post("json_cut_off", DATA[:-7], JSON),
    post("json_of_another_shape", b'{"data": "no rows", "more": null}', JSON),
    post("json_null", b"null", JSON),
    post("json_with_nan", b'{"data": [[NaN, Infinity]]}', JSON),
    post("no_content_type", DATA),
    post("text", DATA, b"Content-Type: text/plain"),
    post("form", b"data=%5B%5B1%5D%5D&a=b+c", b"Content-Type: application/x-www-form-urlencoded"),
    post("multipart", _FORM_PARTS, b"Content-Type: multipart/form-data; boundary=edge"),
    post("multipart_without_boundary", _FORM_PARTS, b"Content-Type: multipart/form-data"),
    post("binary", bytes(range(256)) * 20, b"Content-Type: application/octet-stream"),
    post("image", b"\x89PNG\r\n\x1a\n" + b"\0" * 1000, b"Content-Type: image/png"),
    post("empty", b"", JSON),
    post("without_length", None, JSON),
    post("one_byte", b"1", JSON),
    post("gzip", gzip.compress(DATA, mtime=0), JSON, b"Content-Encoding: gzip"),
    post("deflate", zlib.compress(DATA), JSON, b"Content-Encoding: deflate"),
    post("gzip_that_is_none", DATA, JSON, b"Content-Encoding: gzip"),
    post("big", _BIG, JSON),
    chunked("chunked", b"10\r\n%s\r\n1f\r\n%s\r\n0\r\n\r\n" % (DATA[:16], DATA[16:]), JSON),
    chunked("chunked_empty", b"0\r\n\r\n", JSON),
    post("expect_continue", DATA, JSON, b"Expect: 100-continue"),
    request("http_1_0", b"POST /score", JSON, body=DATA, version=b"1.0"),
    get("get_query", b"/score?data=[[1,2]]&method=predict"),
    get("get_quoted_query", b"/score?data=%5B%5B1%2C2%5D%5D&a=b+c%26&%67=%C3%BC"),
    get("get_repeated_query", b"/score?data=1&data=2&x&y=&=z"),
    get("get_without_query", b"/score"),
    request("get_with_body", b"GET /score?data=[[5,6]]", JSON, body=DATA),
    post("post_with_query", DATA, JSON, target=b"/score?data=[[9,9]]"),
    get("health", b"/"),
    post("health_posted", b"{}", target=b"/"),
    get("swagger", b"/swagger.json"),
    get("swagger_3", b"/swagger.json?version=3"),
    get("swagger_9", b"/swagger.json?version=9"),
    get("no_such_path", b"/nothing/here?x=1"),
    get("slash_after_score", b"/score/"),
    get("two_slashes", b"//score?data=1"),
    get("dots", b"/a/../score?data=1"),
    get("escaped_path", b"/%73core?data=[[7]]"),
    get("escaped_slash", b"/score%2F?data=1"),
    get("head", b"/", method=b"HEAD"),
    get("head_of_score", b"/score?data=1", method=b"HEAD"),
    get("options", b"/score", b"Origin: http://page", method=b"OPTIONS"),
    request("put", b"PUT /score", JSON, body=DATA),
    get("delete", b"/score", method=b"DELETE"),
    post("repeated_headers", DATA, JSON, b"X-Same: 1", b"Accept: a/b", b"X-Same: 2", b"Accept: c/d", b"x-same: 3"),
    post("odd_headers", DATA, JSON, b"X-Latin: gr\xfc\xdfe", b"X-Utf: \xc3\xbc", b"X-Empty:", b"X-Tab:\ta\tb\t"),
    post("underscores", DATA, JSON, b"X_Under: 1", b"Content_Length: 3"),
    post("cookies", DATA, JSON, b"Cookie: a=b; c=d", b"Referer: http://page/"),
    post("browser", DATA, JSON, b"Accept-Encoding: gzip, br", b"User-Agent: Mozilla/5.0", b"Origin: http://page"),
    post("many_headers", DATA, JSON, *(b"X-%d: v" % number for number in range(80))),
    post("long_header", DATA, JSON, b"X-Long: " + b"x" * 7000),
    post("forwarded", DATA, JSON, b"X-Forwarded-For: 1.2.3.4", b"X-Forwarded-Proto: https", b"Via: 1.1 a"),
    post("request_id", DATA, JSON, b"x-request-id: mine"),
    post("client_request_id", DATA, JSON, b"x-ms-client-request-id: mine-too"),
    post("old_request_id", DATA, JSON, b"x-ms-request-id: old", b"TraceId: trace"),
    post("long_request_id", DATA, JSON, b"x-request-id: " + b"x" * 101),
    post("long_client_request_id", DATA, JSON, b"x-ms-client-request-id: " + b"x" * 101),
)
_BY_NAME = {one.name: one for one in GENERAL}

# A request to these costs a third of a second, or a process.
_SELDOM = {
    "slow": ("json", "empty", "get_query", "http_1_0", "health"),
    "exits": ("json", "get_query"),
}
# run() shows the header that the gateway answers: known_differences.py.
_KNOWN = {("headers_back", "expect_continue"), ("raw_echo", "expect_continue")}
_KINDS = {
    "responses": (
        *("created", "empty", "none", "no_content", "no_content_with_body", "moved", "not_modified", "bad_request"),
        *("not_authorized", "not_found", "teapot", "too_many", "error", "unavailable", "odd_status", "odd_reason"),
        *("no_reason", "repeated", "non_ascii", "latin_body", "gzip", "own_server", "own_date", "azure_names"),
        *("long_header", "many_headers", "big", "failed", "no_such_kind"),
    ),
    "streams": (
        *("events", "known_length", "large", "with_empty", "nothing", "error", "breaks", "too_short", "too_long"),
        "no_such_kind",
    ),
    "returns": (
        *("none", "bytes", "text", "json_text", "empty", "nan", "infinity", "number", "large_number", "yes", "unicode"),
        *("nested", "other_keys", "tuple", "set", "list", "numpy_array", "numpy_number", "data_frame"),
        *("frame_as_json", "date", "huge", "exception", "generator", "no_such_kind"),
    ),
}


def scripts() -> list[str]:
    """The names of all scripts."""
    return sorted(file.stem for file in SCRIPTS.glob("*.py"))


def pairs() -> list[tuple[str, Request]]:
    """Every script with each request that it gets, script by script."""
    return [(script, one) for script in scripts() for one in _of(script)]


def _of(script: str) -> Iterator[Request]:
    if script in _KINDS:
        for kind in _KINDS[script]:
            yield get(f"get_{kind}", b"/score?kind=" + quote(kind).encode())
        for kind in _KINDS[script][:6]:
            body = json.dumps({"kind": kind}).encode()
            yield post(f"post_{kind}", body, JSON, target=b"/score?kind=" + quote(kind).encode())
    elif script in _SELDOM:
        yield from (_BY_NAME[name] for name in _SELDOM[script])
    else:
        yield from (one for one in GENERAL if (script, one.name) not in _KNOWN)
