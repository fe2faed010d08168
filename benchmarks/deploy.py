"""How long deploying takes, beside what it cannot be faster than: ratios, taken in one run.

    .venv/bin/python benchmarks/deploy.py [--engine docker|process|both] [--rounds N] [--model-gb N] [--json FILE]

The machine is noisy, so the two sides of a ratio alternate, and medians are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from emulator.client.client import Client
from emulator.config.admin_token import read_admin_token
from emulator.containers.spec import SCORING_PORT
from emulator.engines.packaging.python_packages import read_host_packaging

SCORE = """\
import os

def init():
    global folder
    folder = os.environ["AZUREML_MODEL_DIR"]

def run(data):
    return len(os.listdir(folder))
"""
REQUIREMENTS = "azureml-inference-server-http==1.5.1\nscikit-learn\n"
# The same as a conda file, whose packages PyPI stands in for.
CONDA = """\
channels: [conda-forge]
dependencies:
  - python=3.11
  - scikit-learn
  - DRAWN
  - pip
  - pip: [azureml-inference-server-http==1.5.1]
"""
# Versions that have wheels.
_TINY = {
    "six": ("1.11.0", "1.12.0", "1.13.0", "1.14.0", "1.15.0", "1.16.0", "1.17.0"),
    "toolz": ("0.11.1", "0.11.2", "0.12.0", "0.12.1", "1.0.0"),
    "iniconfig": ("1.1.1", "2.0.0", "2.1.0"),
    "pluggy": ("1.0.0", "1.2.0", "1.3.0", "1.4.0", "1.5.0", "1.6.0"),
}
# One that has none: what it needs is asked of its own code, and it is built, apart from the emulator.
_SOURCE_DISTRIBUTION = "toolz==0.10.0\n"
AMLEMU = [sys.executable, "-m", "emulator"]


@dataclass(frozen=True)
class Result:
    """One line of the table: what, how long or how much more than its baseline, and the bound it must keep."""

    what: str
    value: float
    unit: str
    bound: float
    detail: str

    @property
    def holds(self) -> bool:
        return self.value <= self.bound


def main() -> int:
    options = _options()
    engines = ["docker", "process"] if options.engine == "both" else [options.engine]
    results = [_help_time()]
    with tempfile.TemporaryDirectory(prefix="amlemu-bench-", dir=options.folder) as folder:
        for engine in engines:
            with _emulator(engine, Path(folder) / engine) as bench:
                results += _measure(bench, engine, options.rounds)
        with _emulator(engines[-1], Path(folder) / "models") as bench:
            results += _large_models(bench, options.model_gb, options.rounds)
    for result in results:
        mark = "holds" if result.holds else "MISSED"
        print(
            f"{result.what:52} {result.value:7.2f} {result.unit:2} (bound {result.bound:g}) {mark:6}  {result.detail}"
        )
    if options.json:
        options.json.write_text(json.dumps([asdict(r) for r in results], indent=1))
    return 0 if all(result.holds for result in results) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=["docker", "process", "both"], default="both")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--model-gb", type=float, default=5.0)
    parser.add_argument("--folder", type=Path, default=None, help="where the large files go")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


@dataclass(frozen=True)
class Bench:
    """A running emulator with a home of its own, and a folder for code and models."""

    folder: Path
    environ: Mapping[str, str]
    url: str

    def amlemu(self, *words: str) -> str:
        done = subprocess.run(
            [*AMLEMU, *words], cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            sys.exit(f"amlemu {' '.join(words)} failed:\n{done.stderr}")
        return done.stdout

    @property
    def home(self) -> Path:
        return Path(self.environ["AMLEMU_HOME"])

    def client(self) -> Client:
        return Client(self.url, read_admin_token(self.home))


@contextmanager
def _emulator(engine: str, folder: Path) -> Iterator[Bench]:
    (folder / "code").mkdir(parents=True)
    first = _free_port()
    environ = os.environ | {
        "AMLEMU_HOME": str(folder / "home"),
        "AMLEMU_ENGINE": engine,
        "AMLEMU_PORT": str(first),
        "AMLEMU_GATEWAY_PORT": str(_free_port()),
        "AMLEMU_ENDPOINT_PORTS": "21500-21600",
    }
    bench = Bench(folder / "code", environ, f"http://127.0.0.1:{first}")
    (bench.folder / "score.py").write_text(SCORE)
    (bench.folder / "requirements.txt").write_text(REQUIREMENTS)
    (bench.folder / "model.bin").write_bytes(b"m" * 5000)
    bench.amlemu("up", "--detach")
    try:
        yield bench
    finally:
        bench.amlemu("delete", "--all", "--yes")
        bench.amlemu("prune")  # the images that only this run has built
        bench.amlemu("down")


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _help_time() -> Result:
    times = [_seconds(lambda: subprocess.run([*AMLEMU, "--help"], capture_output=True, check=True)) for _ in range(9)]
    return Result("amlemu --help", statistics.median(times), "s", 0.15, "")


# environments and warm deploys


def _measure(bench: Bench, engine: str, rounds: int) -> list[Result]:
    bench.amlemu("model", "register", "--name", "small", "--path", "model.bin")
    bench.amlemu("environment", "build", "requirements.txt")  # warms the package cache
    cold = statistics.median(_cold_build(bench, n) for n in range(3))
    results = [Result(f"{engine}: cold environment", cold, "s", 12, "server + scikit-learn, warm package cache")]
    with bench.client() as client:
        named = {"file": str(bench.folder / "requirements.txt")}
        again = statistics.median(
            _seconds(lambda: client.build_environment(named, lambda _kind, _text: None)) for _ in range(9)
        )
    results.append(Result(f"{engine}: unchanged environment", again, "s", 0.3, "asked of the running emulator"))
    sdist = statistics.median(_cold_build(bench, n, _SOURCE_DISTRIBUTION) for n in range(3, 6))
    results.append(Result(f"{engine}: environment with a source distribution", sdist, "s", 24, "the same, and one"))
    results += _conda_environment(bench, engine)
    deploy = ["deploy", "--name", "bench", "--model", "small:1", "--entry", "score.py"]
    bench.amlemu(*deploy)
    bare_start = _bare_docker if engine == "docker" else _bare_process
    pairs = [(bare_start(bench), _seconds(lambda: bench.amlemu(*deploy))) for _ in range(rounds)]
    bare, ours = (statistics.median(side) for side in zip(*pairs, strict=True))
    detail = f"amlemu deploy {ours:.2f} s, bare {bare:.2f} s"
    if engine == "docker":
        return [*results, Result("docker: warm deploy / docker run to first 200", ours / bare, "x", 1.5, detail)]
    over = (ours - 0.5) / bare
    return [*results, Result("process: (warm deploy - 0.5 s) / bare azmlinfsrv", over, "x", 1.5, detail)]


def _conda_environment(bench: Bench, engine: str) -> list[Result]:
    """A conda file by `--conda pip`: built for the first time, and asked for again."""
    cold = statistics.median(_cold_conda_build(bench, number) for number in range(3))
    named = {"file": str(bench.folder / "conda0.yml"), "conda": "pip"}
    with bench.client() as client:
        again = statistics.median(
            _seconds(lambda: client.build_environment(named, lambda _kind, _text: None)) for _ in range(9)
        )
    return [
        Result(f"{engine}: conda file by --conda pip", cold, "s", 15, "server + scikit-learn, warm package cache"),
        Result(f"{engine}: unchanged conda file", again, "s", 0.3, "asked of the running emulator"),
    ]


def _cold_conda_build(bench: Bench, number: int) -> float:
    drawn = "\n  - ".join(f"{name}={random.choice(versions)}" for name, versions in _TINY.items())
    (bench.folder / f"conda{number}.yml").write_text(CONDA.replace("DRAWN", drawn))
    return _seconds(lambda: bench.amlemu("environment", "build", f"conda{number}.yml", "--conda", "pip"))


def _cold_build(bench: Bench, number: int, more: str = "") -> float:
    """An environment that neither engine nor layer cache has seen: tiny packages have versions drawn at random."""
    drawn = [f"{name}=={random.choice(versions)}\n" for name, versions in _TINY.items() if name not in more]
    file = bench.folder / f"cold{number}.txt"
    file.write_text(REQUIREMENTS + "".join(drawn) + more)
    return _seconds(lambda: bench.amlemu("environment", "build", file.name))


def _bare_docker(bench: Bench) -> float:
    """`docker run` of the same image with the same mounts and variables, to its first 200."""
    import docker

    client = docker.from_env()
    served = next(c for c in client.containers.list() if f"-bench-blue-{_workspace_id(bench)}-" in (c.name or ""))
    config, mounts = served.attrs["Config"], served.attrs["Mounts"]
    command = ["docker", "run", "--rm", "-d", "-w", config["WorkingDir"]]
    for mount in mounts:
        command += ["-v", f"{mount['Source']}:{mount['Destination']}:ro"]
    for variable in config["Env"]:
        command += ["-e", variable]
    began = time.perf_counter()
    container = subprocess.run([*command, config["Image"]], capture_output=True, text=True, check=True).stdout.strip()
    network = client.containers.get(container).attrs["NetworkSettings"]
    _wait_for_200(network["IPAddress"], SCORING_PORT)
    taken = time.perf_counter() - began
    subprocess.run(["docker", "rm", "-f", container], capture_output=True, check=True)
    client.close()
    return taken


def _workspace_id(bench: Bench) -> str:
    return str(json.loads((bench.home / "workspace.json").read_text())["id"])


def _bare_process(bench: Bench) -> float:
    """`azmlinfsrv` from an environment like the engine's, to its first 200."""
    environment = _bare_environment(bench)
    port = _free_port()
    words = [str(environment / "bin/azmlinfsrv"), "--entry_script", "score.py", "--port", str(port)]
    environ = os.environ | {"AZUREML_MODEL_DIR": str(bench.folder)}
    began = time.perf_counter()
    with subprocess.Popen(
        words, cwd=bench.folder, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        _wait_for_200("127.0.0.1", port)
        taken = time.perf_counter() - began
        server.terminate()
    return taken


def _bare_environment(bench: Bench) -> Path:
    folder = bench.folder.parent / "bare"
    if not folder.exists():
        packaging = read_host_packaging(os.environ)
        uv, environ = str(packaging.uv), packaging.variables
        subprocess.run([uv, "venv", "-q", "--python", "3.11", str(folder)], env=environ, check=True)
        install = [uv, "pip", "install", "-q", "--compile-bytecode", "--python", str(folder)]
        subprocess.run([*install, "-r", str(bench.folder / "requirements.txt")], env=environ, check=True)
    return folder


def _wait_for_200(host: str, port: int) -> None:
    import http.client

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection(host, port, timeout=2)
        try:
            connection.request("GET", "/")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.02)
        finally:
            connection.close()
    sys.exit(f"nothing answered at {host}:{port}")


