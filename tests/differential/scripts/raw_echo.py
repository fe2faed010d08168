"""rawhttp: what Flask makes of the request, the body by its digest."""

import hashlib

from azureml_inference_server_http.api.aml_request import rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse

HOP_BY_HOP = {"connection", "keep-alive", "te", "trailer", "upgrade", "x-request-id"}


def init():
    pass


@rawhttp
def run(request):
    body = request.get_data()
    told = {
        "method": request.method,
        "path": request.path,
        "query": request.query_string.decode("latin-1"),
        "args": {name: request.args.getlist(name) for name in request.args},
        "headers": [[name, value] for name, value in request.headers if name.lower() not in HOP_BY_HOP],
        "length": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    return AMLResponse(told, 200, json_str=True)
