"""rawhttp: answers of every kind, chosen by ?kind=, as HTTP allows them and as people write them."""

import gzip

from azureml_inference_server_http.api.aml_request import rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse
from flask import Response


def init():
    pass


def _repeated():
    response = Response("repeated", headers=[("Set-Cookie", "a=1"), ("X-Same", "1"), ("Set-Cookie", "b=2")])
    response.headers.add("X-Same", "2")
    return response


def _failed():
    raise RuntimeError("chosen to fail")


KINDS = {
    "created": lambda: AMLResponse("made", 201, {"Location": "/things/1"}),
    "empty": lambda: AMLResponse("", 200),
    "none": lambda: AMLResponse(None, 200),
    "no_content": lambda: Response(status=204),
    "no_content_with_body": lambda: Response("not sent", status=204),
    "moved": lambda: Response("over there", status=302, headers={"Location": "http://elsewhere/?a=b"}),
    "not_modified": lambda: Response(status=304, headers={"ETag": '"1"'}),
    "bad_request": lambda: AMLResponse("bad input", 400),
    "not_authorized": lambda: Response("who?", status=401, headers={"WWW-Authenticate": 'Basic realm="x"'}),
    "not_found": lambda: AMLResponse({"message": "no such thing"}, 404, json_str=True),
    "teapot": lambda: Response("short and stout", status=418),
    "too_many": lambda: Response("slower", status=429, headers={"Retry-After": "7"}),
    "error": lambda: AMLResponse("broken", 500),
    "unavailable": lambda: AMLResponse("later", 503, {"Retry-After": "1"}),
    "odd_status": lambda: Response("odd", status=299),
    "odd_reason": lambda: Response("odd", status="200 Fine, thanks"),
    "no_reason": lambda: Response("odd", status="599 "),
    "repeated": _repeated,
    "non_ascii": lambda: Response("grüße 世界", headers={"X-Latin": "gr\xfc\xdfe", "X-Empty": ""}),
    "latin_body": lambda: Response(b"gr\xfc\xdfe\x00\xff", content_type="text/plain; charset=latin-1"),
    "gzip": lambda: Response(gzip.compress(b"packed " * 500, mtime=0), headers={"Content-Encoding": "gzip"}),
    "own_server": lambda: Response("mine", headers={"Server": "mine", "X-Request-Id": "mine", "Via": "1.1 mine"}),
    "own_date": lambda: Response("mine", headers={"Date": "Thu, 01 Jan 1970 00:00:00 GMT"}),
    "azure_names": lambda: Response(
        "forged", headers={"azureml-model-deployment": "forged", "azureml-model-session": "forged"}
    ),
    "long_header": lambda: Response("long", headers={"X-Long": "x" * 30000}),
    "many_headers": lambda: Response("many", headers=[(f"X-{number}", "v") for number in range(150)]),
    "big": lambda: Response(b"0123456789abcdef" * 200000, content_type="application/octet-stream"),
    "failed": _failed,
}


@rawhttp
def run(request):
    return KINDS[request.args["kind"]]()
