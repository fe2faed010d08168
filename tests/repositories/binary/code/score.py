import json
import struct

from azureml.contrib.services.aml_request import AMLRequest, rawhttp
from azureml.contrib.services.aml_response import AMLResponse

PNG = b"\x89PNG\r\n\x1a\n"


def init():
    pass


@rawhttp
def run(request: AMLRequest):
    body = request.get_data()
    if request.method != "POST" or not body.startswith(PNG):
        return AMLResponse("send a PNG", 415)
    width, height = struct.unpack(">II", body[16:24])
    return AMLResponse(json.dumps({"width": width, "height": height, "bytes": len(body)}), 200)
