"""What runs in a build, a user's Dockerfile or a package's code, reaches no cache that other builds read."""

from __future__ import annotations

import io
import json
import os
import shutil
import stat
import sys
import tarfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from hostile_packages import hostile_sdist, hostile_wheel, served

from emulator.engines.docker.build_caches import CacheIds, cache_ids, read_cache_secret
from emulator.engines.docker.build_log import BuildLog
from emulator.engines.docker.engine import DockerEngine, connect_docker_engine
from emulator.engines.packaging.locked_files import PackageFiles, container_tags, divide_lock, read_pylock, split_lock
from emulator.engines.packaging.python_packages import HostPackaging, read_host_packaging
from emulator.entities import BuildContext, Environment
from emulator.environments import image_spec
from emulator.environments.image_spec import ImageSpec, dockerfile_with_caches
from emulator.environments.select_spec import ImageChoices, select_spec
from emulator.errors import EngineUnavailable
from emulator.store.build_contexts import read_context
from emulator.system.package_files import launcher_text, shipped_folder

SECRET = "s" * 64
HASH = "a" * 64


# The ids


def ids(secret: str = SECRET, base: str = "sha256:1", debian: tuple[str, ...] = (), conda: str = "") -> CacheIds:
    return cache_ids(secret, base, debian, conda, "digest", "lock")


def test_builds_share_a_cache_only_where_the_same_code_runs_before_packages_are_installed() -> None:
    others = [ids(secret="t" * 64), ids(base="sha256:2"), ids(debian=("evil",)), ids(conda="@EXPLICIT\n")]
    assert len({ids().wheels, *(other.wheels for other in others)}) == 5
    assert ids() == ids()


def test_what_builds_packages_has_a_cache_of_its_own() -> None:
    one = cache_ids(SECRET, "sha256:1", (), "", "digest", "lock")
    assert one.sources != one.wheels
    assert cache_ids(SECRET, "sha256:1", (), "", "digest", "lock of others").sources != one.sources
    assert cache_ids(SECRET, "sha256:1", (), "", "another", "lock").sources != one.sources
    assert cache_ids(SECRET, "sha256:1", (), "", "another", "lock").wheels == one.wheels


def test_an_id_cannot_be_guessed_and_is_not_printed() -> None:
    assert SECRET not in ids().wheels and "sha256:1" not in ids().wheels
    assert len(ids().wheels) >= 32
    assert ids().wheels not in repr(ids()) and ids().sources not in repr(ids())


def test_the_secret_is_its_owners_and_stays(tmp_path: Path) -> None:
    folder = tmp_path / "caches"
    first = read_cache_secret(folder)
    (file,) = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert read_cache_secret(folder) == first and len(first) == 64
    assert read_cache_secret(tmp_path / "another") != first


