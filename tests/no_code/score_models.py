"""Scores MLflow models with a no-code script, on the app of azmlinfsrv: a process for each model, forked from this one.

    python score_models.py SCRIPT MODELS

Reads a request as JSON a line, `{"kind", "body", "content_type"}`, and writes the answer as one, `{"status", "body"}`;
a request without a body is one for the Swagger document.  Of a model with which the script does not start the answer is
`{"error"}` to all.  Runs beside mlflow and the scoring server.
"""

import json
import os
import sys
from multiprocessing import Pipe
from pathlib import Path

SCRIPT, MODELS = Path(sys.argv[1]), Path(sys.argv[2])
os.environ.update(AML_APP_ROOT=str(SCRIPT.parent), AZUREML_ENTRY_SCRIPT=SCRIPT.name, AZUREML_MODEL_DIR=str(MODELS))
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what the server and the models print is no answer

# Once for all models, as is what the first load_model() imports.
import azureml.ai.monitoring  # noqa: E402, F401
import inference_schema.parameter_types.pandas_parameter_type  # noqa: E402, F401
import mlflow.pyfunc.scoring_server  # noqa: E402
import scipy.sparse  # noqa: E402, F401
from azureml_inference_server_http.server import create_app  # noqa: E402

sys.dont_write_bytecode = True  # nothing beside the script


def app_of(kind):
    """The server's app with that model, or the exception for which the script does not start."""
    os.environ["MLFLOW_MODEL_FOLDER"] = kind
    try:
        return create_app.create().test_client()
    except SystemExit as end:
        return end.__context__ and (getattr(end.__context__, "user_ex", None) or end.__context__)


def answer_of(app, request):
    if isinstance(app, BaseException):
        return {"error": f"{type(app).__name__}: {app}"}
    if "body" in request:
        got = app.post("/score", data=request["body"], content_type=request["content_type"])
    else:
        got = app.get("/swagger.json?version=3")
    return {"status": got.status_code, "body": got.text}


def serve(kind, end):
    app = app_of(kind)
    while True:
        try:
            request = end.recv()
        except EOFError:
            os._exit(0)
        end.send(answer_of(app, request))


def fork(kind):
    ours, theirs = Pipe()
    if os.fork() == 0:
        ours.close()
        for other in processes.values():
            other.close()
        serve(kind, theirs)
    theirs.close()
    return ours


mlflow.pyfunc.load_model(str(next(MODELS.iterdir())))
processes = {}
for line in sys.stdin:
    asked = json.loads(line)
    if asked["kind"] not in processes:
        processes[asked["kind"]] = fork(asked["kind"])
    processes[asked["kind"]].send(asked)
    print(json.dumps(processes[asked["kind"]].recv()), file=answers, flush=True)
for process in processes.values():
    process.close()
for _ in processes:
    os.wait()
