"""Starts the environment's own azureml-inference-server-http, as the cloud's images do.

Runs inside the scoring container, under the user's Python (3.6 and later) and beside the user's packages, so it needs
nothing but the standard library.  What to score is said by the variables that the cloud sets: AML_APP_ROOT and
AZUREML_ENTRY_SCRIPT; the working directory is AML_APP_ROOT.  AMLEMU_PORT and AMLEMU_HOST say where to listen when that
is not port 5001 of all interfaces, AMLEMU_DEBUG_PORT where debugpy listens, AMLEMU_SINK where the sink lies.

AZUREML_EXTRA_PYTHON_LIB_PATH and AZUREML_EXTRA_REQUIREMENTS_TXT bring packages beside those of the environment, as they
do for Azure ML's prebuilt inference images (page how-to-prebuilt-docker-images-inference-python-extensibility).
"""

import os
import signal
import subprocess
import sys

# What the cloud's image prints before it exits (row container.server_missing).
MISSING = "A required package azureml-inference-server-http is missing."
# Where telemetry is sent as long as there is no sink: to a port on which nothing listens.
NOWHERE = "http://127.0.0.1:9/"
# A process that nobody refers to is warned about.
SINKS = []
# The cloud's script ends with one of 94 to 99 when what comes before the server fails; which one is not written down.
EXTRAS_FAILED = 94


def main():
    # The first process of a container has no default handlers: without this one, a container that is stopped before
    # the server has set its own would live on until it is killed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    # These names are for this process only: the script sees what the cloud's container has, and no more.
    host = os.environ.pop("AMLEMU_HOST", "")
    port = os.environ.pop("AMLEMU_PORT", "5001")
    _start_sink(os.environ.pop("AMLEMU_SINK", ""))
    _add_packages()
    _listen_for_debugger(host, os.environ.pop("AMLEMU_DEBUG_PORT", ""))
    try:
        from azureml_inference_server_http import amlserver
    except ImportError as error:
        if (error.name or "").split(".")[0] != "azureml_inference_server_http":
            raise
        print(MISSING, file=sys.stderr)
        sys.exit(100)
    _run(amlserver, host, port)


def _run(amlserver, host, port):
    """The server's own `run`, for every version since 0.4, but with the cloud's variables.

    The command line overwrites them: since 0.7 AZUREML_ENTRY_SCRIPT becomes an absolute path, and before that
    AML_APP_ROOT becomes the script's folder.  The cloud's image starts gunicorn itself and leaves both alone.  Nor has
    the command line an option for the interface to listen on.
    """
    if host:
        amlserver.DEFAULT_HOST = host
    given = {name: os.environ[name] for name in ("AML_APP_ROOT", "AZUREML_ENTRY_SCRIPT") if name in os.environ}
    merge_configuration = amlserver.merge_configuration

    def merge_and_restore(args):
        merge_configuration(args)
        os.environ.update(given)

    amlserver.merge_configuration = merge_and_restore
    sys.argv = ["azmlinfsrv", "--entry_script", os.environ["AZUREML_ENTRY_SCRIPT"], "--port", port]
    amlserver.run()


def _start_sink(folder):
    """What takes the data of Collectors and of Application Insights, as the cloud's services do beside a container.

    It chooses its port, since containers of the process engine share those of the machine; what leads there is known
    only then.  Without it the server starts all the same, as it would beside a service that is down.
    """
    if not folder:
        return
    import subprocess

    # -S: the user's packages must not be able to break it
    command = [sys.executable, "-I", "-S", os.path.join(folder, "sink.py"), folder]
    sink = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    SINKS.append(sink)
    port = sink.stdout.readline().decode().strip()
    if not port:
        print("Nothing takes collected data: its sink did not start.", file=sys.stderr)
        return
    os.environ.update({"AZUREML_MDC_HOST": "127.0.0.1", "AZUREML_MDC_PORT": port})
    for name in ("AML_APP_INSIGHTS_ENDPOINT", "APPLICATIONINSIGHTS_CONNECTION_STRING"):
        if name in os.environ:
            os.environ[name] = os.environ[name].replace(NOWHERE, "http://127.0.0.1:%s/" % port)


def _add_packages():
    """What the extra variables name goes before the environment's own packages, the folder first."""
    script = os.path.join(os.environ.get("AML_APP_ROOT", ""), os.environ.get("AZUREML_ENTRY_SCRIPT", ""))
    beside = os.path.dirname(script)
    library = os.environ.get("AZUREML_EXTRA_PYTHON_LIB_PATH")
    requirements = os.environ.get("AZUREML_EXTRA_REQUIREMENTS_TXT")
    folders = [os.path.join(beside, library)] if library else []
    if requirements:
        folders += _installed(os.path.join(beside, requirements))
    sys.path[:0] = folders
    if folders:  # for programs that the script starts
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [*folders, os.environ.get("PYTHONPATH")]))


def _installed(requirements):
    """The folders that hold the packages, which pip installs where the container's user may write."""
    print("Installing the packages of", requirements, flush=True)
    prefix = os.path.join(os.path.expanduser("~"), ".azureml-extra-packages")
    pip = [sys.executable, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--no-cache-dir"]
    # With a prefix, pip does not install again what the environment has.
    if subprocess.call([*pip, "--prefix", prefix, "-r", requirements]) != 0:
        print("The packages of AZUREML_EXTRA_REQUIREMENTS_TXT could not be installed.", file=sys.stderr)
        sys.exit(EXTRAS_FAILED)
    names = ("site-packages", "dist-packages")
    return [folder for folder, _, _ in os.walk(prefix) if os.path.basename(folder) in names]


def _listen_for_debugger(host, port):
    """An editor attaches to this port; debugpy follows into the server's workers by itself."""
    if port:
        try:
            import debugpy
        except ImportError:
            print("Nothing listens on the debug port: package debugpy is missing.", file=sys.stderr)
        else:
            debugpy.listen((host or "0.0.0.0", int(port)))  # noqa: S104 - inside a container, where nothing else reaches


if __name__ == "__main__":
    main()
