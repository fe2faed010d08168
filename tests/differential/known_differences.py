"""Where a bare azmlinfsrv and target `local` differ, and why that is right or cannot be helped.  All of it."""

from __future__ import annotations

from dataclasses import dataclass

from differential_requests import DATA, JSON, Request, chunked, get, post, request

_NO_HTTP = "what is no HTTP is refused by the gateway, which must read it first: the same status, its own plain text"
_ONE_HOP = "a proxy may not pass on what is meant for its own hop (RFC 9110 §7.6.1)"
_CHUNKS = "a proxy must not guess where a body ends (RFC 9112 §7.1): refused before the container, which would try"
_CODING = "only the chunked coding can be taken off and put on again (RFC 9112 §6.1), so the others are refused"
_HOST = "a request of HTTP/1.1 has a legal Host (RFC 9112 §3.2), or is refused: gunicorn does not look"
_OWN_HOST = "the gateway gives the address of the container where a caller of HTTP/1.0 names no host"
_VERSION = "RFC 9110 §15.6.6 has an answer for versions that are not spoken; gunicorn says 400"
_EXPECT = "the gateway answers Expect by itself (RFC 9110 §10.1.1), so run() does not see the header"

_X = b"GET /score?x=1"
_POST = b"POST /score"

WRONG_HOSTS = {
    "no_host": b"",
    "empty_host": b"Host: \r\n",
    "host_with_user": b"Host: u@a\r\n",
    "host_with_path": b"Host: a/b\r\n",
    "list_of_hosts": b"Host: a, b\r\n",
    "host_with_space": b"Host: a b\r\n",
    "host_not_ascii": b"Host: \xfc\r\n",
    "port_of_letters": b"Host: a:b\r\n",
}


@dataclass(frozen=True)
class Difference:
    """A request that is answered otherwise, and the reason; `same_status` when only words differ.

    `half_closed` requests end the caller's side of the connection, which is told when the answer takes its time.
    """

    request: Request
    reason: str
    same_status: bool = False
    half_closed: bool = False
    script: str = "raw_echo"


def _raw(name: str, raw: bytes) -> Request:
    return Request(name, raw)


def _no_http(one: Request) -> Difference:
    return Difference(one, _NO_HTTP, same_status=True)


