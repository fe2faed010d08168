"""rawhttp: the body back, byte for byte, with headers of the script's own."""

from azureml_inference_server_http.api.aml_request import rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse


def init():
    pass


@rawhttp
def run(request):
    headers = {"Content-Type": request.headers.get("Content-Type", "application/octet-stream"), "X-Script": "a, b"}
    return AMLResponse(request.get_data(), 200, headers)
