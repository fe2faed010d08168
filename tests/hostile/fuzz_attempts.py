"""What one hostile caller does: requests in bytes, most of them spoilt, and how it behaves on its connection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

KEY = b"primary-key"
READ, HALF_CLOSE, RESET, ABORT_ANSWER, CLOSE = "read", "half_close", "reset", "abort_answer", "close"


@dataclass(frozen=True)
class Attempt:
    """One connection: `pieces` are sent one after another, then it ends as `ending` says.

    `honest` attempts are as a good client's: every one of their `asked` requests must be answered.
    """

    number: int
    pieces: tuple[bytes, ...]
    ending: str
    honest: bool
    asked: int

    @property
    def raw(self) -> bytes:
        return b"".join(self.pieces)


def attempt(seed: int, number: int, prefix: bytes, *, hostile: bool) -> Attempt:
    """The attempt of that number; the same for the same seed.  `prefix` stands before every path."""
    random = Random(f"{seed}-{number}")
    honest = not hostile or random.random() < 0.3
    asked = random.choice((1, 1, 1, 2, 3, 5))
    requests = [_request(random, number, index, prefix, honest=honest) for index in range(asked)]
    if honest:
        return Attempt(number, _split(random, b"".join(requests)), READ, True, asked)
    for _ in range(random.choice((1, 1, 2, 4))):
        place = random.randrange(len(requests))
        requests[place] = random.choice(SPOILERS)(random, requests[place] or b"\r\n")
    raw = b"".join(requests)
    if random.random() < 0.2:
        raw = raw[: random.randrange(len(raw) + 1)]
    ending = random.choice((READ, READ, HALF_CLOSE, RESET, ABORT_ANSWER, CLOSE))
    return Attempt(number, _split(random, raw), ending, False, asked)


def _split(random: Random, raw: bytes) -> tuple[bytes, ...]:
    cuts = sorted(random.randrange(len(raw) + 1) for _ in range(random.choice((0, 0, 0, 1, 3, 10))))
    return tuple(raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True) if end > start)


def _request(random: Random, number: int, index: int, prefix: bytes, *, honest: bool) -> bytes:
    """A good request that nobody else sends: its number is in its target."""
    method = random.choice((b"POST", b"POST", b"POST", b"GET", b"PUT", b"HEAD", b"OPTIONS"))
    if honest:
        method = random.choice((b"POST", b"POST", b"GET"))
    target = b"%s/score?id=%d-%d" % (prefix, number, index)
    head = b"%s %s HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n" % (method, target, KEY)
    for _ in range(random.choice((0, 0, 1, 5))):
        head += random.choice(_HARMLESS)
    if method == b"GET" and random.random() < 0.8:
        return head + b"\r\n"
    body = _body(random, number, index)
    if random.random() < 0.4:
        return head + b"Transfer-Encoding: chunked\r\n\r\n" + _chunked(random, body)
    return head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


_HARMLESS = (
    b"Content-Type: application/json\r\n",
    b"X-Empty:\r\n",
    b"X-Latin: \xe9\xff\r\n",
    b"Accept: a/b,\tc/d\r\n",
    b"Cookie: a=b\r\n",
    b"X-Long: %s\r\n" % (b"y" * 3000),
    b"TE: trailers\r\n",
    b"Connection: keep-alive\r\n",
    b"Expect: 100-continue\r\n",
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n",
)


def _body(random: Random, number: int, index: int) -> bytes:
    kind = random.randrange(6)
    if kind == 0:
        return b""
    if kind == 1:  # a request in a body is none
        return b"GET /hidden?id=%d-%d HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n\r\n" % (number, index, KEY)
    if kind == 2:
        return b"0\r\n\r\nPOST /hidden HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
    if kind == 3:
        return random.randbytes(random.randrange(300))
    if kind == 4 and random.random() < 0.2:
        return b"z" * random.randrange(400_000)
    return b'{"data": [[1, 2, 3]]}'


def _chunked(random: Random, body: bytes) -> bytes:
    coded, rest = b"", body
    while rest:
        size = min(len(rest), random.choice((1, 5, 100, 70_000)) if len(rest) < 5000 else 70_000)
        coded += b"%x%s\r\n%s\r\n" % (size, random.choice((b"", b"", b";a=b", b';a="c"')), rest[:size])
        rest = rest[size:]
    return coded + b"0\r\n" + random.choice((b"", b"", b"X-Trailer: 1\r\n")) + b"\r\n"


# The ways in which a request is spoilt.

Spoiler = Callable[[Random, bytes], bytes]


def _flip(random: Random, raw: bytes) -> bytes:
    place = random.randrange(min(len(raw), 400))
    return raw[:place] + random.randbytes(1) + raw[place + 1 :]


def _insert(random: Random, raw: bytes) -> bytes:
    place = random.randrange(min(len(raw), 400) + 1)
    return raw[:place] + random.choice(_INTRUDERS) + raw[place:]


def _delete(random: Random, raw: bytes) -> bytes:
    place = random.randrange(min(len(raw), 400))
    return raw[:place] + raw[place + random.randrange(1, 5) :]


def _cut(random: Random, raw: bytes) -> bytes:
    return raw[: random.randrange(len(raw) + 1)]


def _add_header(random: Random, raw: bytes) -> bytes:
    first, end, rest = raw.partition(b"\r\n")
    return first + end + random.choice(_BAD_HEADERS) + b"\r\n" + rest


def _other_first_line(random: Random, raw: bytes) -> bytes:
    _, end, rest = raw.partition(b"\r\n")
    return random.choice(_FIRST_LINES) + end + rest


def _other_line_ends(random: Random, raw: bytes) -> bytes:
    head, end, body = raw.partition(b"\r\n\r\n")
    other = random.choice((b"\n", b"\r", b"\r\r\n", b"\n\r"))
    return head.replace(b"\r\n", other, random.choice((1, 2, -1))) + random.choice((end, other * 2)) + body


def _other_size(random: Random, raw: bytes) -> bytes:
    head, end, body = raw.partition(b"\r\n\r\n")
    _, line_end, rest = body.partition(b"\r\n")
    return head + end + random.choice(_SIZES) + line_end + rest


def _huge_head(random: Random, raw: bytes) -> bytes:
    first, end, rest = raw.partition(b"\r\n")
    filler = random.choice((b"X-Huge: %s\r\n" % (b"h" * 70_000), b"X: y\r\n" * 15_000))
    return first + end + filler + rest


def _endless_trailer(random: Random, raw: bytes) -> bytes:
    return raw.removesuffix(b"\r\n") + b"X: " + b"t" * random.choice((100, 200_000))


def _garbage(random: Random, raw: bytes) -> bytes:
    return random.randbytes(random.randrange(1, 500)) + random.choice((b"", raw))


def _twice(random: Random, raw: bytes) -> bytes:
    return raw + random.choice((b"\r\n", b"\r\n" * 50, b"x", b"")) + raw


_INTRUDERS = (b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b":", b"\r\n\r\n", b"\x0b", b"\xff", b"\r\n ", b"%0d%0a", b";")
_BAD_HEADERS = (
    *(b"Content-Length: 0", b"Content-Length: 5", b"Content-Length: 1000000", b"Content-Length: -1"),
    *(
        b"Content-Length: +3",
        b"Content-Length: 0x5",
        b"Content-Length: 5, 5",
        b"Content-Length:",
        b"content-length: 3 3",
    ),
    *(b"Content-Length: 99999999999999999999", b"Content-Length : 0", b"Content-Length\t: 0", b" Content-Length: 0"),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: CHUNKED", b"Transfer-Encoding: identity"),
    *(b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: chunked, gzip", b"Transfer-Encoding: xchunked"),
    *(b"Transfer-Encoding : chunked", b"Transfer-Encoding:\x0bchunked", b"Transfer-Encoding:\r\n chunked"),
    *(b"X-Fold: a\r\n b", b"X: y\rTransfer-Encoding: chunked", b"X: y\nContent-Length: 0", b"X: y\0z", b": empty"),
    *(b"Host: other", b"Host:", b"Connection: close", b"Connection: content-length, host", b"Connection: upgrade"),
    *(b"Upgrade: websocket\r\nConnection: upgrade", b"Expect: 100-continue", b"Expect: x", b"X-No-Colon"),
    *(b"Authorization: Bearer wrong", b"Authorization: Bearer \xff", b"azureml-model-deployment: none"),
    *(b"azureml-model-deployment: \xff", b"x-request-id: " + b"i" * 500, b"X: " + b"\xff" * 100),
)
_FIRST_LINES = (
    *(b"GET /", b"GET  / HTTP/1.1", b"GET / HTTP/1.0", b"GET / HTTP/0.9", b"GET / HTTP/2.0", b"GET / HTTP/1.10"),
    *(b"POST http://a/score?absolute HTTP/1.1", b"POST https://a HTTP/1.1", b"CONNECT a:1 HTTP/1.1"),
    *(b"CONNECT /score HTTP/1.1", b"OPTIONS * HTTP/1.1", b"GET * HTTP/1.1", b"GET a:80 HTTP/1.1", b"GET ?q HTTP/1.1"),
    *(b"PRI * HTTP/2.0", b"FETCH / HTTP/1.1", b"get / HTTP/1.1", b"GET /\xff HTTP/1.1", b"GET /a b HTTP/1.1"),
    *(b"GET / RTSP/1.0", b"SOURCE / ICE/1.0", b"TRACE /score HTTP/1.1", b"PROPFIND / HTTP/1.1", b"M-SEARCH / HTTP/1.1"),
    *(b"GET //../..//etc/passwd HTTP/1.1", b"GET /%00%0d%0aX:y HTTP/1.1", b"GET /" + b"l" * 70_000 + b" HTTP/1.1"),
    *(b"POST /api/v1/endpoint/other/score HTTP/1.1", b"GET x://// HTTP/1.1", b"GET /#fragment HTTP/1.1"),
)
_SIZES = (
    *(b"+5", b"-1", b"0x5", b"5 ", b" 5", b"", b"g", b"5;" + b"e" * 3000, b"ffffffffffffffff", b"10000000000000000"),
    *(b"fffffff", b"0", b"00000000000000000000000005", b"5;a\n", b"5;a\rb", b'5;"', b"5,5", b"5\0", b"1_0"),
)
SPOILERS: tuple[Spoiler, ...] = (
    *(_flip, _flip, _insert, _insert, _delete, _cut, _add_header, _add_header, _add_header, _other_first_line),
    *(_other_line_ends, _other_size, _other_size, _huge_head, _endless_trailer, _garbage, _twice),
)
