"""rawhttp: fields and files of a form."""

from azureml_inference_server_http.api.aml_request import rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse


def init():
    pass


@rawhttp
def run(request):
    files = {name: [file.filename, file.read().decode("latin-1")] for name, file in request.files.items()}
    return AMLResponse({"form": dict(request.form.lists()), "files": files}, 200, json_str=True)