@pytest.mark.parametrize("spoiled", ["", "short", "\xff" * 64])
def test_a_secret_that_others_may_know_is_not_used(tmp_path: Path, spoiled: str) -> None:
    first = read_cache_secret(tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(spoiled.encode("latin-1"))
    assert len(read_cache_secret(tmp_path)) == 64
    file.write_text(first)
    file.chmod(0o644)
    assert read_cache_secret(tmp_path) != first


def test_where_no_secret_can_be_kept_one_is_drawn(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert read_cache_secret(tmp_path / "file" / "below") != read_cache_secret(tmp_path / "file" / "below")


# The Dockerfile


def plain_spec(*requirements: str, **fields: object) -> ImageSpec:
    environment = Environment(name="e", python_version="3.11", requirements=requirements, **fields)
    return image_spec(environment, launcher_text())


def steps(dockerfile: str) -> list[str]:
    """Each instruction as one line."""
    return dockerfile.replace("\\\n", "").splitlines()


def test_the_dockerfile_that_is_shown_names_no_cache_of_a_build() -> None:
    spec = plain_spec("six")
    built = dockerfile_with_caches(spec, "wheels-id", "sources-id")
    assert "wheels-id" in built and "sources-id" in built
    shown = {word for step in steps(spec.dockerfile) for word in step.split() if "type=cache" in word}
    real = {word for step in steps(built) for word in step.split() if "type=cache" in word}
    assert shown.isdisjoint(real) and len(real) == 2


@pytest.mark.parametrize("conda", [(), ("python=3.11", "numpy")], ids=["pip", "conda"])
def test_no_code_of_a_package_runs_in_the_step_that_has_the_shared_cache(conda: tuple[str, ...]) -> None:
    text = dockerfile_with_caches(plain_spec("six", conda_dependencies=conda), "wheels-id", None)
    (install,) = [step for step in steps(text) if "type=cache" in step]
    after = install.partition("requirements.lock")[2]
    assert "--no-build" in install
    assert "id=wheels-id" in install
    assert "/azureml-envs/amlemu/bin/" not in after, "the environment's own Python runs what packages have brought"
    assert "$python -I -S" in after
    first = [part.split()[0] for part in after.split("&&")[1:]]
    assert first == ["case", "$python"], "only what the shell itself does, and the Python that was found before"
    assert "check_imports.py" not in install


def test_packages_are_built_with_a_cache_of_their_own_only() -> None:
    text = dockerfile_with_caches(plain_spec("six"), "wheels-id", "sources-id")
    (build,) = [step for step in steps(text) if "sources.lock" in step]
    assert "id=sources-id" in build and "wheels-id" not in build and "check_imports.py" in build
    assert "DIST_EXTRA_CONFIG=/run/amlemu/packages/setuptools.cfg" in build, "below what is mounted read-only"
    assert text.count("DIST_EXTRA_CONFIG") == 1
    (check,) = [s for s in steps(dockerfile_with_caches(plain_spec("six"), "w", None)) if "check_imports" in s]
    assert "type=cache" not in check and "type=secret" not in check


def test_the_emulators_own_image_is_built_without_a_cache_that_others_can_name() -> None:
    text = (shipped_folder("images/emulator") / "Dockerfile").read_text(encoding="utf-8")
    assert "type=cache" not in text


def test_a_builds_log_does_not_tell_the_id() -> None:
    said: list[str] = []
    log = BuildLog(said.append, (), ("amlemu-0123456789",))
    for line in (
        "#7 [1/2] RUN --mount=type=cache,id=amlemu-0123456789 true",
        "ERROR: id=amlemu-0123456789 failed",
        "x",
    ):
        log.write(line)
    assert said and "0123456789" not in "\n".join([*said, *log.lines])


def test_bytecode_is_never_written_through_a_link(tmp_path: Path) -> None:
    sys.path.insert(0, str(shipped_folder("images/scoring")))
    try:
        from compile import provide  # type: ignore[import-not-found]
    finally:
        sys.path.pop(0)
    cache, site = tmp_path / "cache", tmp_path / "site"
    cache.mkdir()
    (site / "__pycache__").mkdir(parents=True)
    (site / "evil.py").write_text("EVIL = 1\n")
    victim = cache / ("f" * 64)
    (site / f"__pycache__/evil.{sys.implementation.cache_tag}.pyc").symlink_to(victim)
    provide(str(site / "evil.py"), str(cache))
    assert not victim.exists()
    shutil.rmtree(site / "__pycache__")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (site / "__pycache__").symlink_to(elsewhere)
    provide(str(site / "evil.py"), str(cache))
    assert not list(elsewhere.iterdir())


# The lock


TAGS = container_tags("3.11", "x86_64-manylinux_2_28")
LISTED = {
    "pure": PackageFiles({"pure-1.0-py3-none-any.whl": "1" * 64}, "2" * 64),
    "native": PackageFiles({"native-1.0-cp311-cp311-manylinux_2_17_x86_64.whl": "3" * 64}, None),
    "windows": PackageFiles({"windows-1.0-cp311-cp311-win_amd64.whl": "4" * 64}, "5" * 64),
    "source-only": PackageFiles({}, "6" * 64),
    "silent": PackageFiles({"silent-1.0-py3-none-any.whl": ""}, "7" * 64),
}


def test_what_has_a_wheel_is_installed_and_the_rest_is_built_apart() -> None:
    lines = ["--find-links https://h/", *(f"{name}==1.0" for name in LISTED), "u @ https://h/u-1.0-py3-none-any.whl"]
    lines += ["s @ https://h/s-1.0.tar.gz", "g @ git+https://h/g@main"]
    lock = divide_lock(lines, LISTED, TAGS)
    names = [line.partition("==")[0].partition(" ")[0] for line in lock.wheels.splitlines()]
    assert names == ["--find-links", "pure", "native", "silent", "u"]
    names = [line.partition("==")[0].partition(" ")[0] for line in lock.sources.splitlines()]
    assert names == ["--find-links", "windows", "source-only", "s", "g"]


def test_every_hash_that_the_index_tells_is_checked_at_the_installation() -> None:
    lines = divide_lock(
        ["pure==1.0", "silent==1.0", f"native==1.0 --hash=sha256:{HASH}"], LISTED, TAGS
    ).wheels.splitlines()
    assert lines[0] == f"pure==1.0 --hash=sha256:{'1' * 64} --hash=sha256:{'2' * 64}"
    assert lines[1] == "silent==1.0", "one without a hash is not locked out"
    assert lines[2] == f"native==1.0 --hash=sha256:{HASH}", "the user's own pin is not widened"


def test_a_pin_of_the_source_alone_is_built() -> None:
    assert "pure" in divide_lock([f"pure==1.0 --hash=sha256:{'2' * 64}"], LISTED, TAGS).sources


@pytest.mark.parametrize("python", ["3.7", "3.8", "3.11", "3.14"])
def test_tags_of_every_python(python: str) -> None:
    tags = {str(tag) for tag in container_tags(python, "aarch64-manylinux_2_28")}
    plain = python.replace(".", "")
    assert f"cp{plain}-cp{plain}{'m' if python == '3.7' else ''}-manylinux_2_17_aarch64" in tags
    assert "py3-none-any" in tags and f"cp{plain}-abi3-manylinux2014_aarch64" in tags


def test_names_of_files_are_taken_from_urls() -> None:
    text = """
[[packages]]
name = "Foo_Bar"
version = "1.0"
wheels = [{ url = "https://h/a/foo_bar-1.0%2Bcpu-py3-none-any.whl", hashes = { sha256 = "11" } }]
"""
    assert read_pylock(text) == {"foo-bar": PackageFiles({"foo_bar-1.0+cpu-py3-none-any.whl": "11"}, None)}


def test_a_lock_is_divided_without_running_any_code_of_a_package(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    hostile_sdist(tmp_path / "links", marker=marker)
    packaging = read_host_packaging({**os.environ, "UV_FIND_LINKS": str(tmp_path / "links")})
    lock = split_lock("hostilesdist==1.0\n", "3.11", "x86_64-manylinux_2_28", packaging, threading.Event())
    assert lock.sources.startswith("hostilesdist==1.0") and not marker.exists()


# With Docker


pytest_docker = pytest.mark.docker
BASE = "amlemu/python:3.11-slim-bookworm"
BRIDGE = "172.17.0.1"


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="module")
def links(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a page with hostile packages, for the emulator and for its builds."""
    folder = tmp_path_factory.mktemp("links")
    hostile_wheel(folder)
    hostile_sdist(folder)
    with served(folder, "0.0.0.0") as port:
        yield f"http://{BRIDGE}:{port}/"


@pytest.fixture(scope="module")
def packaging() -> HostPackaging:
    return read_host_packaging(
        {**os.environ, "UV_INDEX_URL": os.environ.get("UV_INDEX_URL", "https://pypi.org/simple")}
    )


@pytest.fixture(scope="module")
def engine(packaging: HostPackaging) -> Iterator[DockerEngine]:
    engine = connect_docker_engine(f"test-{uuid.uuid4().hex[:8]}", packaging)
    yield engine
    engine.prune(frozenset())
    engine.close()


def read_all(client: docker.DockerClient, image: str, folder: str) -> dict[str, str]:
    """The texts of a folder's files in an image."""
    container = client.containers.create(image)
    try:
        stream, _ = container.get_archive(folder)
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
            files = {m.name.rpartition("/")[2]: archive.extractfile(m) for m in archive if m.isfile()}
            return {name: file.read().decode() for name, file in files.items() if file}
    finally:
        container.remove(force=True)


@pytest.fixture(scope="module")
def built(engine: DockerEngine, links: str) -> tuple[str, list[str]]:
    """An image with hostile packages beside an honest one, and what its build has said."""
    run = {"TEST_RUN": uuid.uuid4().hex}
    requirements = (f"--find-links {links}", "six==1.16.0", "hostilewheel==1.0", "hostilesdist==1.0")
    spec = plain_spec(*requirements, variables=run)
    lines: list[str] = []
    return engine.build_image(spec, lines.append, threading.Event()).reference, lines


@pytest_docker
def test_a_packages_code_sees_no_cache_of_others(built: tuple[str, list[str]], client: docker.DockerClient) -> None:
    seen = read_all(client, built[0], "/opt/seen")
    assert {"import", "start", "build"} <= seen.keys(), "all of the hostile code has run"
    shared = [line for text in seen.values() for line in text.splitlines() if "six" in line]
    assert not shared, "the wheels that others install lie where packages' code can write"
    assert "mounted=1" in seen["build"] and "archive-v0" not in seen["build"], "its own, in which nothing lies yet"


@pytest_docker
def test_an_image_and_its_build_do_not_tell_the_id(
    built: tuple[str, list[str]], client: docker.DockerClient, packaging: HostPackaging
) -> None:
    reference, lines = built
    secret = read_cache_secret(packaging.build_caches)
    base = str(client.images.get(BASE).id)
    wheels = cache_ids(secret, base, (), "", "", "").wheels
    image = client.images.get(reference)
    told = json.dumps([image.attrs, image.history(), lines])
    assert wheels not in told and secret not in told
    assert "id=amlemu" not in "\n".join(lines)


@pytest_docker
def test_a_users_dockerfile_finds_every_cache_that_it_can_name_empty(
    built: tuple[str, list[str]], engine: DockerEngine, tmp_path: Path
) -> None:
    """The ids of earlier versions, those in the Dockerfile that is shown, and those that BuildKit gives by default."""
    shown = [part for step in steps(plain_spec("six").dockerfile) for part in step.split() if "type=cache" in part]
    names = ["amlemu-uv", "amlemu", "/run/amlemu/cache", "/var/cache/amlemu"]
    names += [field.partition("=")[2] for part in shown for field in part.split(",") if field.startswith("id=")]
    mounts = [f"--mount=type=cache,id={name},target=/c{number}" for number, name in enumerate(names)]
    mounts += ["--mount=type=cache,target=/run/amlemu/cache", "--mount=type=cache,target=/var/cache/amlemu"]
    # Files of an earlier version's builds may lie in its cache; no build of this version reads that one.
    look = "find /c1 /c2 /c3 /c4 /run/amlemu/cache /var/cache/amlemu -type f | grep . && exit 9; echo poisoned > /c0/x"
    (tmp_path / "Dockerfile").write_text(f"FROM {BASE}\nRUN {' '.join(mounts)} : {uuid.uuid4().hex}; {look}\n")
    environment = Environment(name="own", build=BuildContext(path=str(tmp_path)))
    spec = select_spec(environment, launcher_text(), ImageChoices(), read_context)[0]
    lines: list[str] = []
    engine.build_image(spec, lines.append, threading.Event())


@pytest_docker
def test_what_packages_have_spoiled_is_not_in_the_next_image(
    built: tuple[str, list[str]], engine: DockerEngine, client: docker.DockerClient
) -> None:
    spec = plain_spec("six==1.16.0", variables={"TEST_RUN": uuid.uuid4().hex})
    image = engine.build_image(spec, lambda _line: None, threading.Event())
    code = "import six, hashlib; print(hashlib.sha256(open(six.__file__, 'rb').read()).hexdigest())"
    said = client.containers.run(image.reference, ["-c", code], entrypoint="python", remove=True)
    assert said.decode().strip() == "4ce39f422ee71467ccac8bed76beb05f8c321c7f0ceda9279ae2dfa3670106b3"


@pytest_docker
@pytest.mark.parametrize(
    "name", ["amlemu/environment:0123456789abcdef", "docker.io/amlemu/python:9.9", "amlemu/own-x:1"]
)
def test_nobody_else_gives_images_of_amlemus_own_names(engine: DockerEngine, name: str) -> None:
    environment = Environment(name="own", image=name)
    spec = select_spec(environment, launcher_text(), ImageChoices(), read_context)[0]
    with pytest.raises(EngineUnavailable, match="amlemu's own"):
        engine.build_image(spec, lambda _line: None, threading.Event())
