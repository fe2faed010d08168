"""The headers that run() is given, in their order, less those that belong to one hop (RFC 9110 §7.6.1)."""

HOP_BY_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "x-request-id"}


def init():
    pass


def run(data, request_headers):
    return [[name, value] for name, value in request_headers.items() if name.lower() not in HOP_BY_HOP]
