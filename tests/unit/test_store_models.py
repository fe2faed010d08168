"""The model registry on disk: one pass, no twin, never changed, nothing half."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from no_room import fill, limited_files, small_disk

from emulator.entities import Model, ModelRequest
from emulator.errors import BadArgument, EmulatorError, OutOfQuota
from emulator.store import Store
from emulator.system.files import translate_os_errors

SETTLED_SECONDS = 0.15
MORE_THAN_FITS = 4 << 20
NOBODY = 65534


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


class Clock:
    """Times that go on with every look."""

    def __init__(self) -> None:
        self._ticks = count()

    def __call__(self) -> str:
        return (datetime(2024, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=next(self._ticks))).isoformat()


def register(store: Store, path: Path, name: str = "m", clock: Clock | None = None, **more: Any) -> Model:
    return store.register_model(ModelRequest.parse({"name": name, "path": str(path), **more}), clock or Clock())


def file_of(tmp_path: Path, content: bytes = b"weights", name: str = "model.pkl") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def contents(store: Store) -> list[Path]:
    return sorted(path for path in (store.home / "files").glob("??/*"))


def half_written(store: Store) -> list[Path]:
    return list((store.home / "files").glob(".adding-*"))


def test_a_file(store: Store, tmp_path: Path) -> None:
    model = register(store, file_of(tmp_path), tags={"a": "b"}, description="d")
    assert (model.id, model.path, model.size, model.tags) == ("m:1", "model.pkl", 7, {"a": "b"})
    (file,) = model.files
    assert (file.path, file.sha256) == ("model.pkl", hashlib.sha256(b"weights").hexdigest())
    assert store.files.path_of(file.sha256).read_bytes() == b"weights"
    assert store.files.path_of(file.sha256).stat().st_mode & 0o777 == 0o444
    assert store.find_model("m", "1") == model
    assert half_written(store) == []


def test_a_folder_with_links(store: Store, tmp_path: Path) -> None:
    folder, shared = tmp_path / "model", tmp_path / "shared"
    for path in (folder / "b/deep", shared):
        path.mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "b/deep/c.txt").write_text("c")
    (folder / "empty").mkdir()
    (shared / "s.txt").write_text("s")
    (folder / "linked").symlink_to(shared)
    (folder / "d.txt").symlink_to(shared / "s.txt")
    (folder / "b/up").symlink_to(folder)
    (folder / "with space é.txt").write_text("u")
    model = register(store, folder)
    assert [file.path for file in model.files] == [
        "model/a.txt",
        "model/b/deep/c.txt",
        "model/d.txt",
        "model/linked/s.txt",
        "model/with space é.txt",
    ]
    assert len(contents(store)) == 4, "one content is there twice"


@pytest.mark.parametrize(("spelling", "name"), [("model/.", "model"), ("model/sub/..", "model"), ("model/", "model")])
def test_the_folder_keeps_its_name_however_it_is_spelled(
    store: Store, tmp_path: Path, spelling: str, name: str
) -> None:
    (tmp_path / "model/sub").mkdir(parents=True)
    (tmp_path / "model/sub/x").write_text("x")
    request = ModelRequest(name="m", path=f"{tmp_path}/{spelling}")
    model = store.register_model(request, Clock())
    assert [file.path for file in model.files] == [f"{name}/sub/x"]


def test_a_link_keeps_its_own_name(store: Store, tmp_path: Path) -> None:
    file_of(tmp_path, name="model-v7.pkl")
    (tmp_path / "model.pkl").symlink_to("model-v7.pkl")
    assert register(store, tmp_path / "model.pkl").path == "model.pkl"


def test_models_that_are_refused(store: Store, tmp_path: Path) -> None:
    (tmp_path / "empty/below").mkdir(parents=True)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "nowhere").symlink_to("none")
    (tmp_path / "circle").symlink_to("circle")
    cases = {
        "none": "does not exist",
        "empty": "holds no file",
        "pipe": "is neither a file nor a folder",
        "nowhere": "is a link that leads nowhere",
        "circle": "is a link that leads nowhere",
    }
    for name, told in cases.items():
        with pytest.raises(BadArgument, match=told):
            register(store, tmp_path / name)
    assert store.models() == []


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (os.mkfifo, "is neither a file nor a folder"),
        (lambda path: path.symlink_to("none"), "is a link that leads nowhere"),
        (lambda path: path.symlink_to(path.name), "is a link that leads nowhere"),
        (lambda path: Path(os.fsdecode(bytes(path.parent) + b"/\xff")).write_text("x"), "is not UTF-8 text"),
    ],
    ids=["fifo", "dangling", "circle", "not-utf-8"],
)
def test_files_that_a_model_folder_may_not_have(store: Store, tmp_path: Path, make: Any, told: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "good").write_text("x")
    make(folder / "zzz")
    with pytest.raises(BadArgument, match=told):
        register(store, folder)
    assert store.models() == []
    assert half_written(store) == []


def test_a_file_that_may_not_be_read_is_named() -> None:
    for number in (errno.EACCES, errno.EPERM):
        with pytest.raises(BadArgument, match="'/secret' may not be read"), translate_os_errors("model m"):
            raise OSError(number, "no", "/secret")


def test_an_unreadable_file() -> None:
    with tempfile.TemporaryDirectory() as folder, plain_user(Path(folder)) as mine:
        path = file_of(mine)
        path.chmod(0)
        store = Store(mine / "home")
        with pytest.raises(BadArgument, match=r"model\.pkl' may not be read"):
            register(store, path)
        (mine / "model").mkdir()
        (mine / "model/secret").mkdir(mode=0)
        with pytest.raises(BadArgument, match="secret' may not be read"):
            register(store, mine / "model")
        (mine / "model/secret").chmod(0o700)
        assert store.models() == []


@contextmanager
def plain_user(folder: Path) -> Iterator[Path]:
    """`folder` belongs to, and the tests run as, a user whom the system refuses things."""
    if os.geteuid():
        yield folder
        return
    os.chown(folder, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield folder
    finally:
        os.seteuid(0)


@pytest.mark.row("registry.versions")
def test_versions_count_up_from_one(store: Store, tmp_path: Path) -> None:
    path = file_of(tmp_path)
    assert [register(store, path).version for _ in range(3)] == ["1", "2", "3"]
    assert register(store, path, version="7").version == "7"
    assert register(store, path, version="rc-1").version == "rc-1"
    assert register(store, path).version == "8"
    assert len(contents(store)) == 1


def test_archived_versions_are_not_counted_again(store: Store, tmp_path: Path) -> None:
    model = register(store, file_of(tmp_path))
    store.put_model(model.model_copy(update={"archived": True}))
    assert register(store, file_of(tmp_path)).version == "2"


def test_twenty_at_once(store: Store, tmp_path: Path) -> None:
    paths = [file_of(tmp_path, os.urandom(1 + 200_000 * (n % 3)), f"f{n}") for n in range(20)]
    clock, together = Clock(), threading.Barrier(20)

    def work(path: Path) -> None:
        together.wait()
        register(store, path, clock=clock)

    threads = [threading.Thread(target=work, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    versions = store.model_versions("m")
    assert [model.version for model in versions] == [str(n) for n in range(1, 21)], "in the order of creation"
    assert {model.path for model in versions} == {path.name for path in paths}


def test_the_time_is_that_of_the_creation(store: Store, tmp_path: Path) -> None:
    """A large one that began first gets the larger version; were it the older one, `latest` would mean another."""
    stored_then: list[int] = []

    def now() -> str:
        stored_then.append(len(contents(store)))
        return "now"

    store.register_model(ModelRequest(name="m", path=str(file_of(tmp_path))), now)
    assert stored_then == [1], "asked once, when all of it is on disk"


def test_a_version_never_changes(store: Store, tmp_path: Path) -> None:
    first = register(store, file_of(tmp_path), version="1")
    assert register(store, file_of(tmp_path), version="1", description="other") == first
    with pytest.raises(BadArgument, match="registered already with other content") as caught:
        register(store, file_of(tmp_path, b"others!"), version="1")
    assert caught.value.target == "model m:1"
    with pytest.raises(BadArgument, match="other content"):
        register(store, file_of(tmp_path, name="other.pkl"), version="1")
    assert store.find_model("m", "1") == first


def test_the_users_file_may_change_afterwards(store: Store, tmp_path: Path) -> None:
    path = file_of(tmp_path)
    (stored,) = register(store, path).files
    path.write_bytes(b"changed")
    with path.open("r+b") as file:
        file.write(b"x")
    assert store.files.path_of(stored.sha256).read_bytes() == b"weights"


def test_an_mlflow_model_has_its_document(store: Store, tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match="no file MLmodel"):
        register(store, file_of(tmp_path), type="mlflow_model")
    folder = tmp_path / "mlflow"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {}")
    assert register(store, folder, type="mlflow_model").type == "mlflow_model"


def test_models_by_name(store: Store, tmp_path: Path) -> None:
    for name in ("b", "a", "b"):
        register(store, file_of(tmp_path), name)
    assert [model.id for model in store.models()] == ["a:1", "b:1", "b:2"]
    assert store.find_model("c", "1") is None
    assert store.model_versions("c") == []


# what is known is not read again


def known_entries(store: Store) -> list[Path]:
    return list((store.home / "known").glob("*.json"))


def test_a_known_file_is_not_read_again(store: Store, tmp_path: Path) -> None:
    """The note of what a file holds is made wrong: whoever believes it has not read the file."""
    known, other = file_of(tmp_path, b"first"), file_of(tmp_path, b"other", "other.pkl")
    time.sleep(SETTLED_SECONDS)
    stored = store.files.add(known)
    (entry,) = known_entries(store)
    elsewhere = store.files.add(other)
    entry.write_text(entry.read_text().replace(stored.sha256, elsewhere.sha256))
    assert store.files.add(known) == elsewhere


def test_a_known_file_whose_content_is_gone_is_read_again(store: Store, tmp_path: Path) -> None:
    path = file_of(tmp_path)
    time.sleep(SETTLED_SECONDS)
    stored = store.files.add(path)
    store.files.path_of(stored.sha256).unlink()
    assert store.files.add(path) == stored
    assert store.files.path_of(stored.sha256).read_bytes() == b"weights"


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", "null", '{"stamp": 1}'])
def test_a_damaged_note_is_ignored(store: Store, tmp_path: Path, text: str) -> None:
    path = file_of(tmp_path)
    time.sleep(SETTLED_SECONDS)
    stored = store.files.add(path)
    (entry,) = known_entries(store)
    entry.write_text(text)
    assert store.files.add(path) == stored


def test_a_change_with_the_same_size_and_the_time_set_back_is_seen(store: Store, tmp_path: Path) -> None:
    path = file_of(tmp_path, b"first")
    time.sleep(SETTLED_SECONDS)
    before = path.stat()
    stored = store.files.add(path)
    assert len(known_entries(store)) == 1
    path.write_bytes(b"other")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert path.stat().st_ctime_ns != before.st_ctime_ns
    assert store.files.add(path) != stored


def test_a_file_that_was_written_just_now_is_not_believed(store: Store, tmp_path: Path) -> None:
    path = file_of(tmp_path, b"first")
    store.files.add(path)
    assert known_entries(store) == [], "it could change again within the same tick of the clock"


def test_one_content_has_one_inode(store: Store, tmp_path: Path) -> None:
    first = store.files.add(file_of(tmp_path, name="a"))
    inode = store.files.path_of(first.sha256).stat().st_ino
    assert store.files.add(file_of(tmp_path, name="b")) == first
    assert store.files.path_of(first.sha256).stat().st_ino == inode, "layouts that are linked to it stay its twins"


# what goes wrong on the way

REGISTER = """
import sys
from pathlib import Path
from emulator.entities import ModelRequest
from emulator.store import Store
Store(Path(sys.argv[1])).register_model(ModelRequest(name="m", path=sys.argv[2]), lambda: "now")
"""


@pytest.fixture
def copying(store: Store, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is in the middle of registering a large file."""
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(8 << 30)  # without blocks: reading gives zeros
    with subprocess.Popen(
        [sys.executable, "-c", REGISTER, store.home, large], stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        while not any(path.stat().st_size for path in half_written(store)):
            assert process.poll() is None
            time.sleep(0.01)
        yield process
        process.kill()


def test_an_interrupted_copy_leaves_nothing(store: Store, copying: subprocess.Popen[bytes]) -> None:
    copying.send_signal(signal.SIGINT)
    assert copying.wait(20) != 0
    assert half_written(store) == []
    assert store.models() == []
    assert contents(store) == []


def test_leftovers_of_a_kill_are_pruned(store: Store, copying: subprocess.Popen[bytes]) -> None:
    copying.kill()
    copying.wait(20)
    assert store.models() == []
    (left,) = half_written(store)
    assert store.prune(dry_run=True) == [f"half-written {left.name}"]
    assert half_written(store) == [left]
    assert store.prune(dry_run=False) == [f"half-written {left.name}"]
    assert half_written(store) == []


def test_a_limit_of_file_sizes_is_a_full_disk(store: Store, tmp_path: Path) -> None:
    path = file_of(tmp_path, b"x" * MORE_THAN_FITS)
    with limited_files(MORE_THAN_FITS // 2), pytest.raises(OutOfQuota, match="no space left"):
        register(store, path)
    assert half_written(store) == []
    assert store.models() == []


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "small", 2) as folder:
        yield folder


def test_a_full_disk(disk: Path, tmp_path: Path) -> None:
    store = Store(disk / "home")
    kept = register(store, file_of(tmp_path))
    with pytest.raises(OutOfQuota, match="no space left") as caught:
        register(store, file_of(tmp_path, b"x" * MORE_THAN_FITS, "large"))
    assert caught.value.target == "model m"
    assert "AMLEMU_HOME" in caught.value.hint
    assert store.models() == [kept]
    assert half_written(store) == []
    fill(disk)
    with pytest.raises(OutOfQuota):
        store.put_model(kept.model_copy(update={"description": "x" * 20_000}))
    assert store.find_model("m", "1") == kept, "the document is the old one"


def test_os_errors_become_ours() -> None:
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        with pytest.raises(OutOfQuota), translate_os_errors():
            raise OSError(number, "full")
    with pytest.raises(BadArgument, match="circular"), translate_os_errors():
        raise OSError(errno.ELOOP, "loop", "/x")
    with pytest.raises(EmulatorError, match="Input/output error '/x'"), translate_os_errors("model m"):
        raise OSError(errno.EIO, os.strerror(errno.EIO), "/x")
    with pytest.raises(BadArgument, match="as it was"), translate_os_errors():
        raise BadArgument("as it was")
