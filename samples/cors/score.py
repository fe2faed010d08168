from azureml.contrib.services.aml_request import AMLRequest, rawhttp
from azureml.contrib.services.aml_response import AMLResponse


def init():
    print("This is init()")


def add_cors_headers(resp):
    resp.headers["Allow"] = "OPTIONS, GET, POST"
    resp.headers["Access-Control-Allow-Methods"] = "OPTIONS, GET, POST"
    resp.headers["Access-Control-Allow-Origin"] = "http://www.example.com"
    resp.headers["Access-Control-Allow-Headers"] = "*"
    return resp


@rawhttp
def run(request):
    print("This is run()")
    print("Request: [{0}]".format(request))
    if request.method == "GET":
        # For this example, just return the URL for GET.
        # For a real-world solution, you would load the data from URL params or headers
        # and send it to the model. Then return the response.
        respBody = str.encode(request.full_path)
        return add_cors_headers(AMLResponse(respBody, 200))
    elif request.method == "POST":
        reqBody = request.get_data(False)
        # For a real-world solution, you would load the data from reqBody
        # and send it to the model. Then return the response.
        return add_cors_headers(AMLResponse(reqBody, 200))
    elif request.method == "OPTIONS":
        return add_cors_headers(AMLResponse("", 200))
    else:
        return AMLResponse("bad request", 400)
