"""Broken deployments: a script, its environment, a request, and what is said of each of them.

`cause` must be in the first line that a user reads, `hint` in the second.  Each part is looked for by itself.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field

RUN = "\n\ndef run(data):\n    return data\n"
INIT = "def init():\n    pass\n\n\n"
MODEL_DIR = 'os.environ["AZUREML_MODEL_DIR"]'
MODELS = "/var/azureml-app/azureml-models/taxi/1"
MODEL_FILES = {"model/artifacts/model.pkl": "weights", "model/labels.txt": "labels"}
# So short that a container which never gets ready is given up soon, and long enough for three crashes.
IMPATIENT = {"initial_delay": 1, "period": 2, "failure_threshold": 3}


@dataclass(frozen=True)
class BrokenStart:
    """A deployment that does not come about.

    `files` lie in the code folder beside the script, `entry` is its path in it; `only_its_folder` deploys that folder
    alone.  `budget` are the settings of the liveness probe.
    """

    script: str
    cause: tuple[str, ...]
    hint: tuple[str, ...]
    entry: str = "score.py"
    files: Mapping[str, str] = field(default_factory=dict)
    only_its_folder: bool = False
    has_model: bool = True
    variables: Mapping[str, str] = field(default_factory=dict)
    budget: Mapping[str, int] | None = None


@dataclass(frozen=True)
class BrokenRequest:
    """A request that a deployment answers with an error; `calls` is the body of the function that run() calls."""

    cause: tuple[str, ...]
    hint: tuple[str, ...]
    calls: str = "pass"
    imports: str = ""
    body: str | None = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"


def init(body: str, imports: str = "import os\n") -> str:
    """A script whose init() does that."""
    return f"{imports}\n\ndef init():\n{textwrap.indent(textwrap.dedent(body), '    ')}\n{RUN}"


def opens(*parts: str) -> str:
    """A script whose init() opens the file of that path below AZUREML_MODEL_DIR."""
    return init(f"open(os.path.join({MODEL_DIR}, {', '.join(map(repr, parts))}), 'rb')")


TREE = "`amlemu tree {endpoint} --deployment blue`"
LOGS = "`amlemu logs {endpoint} --deployment blue`"
ARTIFACT = f'os.path.join({MODEL_DIR}, "model", "artifacts", "model.pkl")'
NO_FILE = "FileNotFoundError: [Errno 2] No such file or directory: "

STARTS: dict[str, BrokenStart] = {
    # paths
    "a level of the model's folder forgotten": BrokenStart(
        opens("model.pkl"),
        (f"{NO_FILE}'{MODELS}/model.pkl' (project/score.py, line 5)",),
        (f"the nearest that is there: {MODELS}/model/artifacts/model.pkl", f"reach it with {ARTIFACT}", TREE),
    ),
    "the case of a file's name": BrokenStart(
        opens("model", "artifacts", "Model.pkl"), (NO_FILE, "Model.pkl'"), (f"reach it with {ARTIFACT}",)
    ),
    "another ending of a file's name": BrokenStart(
        opens("model", "artifacts", "model.joblib"), (NO_FILE, "model.joblib'"), (f"reach it with {ARTIFACT}",)
    ),
    "a folder of the model": BrokenStart(
        init(f"os.listdir(os.path.join({MODEL_DIR}, 'artifacts'))"),
        (f"{NO_FILE}'{MODELS}/artifacts'",),
        (f'os.path.join({MODEL_DIR}, "model", "artifacts")', "(a folder)"),
    ),
    "a name that is like none": BrokenStart(
        opens("weights.bin"),
        (f"{NO_FILE}'{MODELS}/weights.bin'",),
        (f"{MODELS} is there, and holds: model/artifacts/model.pkl, model/labels.txt", TREE),
    ),
    "a folder opened as a file": BrokenStart(
        init(f"open({MODEL_DIR}, 'rb')"), (f"IsADirectoryError: [Errno 21] Is a directory: '{MODELS}'",), (ARTIFACT,)
    ),
    "a file taken for a folder": BrokenStart(
        opens("model", "labels.txt", "x"),
        ("NotADirectoryError", f"{MODELS}/model/labels.txt is a file, not a folder"),
        (TREE,),
    ),
    "a path of the training run": BrokenStart(
        init("open('outputs/model.pkl', 'rb')"), (f"{NO_FILE}'outputs/model.pkl'",), (f"reach it with {ARTIFACT}",)
    ),
    "a path of the user's own machine": BrokenStart(
        init("open('/data/ada/rates.csv', 'rb')"),
        (f"{NO_FILE}'/data/ada/rates.csv'", "/data/ada/rates.csv is no path of the container"),
        ("models are below AZUREML_MODEL_DIR", TREE),
    ),
    "a file of the code in another folder": BrokenStart(
        init("open('config.json')"),
        (f"{NO_FILE}'config.json'",),
        ('os.path.join(os.path.dirname(__file__), "conf", "config.json")',),
        files={"conf/config.json": "{}"},
    ),
    "a missing path behind another exception": BrokenStart(
        init(f"try:\n    open(os.path.join({MODEL_DIR}, 'model.pkl'))\nexcept OSError as e:\n"
             "    raise RuntimeError('no model') from e"),
        ("RuntimeError: no model (project/score.py, line 8)", f"raised from {NO_FILE}'{MODELS}/model.pkl'"),
        (f"reach it with {ARTIFACT}",),
    ),
    "no model, asked for with environ": BrokenStart(
        opens("model.pkl"),
        ("AZUREML_MODEL_DIR is not set: the deployment has no model",),
        ("--model NAME:VERSION", "`amlemu model list`"),
        has_model=False,
    ),
    "no model, asked for with getenv": BrokenStart(
        init("os.path.join(os.getenv('AZUREML_MODEL_DIR'), 'model.pkl')"),
        ("not NoneType", "AZUREML_MODEL_DIR is not set, so it is None: the deployment has no model"),
        ("--model NAME:VERSION",),
        has_model=False,
    ),
    # variables
    "a variable that is not set": BrokenStart(
        init("os.environ['MY_API_KEY']"),
        ("KeyError: 'MY_API_KEY' (project/score.py, line 5): the environment variable MY_API_KEY is not set",),
        ("--env MY_API_KEY", "environment_variables"),
    ),
    "a variable under another name": BrokenStart(
        init("os.environ['MY_API_KEY']"),
        ("MY_API_KEY is not set; MY_APIKEY is set",),
        ("--env MY_API_KEY",),
        variables={"MY_APIKEY": "x"},
    ),
    "no managed identity": BrokenStart(
        init("msi_endpoint = os.environ.get('MSI_ENDPOINT')\nurl = msi_endpoint + '?resource=https://vault.azure.net'"),
        ("unsupported operand", "the container has no managed identity here: MSI_ENDPOINT"),
        ("--env AZURE_CLIENT_ID", "DefaultAzureCredential"),
    ),
    "a variable that is None": BrokenStart(
        init("os.getenv('API_HOST') + '/v1'"),
        ("unsupported operand", "the environment variable API_HOST is not set, so it is None"),
        ("--env API_HOST",),
    ),
    # imports
    **{
        f"{module} without {package}": BrokenStart(
            f"{line}\n\n\n{INIT}{RUN}",
            (f"ModuleNotFoundError: No module named '{missing}' (project/score.py, line 1)", f"package {package}"),
            (f"add {package} to requirements.txt",),
        )
        for module, missing, line, package in (
            ("cv2", "cv2", "import cv2", "opencv-python-headless"),
            ("PIL", "PIL", "from PIL import Image", "Pillow"),
            ("sklearn", "sklearn", "from sklearn.svm import SVC", "scikit-learn"),
            ("google.cloud", "google", "from google.cloud import storage", "google-cloud-storage"),
        )
    },
    "a module that nobody knows": BrokenStart(
        f"import no_such_package\n\n\n{INIT}{RUN}",
        ("ModuleNotFoundError: No module named 'no_such_package'",),
        ("add it to requirements.txt", "/var/azureml-app/project (AML_APP_ROOT)"),
    ),
    "a helper above the script": BrokenStart(
        f"import preprocess\n\n\n{INIT}{RUN}",
        (
            "No module named 'preprocess' (project/src/score.py, line 1)",
            "/var/azureml-app/project/preprocess.py is there",
            "Python looks in AML_APP_ROOT=/var/azureml-app/project/src",
        ),
        ("move it beside score.py", 'sys.path.append(os.path.join(os.path.dirname(__file__), ".."))'),
        entry="src/score.py",
        files={"preprocess.py": "x = 1\n"},
    ),
    "a helper named from the repository's root": BrokenStart(
        f"from src.preprocess import x\n\n\n{INIT}{RUN}",
        ("No module named 'src'", "AML_APP_ROOT=/var/azureml-app/project/src, which is the folder 'src' itself"),
        ("without 'src.'",),
        entry="src/score.py",
        files={"src/preprocess.py": "x = 1\n"},
    ),
    "a helper that was not sent": BrokenStart(
        f"from lib.tools import x\n\n\n{INIT}{RUN}",
        ("No module named 'lib' (src/score.py, line 1)",),
        ("must lie in /var/azureml-app/src (AML_APP_ROOT)",),
        entry="src/score.py",
        files={"lib/tools.py": "x = 1\n"},
        only_its_folder=True,
    ),
    "a helper in a folder below": BrokenStart(
        f"import tools\n\n\n{INIT}{RUN}",
        ("No module named 'tools'", "/var/azureml-app/project/lib/tools.py is there"),
        ("`from lib import tools`",),
        files={"lib/tools.py": "x = 1\n"},
    ),
    "a name that a helper has not": BrokenStart(
        f"from tools import nothing\n\n\n{INIT}{RUN}",
        ("ImportError: cannot import name 'nothing' from 'tools'",),
        ("look into /var/azureml-app/project/tools.py",),
        files={"tools.py": "x = 1\n"},
    ),
    "a relative import": BrokenStart(
        f"from .tools import x\n\n\n{INIT}{RUN}",
        ("attempted relative import", "not as part of a package"),
        ("`from tools import x`",),
        files={"tools.py": "x = 1\n"},
    ),
    "a name of another version of a package": BrokenStart(
        f"from pydantic import no_such_name\n\n\n{INIT}{RUN}",
        ("cannot import name 'no_such_name' from 'pydantic'", "the installed pydantic has no no_such_name"),
        ("pin pydantic in requirements.txt",),
    ),
    "a module of another version of a package": BrokenStart(
        init("pickle.loads(b'cpydantic.old.place\\nThing\\n.')", "import pickle\n"),
        ("No module named 'pydantic.old'", "pydantic is installed in a version without pydantic.old"),
        ("pin pydantic in requirements.txt",),
    ),
    "a missing system library": BrokenStart(
        init("ctypes.CDLL('libgomp.so.77')", "import ctypes\n"),
        ("the image lacks the system library libgomp.so.77",),
        ("Debian package libgomp1",),
    ),
    # exceptions of several lines
    "torch's state_dict": BrokenStart(
        init('raise RuntimeError("Error(s) in loading state_dict for Net:\\n\\tMissing key(s): \\"fc.weight\\".")'),
        ('RuntimeError: Error(s) in loading state_dict for Net: Missing key(s): "fc.weight".', "score.py, line 5"),
        (LOGS,),
    ),
    "pydantic's errors": BrokenStart(
        init("class Row(BaseModel):\n    a: int\nRow(a='x')", "from pydantic import BaseModel\n"),
        ("ValidationError: 1 validation error for Row a Input should be a valid integer", "score.py, line 7"),
        ("the line is `Row(a='x')`",),
    ),
    "numpy's page of advice": BrokenStart(
        init('raise ImportError("\\n\\nIMPORTANT: PLEASE READ THIS\\n\\nOriginal error was: libx.so: not found\\n")'),
        ("ImportError: libx.so: not found (project/score.py, line 5)",),
        (LOGS,),
    ),
    "a group of exceptions": BrokenStart(
        init("raise ExceptionGroup('two things', [ValueError('first'), KeyError('second')])"),
        ("ExceptionGroup: two things", "ValueError: first; KeyError: 'second'", "(project/score.py, line 5)"),
        (LOGS,),
    ),
    "a group of tasks": BrokenStart(
        init("async def fetch():\n    raise ValueError('inner')\n\nasync def all():\n"
             "    async with asyncio.TaskGroup() as tasks:\n        tasks.create_task(fetch())\n\nasyncio.run(all())",
             "import asyncio\n"),
        ("ValueError: inner (project/score.py, line 6)",),
        (LOGS,),
    ),
    "an exception raised from another": BrokenStart(
        init("try:\n    {}['a']\nexcept KeyError as error:\n    raise RuntimeError('no model') from error"),
        ("RuntimeError: no model (project/score.py, line 8): raised from KeyError: 'a'",),
        ("the line is `raise RuntimeError('no model') from error`",),
    ),
    "an exception without a word": BrokenStart(
        init("assert 1 == 2"), ("AssertionError (project/score.py, line 5)",), ("the line is `assert 1 == 2`", LOGS)
    ),
    # the shape of the script
    "init(model)": BrokenStart(
        f"def init(model):\n    pass\n{RUN}", ("init(model) has parameters that the server does not give",),
        ("calls init() without arguments",),
    ),
    "init with a decorator that wants more": BrokenStart(
        f"def logged(function):\n    return function\n\n\n@logged\ndef init(model):\n    pass\n{RUN}",
        ("TypeError: init() missing 1 required positional argument: 'model'",),
        ("find the model in init() itself",),
    ),
    "init = None": BrokenStart(f"init = None\n{RUN}", ("init is None, not a function (score.py, line 1)",), ("def",)),
    "init that becomes None": BrokenStart(
        f"import os\n\ninit = os.environ.get('NO_SUCH')\n{RUN}",
        ("'NoneType' object is not callable: init is not a function",),
        ("define init() with def",),
    ),
    "run = 5": BrokenStart(f"{INIT}run = 5\n", ("run is 5, not a function (score.py, line 5)",), ("define run()",)),
    "run that becomes a number": BrokenStart(
        f"{INIT}run = len('five')\n", ("4 is not a callable object: run is not a function",), ("define run(data)",)
    ),
    "Run for run": BrokenStart(
        f"{INIT}def Run(data):\n    return data\n", ("score.py does not define run()",), ("rename Run() to run()",)
    ),
    "predict for run": BrokenStart(
        f"{INIT}def predict(data):\n    return data\n", ("does not define run()",), ("rename predict() to run()",)
    ),
    "functions of a class": BrokenStart(
        "class Model:\n    def init(self): ...\n    def run(self, data): ...\n",
        ("score.py does not define init() and run()",),
        ("init() is a method of class Model",),
    ),
    "run()": BrokenStart(
        f"{INIT}def run():\n    return 1\n", ("run() has no parameter for the data (score.py, line 5)",), ("run(data)",)
    ),
    "run(*args)": BrokenStart(
        f"{INIT}def run(*args):\n    return 1\n", ("run() cannot accept positional-only arguments",), ("run(data)",)
    ),
    "run only when it is a program": BrokenStart(
        f"{INIT}if __name__ == '__main__':\n    def run(data):\n        return data\n",
        ("does not have a run() function defined",),
        ("at its top level",),
    ),
    # no Python
    "a colon forgotten": BrokenStart(
        f"def init()\n    pass\n{RUN}", ("SyntaxError", "(score.py, line 1)"), ("`def init()`",)
    ),
    "a bracket left open": BrokenStart(
        f"def init():\n    x = (1,\n{RUN}", ("SyntaxError: '(' was never closed (score.py, line 2)",), ("close",)
    ),
    "print of Python 2": BrokenStart(
        f"def init():\n    print 'hello'\n{RUN}", ("SyntaxError: Missing parentheses",), ("that is Python 2",)
    ),
    "a line too far in": BrokenStart(
        "def init():\n    pass\n\n\ndef run(data):\n  x = 1\n    return x\n",
        ("IndentationError: unexpected indent (score.py, line 7)",),
        ("`return x`",),
    ),
    "tabs and spaces": BrokenStart(
        f"def init():\n    x = 1\n\ty = 2\n{RUN}", ("TabError: inconsistent use of tabs", "line 3"), ("spaces only",)
    ),
    "a helper that is no Python": BrokenStart(
        f"import tools\n\n\n{INIT}{RUN}",
        ("SyntaxError: invalid syntax (project/tools.py, line 1)",),
        ("`def f(:`",),
        files={"tools.py": "def f(:\n"},
    ),
    # ends without an exception
    "os._exit(7) in init()": BrokenStart(
        init("os._exit(7)"), ("a worker of the scoring server exited with code 7 in init() (", " times)"), ("os._exit",)
    ),
    "SIGSEGV in init()": BrokenStart(
        init("ctypes.string_at(0)", "import ctypes\n"),
        ("was killed by SIGSEGV in init() (", " times), at project/score.py, line 5"),
        ("native code crashed", LOGS),
    ),
    "SIGKILL in init()": BrokenStart(
        init("os.kill(os.getpid(), 9)"), ("was killed by SIGKILL in init() (",), ("memory",)
    ),
    "SIGILL at import": BrokenStart(
        f"import os\n\nos.kill(os.getpid(), 4)\n{INIT}{RUN}",
        ("was killed by SIGILL while the script was imported (", "at project/score.py, line 3"),
        ("another processor",),
    ),
    "sys.exit(3)": BrokenStart(
        init("sys.exit(3)", "import sys\n"), ("SystemExit: 3", "the script ends its own process"), ("raise",)
    ),
    "a slow init()": BrokenStart(
        init("time.sleep(600)", "import time\n"),
        ("init() had not come to its end after 7 s", "initial_delay 1 + period 2 * failure_threshold 3"),
        ("liveness_probe: {initial_delay: 8}",),
        budget=IMPATIENT,
    ),
    "a slow import": BrokenStart(
        f"import time\n\ntime.sleep(600)\n{INIT}{RUN}",
        ("the import of the scoring script had not come to its end after 7 s",),
        ("liveness_probe: {initial_delay: 8}",),
        budget=IMPATIENT,
    ),
    # files that cannot be read or written
    "a model's folder written to": BrokenStart(
        init(f"open(os.path.join({MODEL_DIR}, 'cache'), 'wb')"),
        ("OSError: [Errno 30] Read-only file system", "code and models are read-only"),
        ("tempfile.gettempdir()",),
    ),
    "the working folder written to": BrokenStart(
        init("open('cache', 'wb')"),
        ("Read-only file system: 'cache'", "read-only (/var/azureml-app/project/cache)"),
        ("tempfile.gettempdir()",),
    ),
    "no pickle": BrokenStart(
        init("pickle.loads(b'this is no pickle')", "import pickle\n"),
        ("UnpicklingError", "the file is no pickle, or is damaged"),
        ("register the model again",),
    ),
    "a pointer of Git LFS": BrokenStart(
        init("pickle.loads(b'version https://git-lfs.github.com/spec/v1\\n')", "import pickle\n"),
        ("UnpicklingError: invalid load key, 'v'.", "Git LFS"),
        ("git lfs pull",),
    ),
    "an empty model": BrokenStart(
        init("pickle.load(io.BytesIO())", "import io, pickle\n"), ("EOFError", "the file is empty"), ("again",)
    ),
    "a model of a newer Python": BrokenStart(
        init("pickle.loads(b'\\x80\\x06N.')", "import pickle\n"),
        ("unsupported pickle protocol: 6", "saved by a newer Python"),
        ("protocol=4",),
    ),
    "a class of the training script": BrokenStart(
        init("pickle.loads(b'c__main__\\nCleaner\\n.')", "import pickle\n"),
        ("Can't get attribute 'Cleaner'", "in a program that defined Cleaner itself"),
        ("define Cleaner in a module of its own",),
    ),
    # the rest of the world
    "a host without a name": BrokenStart(
        init("urllib.request.urlopen('http://storage.example.invalid/m')", "import urllib.request\n"),
        ("URLError", "that host's name is not known"),
        ("check the address and the network",),
    ),
    "a name that nobody has defined": BrokenStart(
        init("np.array([1])"), ("NameError: name 'np' is not defined (project/score.py, line 5)",), ("import",)
    ),
}  # fmt: skip

# Of the same kinds as others, which every run deploys.
SLOW_STARTS = frozenset(
    {
        "the case of a file's name",
        "a path of the training run",
        "no model, asked for with getenv",
        "a variable under another name",
        "PIL without Pillow",
        "sklearn without scikit-learn",
        "a name of another version of a package",
        "an exception raised from another",
        "an exception without a word",
        "pydantic's errors",
        "run(*args)",
        "SIGKILL in init()",
        "SIGILL at import",
        "a slow import",
        "the working folder written to",
        "no pickle",
        "a model of a newer Python",
        "a name that nobody has defined",
    }
)


REQUESTS: dict[str, BrokenRequest] = {
    "a key that is not there": BrokenRequest(
        ("KeyError: 'inputs' (project/score.py, line ",),
        ("the line is `return json.loads('{}')['inputs']`", LOGS),
        "return json.loads('{}')['inputs']",
    ),
    "a body that is no JSON": BrokenRequest(
        ("JSONDecodeError: Expecting value", "the body of the request is not the JSON that run() expects"),
        ("amlemu invoke {endpoint} --deployment blue --data",),
        "return json.loads('hello')",
    ),
    **{
        f"{name} returned": BrokenRequest(
            (f"Object of type {name} is not JSON serializable: run() returned something of type {name}",),
            (how,),
            f"return {value}",
            imports,
        )
        for name, value, how, imports in (
            ("ndarray", "np.array([1, 2])", "result.tolist()", "import numpy as np"),
            ("float32", "{'p': np.float32(1)}", "value.item()", "import numpy as np"),
            ("DataFrame", "type('DataFrame', (), {})()", 'frame.to_dict(orient="records")', ""),
            ("bytes", "b'abc'", "AMLResponse", ""),
            ("set", "{1, 2}", "list(values)", ""),
            ("datetime", "datetime.now()", "isoformat()", "from datetime import datetime"),
            ("generator", "(i for i in range(3))", "list(values)", ""),
        )
    },
    "status 201": BrokenRequest(
        ("run() answered with status 201, which the front door of target managed passes on as 424",),
        ("answer with status 200",),
        "return AMLResponse({'a': 1}, 201, json_str=True)",
        "from azureml_inference_server_http.api.aml_response import AMLResponse",
    ),
    "status 400 of the script": BrokenRequest(
        ("the container answered with status 400", ": bad rows"),
        (LOGS,),
        "return AMLResponse('bad rows', 400)",
        "from azureml_inference_server_http.api.aml_response import AMLResponse",
    ),
    "a variable of init()": BrokenRequest(
        ("NameError: name 'estimator' is not defined (project/score.py, line ",),
        ("say `global estimator` in it",),
        "return estimator",
    ),
    "shapes that do not fit": BrokenRequest(
        ("ValueError: shapes (2,3) and (2,3) not aligned", "(project/score.py, line "),
        ("the line is `return np.dot(",),
        "return np.dot(np.ones((2, 3)), np.ones((2, 3)))",
        "import numpy as np",
    ),
    "an exception of two lines": BrokenRequest(
        ("ValueError: one two (project/score.py, line ",), (LOGS,), "raise ValueError('one\\ntwo')"
    ),
    "a group of exceptions": BrokenRequest(
        ("ExceptionGroup: two things", "ValueError: first; KeyError: 'second'"),
        (LOGS,),
        "raise ExceptionGroup('two things', [ValueError('first'), KeyError('second')])",
    ),
    "sys.exit(2)": BrokenRequest(
        ("SystemExit: 2 (project/score.py, line ", "the script ends its own process"), ("raise an exception",),
        "sys.exit(2)", "import sys",
    ),
    "a path below the model": BrokenRequest(
        (f"{NO_FILE}'{MODELS}/labels.txt' (project/score.py, line ",),
        (f'os.path.join({MODEL_DIR}, "model", "labels.txt")', TREE),
        f"open(os.path.join({MODEL_DIR}, 'labels.txt'))",
        "import os",
    ),
    "a method that nothing lets through": BrokenRequest(
        ("PUT does not reach a container",), ("only GET and POST",), method="PUT"
    ),
    "a key that nobody knows": BrokenRequest(
        ("was given no key or token that it knows",), ("`amlemu keys {endpoint}`",),
        headers={"Authorization": "Bearer nobody's"},
    ),
    "a deployment that is not there": BrokenRequest(
        ("has no deployment 'green' that serves",), ("it has: blue", "`amlemu show {endpoint}`"),
        headers={"azureml-model-deployment": "green"},
    ),
    "too slow": BrokenRequest(
        ("run() took longer than request_timeout_ms, which is 3000",), ("raise request_timeout_ms",), "time.sleep(4)",
        "import time",
    ),
}  # fmt: skip

DECORATORS = """
import json