# large models


def _large_models(bench: Bench, gigabytes: float, rounds: int) -> list[Result]:
    large = bench.folder / "large.bin"
    _write_noise(large, int(gigabytes * 1e9))
    copied = _seconds(lambda: shutil.copyfile(large, bench.folder.parent / "copy.bin"))  # warms the page cache
    times: list[tuple[float, float]] = []
    for number in range(2):
        by_hand = _copy_and_digest_by_hand(large, bench.folder.parent / "copy.bin")
        register = ["model", "register", "--name", f"large{number}", "--path", "large.bin"]
        shutil.rmtree(bench.home / "known")  # so that the file is read again
        (bench.home / "known").mkdir()
        for stored in (bench.home / "files").glob("??/*"):
            if stored.stat().st_size == large.stat().st_size:
                stored.unlink()
        times.append((by_hand, _seconds(partial(bench.amlemu, *register))))
    by_hand, ours = (statistics.median(side) for side in zip(*times, strict=True))
    detail = f"register {ours:.1f} s, cp + sha256sum {by_hand:.1f} s, {gigabytes:g} GB (copy alone {copied:.1f} s)"
    results = [Result("register / (cp + sha256sum)", ours / by_hand, "x", 0.8, detail)]
    return [*results, *_deploy_large(bench, large, rounds)]