KNOWN_DIFFERENCES: tuple[Difference, ...] = (
    *map(
        _no_http,
        (
            _raw("not_http", b"NOT HTTP\r\n\r\n"),
            _raw("tls", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
            _raw("lines_end_in_lf", b"GET /score?x=1 HTTP/1.1\nHost: a\n\n"),
            get("target_with_space", b"/score?x=a b"),
            get("target_not_ascii", b"/score?x=\xff"),
            get("target_in_utf_8", b"/score?x=\xc3\xbc"),
            get("target_without_slash", b"score"),
            get("method_in_lower_case", b"/score", method=b"get"),
            request("folded_header", _X, b"X-F: a\r\n b"),
            request("space_before_colon", _X, b"X-F : a"),
            request("no_colon", _X, b"X-F"),
            request("no_token", _X, b"X(F): a"),
            request("nul_in_value", _X, b"X-F: a\0b"),
            request("control_in_value", _X, b"X-F: a\x01b"),
            request("cr_in_value", _X, b"X-F: a\rb"),
            request("two_hosts", _X, b"Host: scoring.local"),
            request("two_other_hosts", _X, b"Host: other.local"),
            request("two_lengths", _POST, b"Content-Length: 2", body=b"{}"),
            request("two_other_lengths", _POST, b"Content-Length: 3", body=b"{}"),
            _raw("list_of_lengths", b"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2\r\n\r\n{}"),
            _raw("signed_length", b"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n{}"),
            _raw("negative_length", b"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: -2\r\n\r\n{}"),
            _raw("hexadecimal_length", b"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: 0x2\r\n\r\n{}"),
            _raw("empty_length", b"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n"),
            chunked("length_and_chunks", b"2\r\n{}\r\n0\r\n\r\n", b"Content-Length: 2"),
            chunked("chunked_twice", b"2\r\n{}\r\n0\r\n\r\n", b"Transfer-Encoding: chunked"),
            request("identity", _POST, b"Transfer-Encoding: identity", body=b"{}"),
            _raw(
                "chunks_in_http_1_0",
                b"POST /score HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            ),
        ),
    ),
    Difference(
        get("unknown_method", b"/score", method=b"FETCH"),
        "the gateway's parser knows the registered methods only; every other method than GET and POST fails anyway",
    ),
    Difference(
        _raw("connect", b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"),
        "a proxy that passed CONNECT on would have to give a tunnel (RFC 9110 §9.3.6)",
    ),
    Difference(
        _raw("another_protocol", b"GET /score?x=1 RTSP/1.0\r\nHost: scoring.local\r\n\r\n"),
        "the gateway's parser takes this relative of HTTP for HTTP/1.0; nobody sends it to a scoring endpoint",
    ),
    Difference(request("http_2_0", _X, version=b"2.0"), _VERSION),
    Difference(request("http_0_9", _X, version=b"0.9"), _VERSION),
    *(Difference(_raw(name, _X + b" HTTP/1.1\r\n" + lines + b"\r\n"), _HOST) for name, lines in WRONG_HOSTS.items()),
    Difference(_raw("no_host_in_http_1_0", _X + b" HTTP/1.0\r\n\r\n"), _OWN_HOST, same_status=True),
    Difference(
        _raw("empty_lines_before", b"\r\n\r\nGET /score?x=1 HTTP/1.1\r\nHost: a\r\n\r\n"),
        "a server should pass over empty lines before a request (RFC 9112 §2.2); gunicorn passes over one",
    ),
    Difference(chunked("gzip_and_chunks", b"2\r\n{}\r\n0\r\n\r\n").with_coding(b"gzip, chunked"), _CODING),
    Difference(chunked("identity_and_chunks", b"2\r\n{}\r\n0\r\n\r\n").with_coding(b"identity, chunked"), _CODING),
    Difference(chunked("unknown_coding", b"2\r\n{}\r\n0\r\n\r\n").with_coding(b"xchunked"), _CODING, same_status=True),
    Difference(
        chunked("coding_in_upper_case", b"2\r\n{}\r\n0\r\n\r\n").with_coding(b"Chunked"),
        "the hop to the container has a Transfer-Encoding of its own, which a raw script sees",
        same_status=True,
    ),
    Difference(chunked("chunk_size_with_space", b"2 \r\n{}\r\n0\r\n\r\n"), _CHUNKS),
    Difference(chunked("signed_chunk_size", b"+2\r\n{}\r\n0\r\n\r\n"), _CHUNKS),
    Difference(chunked("prefixed_chunk_size", b"0x2\r\n{}\r\n0\r\n\r\n"), _CHUNKS),
    Difference(chunked("no_chunk_size", b"zz\r\n{}\r\n0\r\n\r\n"), _CHUNKS),
    Difference(
        request("head_over_60_kb", _X, *(b"X-%d: %s" % (number, b"v" * 4000) for number in range(18))),
        "the bound of Envoy, which every target shares; gunicorn's are per line (8 KB) and per count (100)",
    ),
    Difference(post("expect_continue", DATA, JSON, b"Expect: 100-continue"), _EXPECT, same_status=True),
    Difference(post("expect_another_thing", DATA, JSON, b"Expect: 200-ok"), _EXPECT),
    Difference(get("upgrade", b"/score?x=1", b"Connection: Upgrade", b"Upgrade: websocket"), _ONE_HOP),
    Difference(get("named_by_connection", b"/score?x=1", b"Connection: X-Mine", b"X-Mine: 1"), _ONE_HOP, True),
    Difference(get("proxy_headers", b"/score?x=1", b"Proxy-Authorization: x", b"Proxy-Connection: x"), _ONE_HOP, True),
    Difference(
        get("half_closed", b"/score?x=1"),
        "a caller that ends its side counts as gone, as at Envoy: otherwise one that is gone would hold its place",
        half_closed=True,
        script="slow",
    ),
    Difference(
        _raw("half_a_body", b"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n123"),
        "a body that ends too early is no request (RFC 9112 §8); gunicorn lets run() see the half",
        half_closed=True,
    ),
)