import numpy as np
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema


def init():
    pass


"""
NUMBERS = "NumpyParameterType(np.array([[1.0]]))"

RUNS: dict[str, tuple[str, BrokenRequest]] = {
    "another content type": (
        f"@input_schema('data', {NUMBERS})\ndef run(data):\n    return 1\n",
        BrokenRequest(
            ("takes JSON only; Content-Type was 'text/plain'",), ("Content-Type: application/json",),
            content_type="text/plain",
        ),
    ),
    "another key": (
        f"@input_schema('data', {NUMBERS})\ndef run(data):\n    return 1\n",
        BrokenRequest(
            ("A value is not provided for the 'data' parameter",), ("amlemu invoke {endpoint} --path /swagger.json",),
            body='{"inputs": [[1]]}',
        ),
    ),
    "no JSON": (
        f"@input_schema('data', {NUMBERS})\ndef run(data):\n    return 1\n",
        BrokenRequest(("the body of the request is no JSON",), ("send JSON",), body="hello"),
    ),
    "no numbers": (
        f"@input_schema('data', {NUMBERS})\ndef run(data):\n    return 1\n",
        BrokenRequest(
            ("could not convert string to float: 'a': @input_schema could not make of the request",), (LOGS,),
            body='{"data": [["a"]]}',
        ),
    ),
    "JSON read twice": (
        "@input_schema('data', StandardPythonParameterType({'a': 1}))\ndef run(data):\n    return json.loads(data)\n",
        BrokenRequest(
            ("TypeError: the JSON object must be str", "run() is decorated"), ("without json.loads()",),
            body='{"data": {"a": 1}}',
        ),
    ),
    "the decorator's name is not the parameter's": (
        f"@input_schema('data', {NUMBERS})\ndef run(inputs):\n    return 1\n",
        BrokenRequest(
            ("@input_schema names 'data', and run() has no parameter of that name",), ("give both the same name",),
            body='{"inputs": [[1]]}',
        ),
    ),
    "two parameters without a decorator": (
        "def run(data, threshold):\n    return 1\n",
        BrokenRequest(
            ("run() missing 1 required positional argument: 'threshold'", "without @input_schema"),
            ("one @input_schema for each parameter",),
        ),
    ),
    "os._exit(7)": (
        "import os\n\n\ndef run(data):\n    os._exit(7)\n",
        BrokenRequest(
            ("a worker of the scoring server exited with code 7 while it worked on a request (once)",), ("os._exit",)
        ),
    ),
    "SIGSEGV": (
        "import ctypes\n\n\ndef run(data):\n    ctypes.string_at(0)\n",
        BrokenRequest(
            ("was killed by SIGSEGV while it worked on a request (once)", "at project/score.py, line "),
            ("native code crashed", LOGS),
        ),
    ),
    "a coroutine": (
        "async def run(data):\n    return 1\n",
        BrokenRequest(("Object of type coroutine is not JSON serializable",), ("not `async def run`",)),
    ),
}  # fmt: skip


def calling_script() -> str:
    """The script of all REQUESTS: its run() calls the function that the request names."""
    functions = [
        f"def case_{number}():\n{textwrap.indent(request.imports + chr(10) + request.calls, '    ')}\n"
        for number, request in enumerate(REQUESTS.values())
    ]
    text = "import json\n\n\ndef init():\n    estimator = 1\n\n\n" + "\n\n".join(functions)
    return text + "\n\ndef run(data):\n    return globals()[json.loads(data)['case']]()\n"


def body_for(name: str) -> str:
    """What calls the function of one of REQUESTS."""
    return f'{{"case": "case_{list(REQUESTS).index(name)}"}}'