def _copy_and_digest_by_hand(source: Path, target: Path) -> float:
    target.unlink(missing_ok=True)
    began = time.perf_counter()
    subprocess.run(["cp", source, target], check=True)
    subprocess.run(["sha256sum", source], check=True, capture_output=True)
    taken = time.perf_counter() - began
    target.unlink()
    return taken


def _deploy_large(bench: Bench, large: Path, rounds: int) -> list[Result]:
    """The large model registered and lying beside the script, against a small one alone."""
    small_code = bench.folder.parent / "small"
    small_code.mkdir()
    for name in ("score.py", "requirements.txt", "model.bin"):
        shutil.copy(bench.folder / name, small_code / name)
    bench.amlemu("model", "register", "--name", "small", "--path", "model.bin")
    small = ["deploy", "--name", "small", "--model", "small:1", "--entry", str(small_code / "score.py")]
    big = ["deploy", "--name", "large", "--model", "large1:1", "--entry", "score.py"]
    for words in (small, big):
        bench.amlemu(*words)
    before = _stored_bytes(bench.home)
    pairs = [(_seconds(lambda: bench.amlemu(*small)), _seconds(lambda: bench.amlemu(*big))) for _ in range(rounds)]
    grown = _stored_bytes(bench.home) - before
    a, b = (statistics.median(side) for side in zip(*pairs, strict=True))
    detail = f"{b:.2f} s against {a:.2f} s, the model beside the script"
    return [
        Result("deploy of the large model, more than a small one", b - a, "s", 0.3, detail),
        Result("bytes that such a deploy adds", grown / 1e6, "MB", 1.0, "each inode counted once"),
    ]


def _stored_bytes(home: Path) -> int:
    """What the home occupies, hard links counted once; the process engine's own records left out."""
    seen: dict[int, int] = {}
    for path in home.rglob("*"):
        if path.is_file() and "process" not in path.relative_to(home).parts:
            stat = path.stat()
            seen[stat.st_ino] = stat.st_blocks * 512
    return sum(seen.values())


def _write_noise(path: Path, size: int) -> None:
    block = os.urandom(1 << 20)
    with path.open("wb") as file:
        while file.tell() < size:
            file.write(block[: size - file.tell()])
        file.flush()
        os.fsync(file.fileno())


if __name__ == "__main__":
    sys.exit(main())
