"""Who may read a home: its owner, whatever the umask, and whatever an earlier version has let others read."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from core_support import House
from damaged_home import again, build

from emulator.config.admin_token import obtain_admin_token
from emulator.config.home_lock import HomeLock
from emulator.config.login import Login, write_login
from emulator.store import Store
from emulator.store.privacy import tighten

# What containers and builds are given as it is: their own folders, never those above.
GIVEN = ("layouts/*/*/*", "contexts/*", "uploads/trees/*", "sinks/*/*/*/*", "files/*/*")


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def open_to_others(home: Path) -> dict[str, str]:
    """What of the home anybody else could read if they came so far, but for what is made to be given away."""
    given = {path for pattern in GIVEN for path in home.glob(pattern)}
    found = {}
    for path in (home, *home.rglob("*")):
        below_given = given & {path, *path.parents}
        if not below_given and not path.is_symlink() and mode_of(path) & 0o077:
            found[path.relative_to(home).as_posix()] = oct(mode_of(path))
    return found


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o002])
def test_nobody_else_reads_a_home(tmp_path: Path, mask: int) -> None:
    with umask(mask):
        house = build(tmp_path)
        begun = again(house)
        begun.workspace.endpoints.update_traffic("iris", {})
        begun.workspace.deployments.delete("iris", "green")
    assert open_to_others(house.store.home) == {}
    assert mode_of(house.store.home) == 0o700
    assert mode_of(house.store.home / "endpoints/iris/keys.json") == 0o600


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_containers_read_their_layout_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    """Under every folder of a layout another user gets through, and no folder above it lets that user in."""
    with umask(mask):
        house = build(tmp_path)
    layout = house.store.layouts.path_of("iris", "blue", 1)
    for path in (layout, *layout.rglob("*")):
        assert mode_of(path) & (0o005 if path.is_dir() else 0o004), path
    for above in list(layout.parents)[:4]:
        assert mode_of(above) == 0o700, above


@pytest.mark.parametrize("home_mode", [0o755, 0o777, 0o775, 0o700])
def test_an_old_home_is_tightened_as_it_starts(tmp_path: Path, home_mode: int) -> None:
    house = build(tmp_path)
    home = house.store.home
    content = next(path for path in (home / "files").rglob("*") if path.is_file())
    content_mode = mode_of(content)
    for path in home.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
        elif not path.is_symlink() and not any(path.is_relative_to(home / name) for name in ("files", "layouts")):
            path.chmod(0o644)
    home.chmod(home_mode)
    layouts = {path: mode_of(path) for path in (home / "layouts/iris/blue/1").rglob("*")}
    begun = again(house)
    assert open_to_others(home) == {}
    assert {path: mode_of(path) for path in layouts} == layouts, "what containers read stays readable"
    assert mode_of(content) == content_mode
    assert begun.state("iris") == "Succeeded"


def test_what_is_tightened_grows_no_rights(tmp_path: Path) -> None:
    """An owner may have taken a right from himself, and gets none by this."""
    home = Store(tmp_path / "home").home
    (home / "signing.json").write_text("{}")
    (home / "signing.json").chmod(0o444)
    home.chmod(0o500)
    tighten(home)
    assert mode_of(home / "signing.json") == 0o400
    assert mode_of(home) == 0o500
    home.chmod(0o700)


def test_links_are_not_followed(tmp_path: Path) -> None:
    """What a link in the home leads to is somebody else's."""
    home = Store(tmp_path / "home").home
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o755)
    (outside / "file").write_text("x")
    outside.chmod(0o755)
    (outside / "file").chmod(0o644)
    (home / "models").symlink_to(outside)
    (home / "endpoints").mkdir()
    (home / "endpoints/iris").symlink_to(outside)
    (home / "link.json").symlink_to(outside / "file")
    Store(home)
    assert mode_of(outside) == 0o755
    assert mode_of(outside / "file") == 0o644


def test_a_folder_that_everybody_shares_is_left_as_it_is(tmp_path: Path) -> None:
    """Who makes /tmp his home as root must not take it from all the others."""
    home = tmp_path / "shared"
    home.mkdir()
    home.chmod(0o1777)
    store = Store(home)
    assert mode_of(home) == 0o1777
    store.signing_secret()
    assert mode_of(home / "signing.json") == 0o600


@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_what_comes_before_the_store(tmp_path: Path, mask: int) -> None:
    """The lock, the note of who runs, the admin's token and the login are made before anything is tightened."""
    with umask(mask):
        home = tmp_path / "new/home"
        lock = HomeLock(home)
        lock.take({"url": "http://127.0.0.1:1"})
        obtain_admin_token(home, lambda: "secret")
        login = write_login({"HOME": str(tmp_path)}, Login("http://127.0.0.1:1", "token"))
    assert mode_of(home) == 0o700
    modes = {path.name: mode_of(path) for path in home.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    assert mode_of(login) == 0o600
    lock.release()


def test_the_emulator_itself_tightens_its_home(tmp_path: Path) -> None:
    """By the command, from an old home, under an open umask."""
    home = Store(tmp_path / "home").home
    home.chmod(0o755)
    (home / "workspace.json").chmod(0o644)
    environ = {k: v for k, v in os.environ.items() if not k.startswith("AMLEMU_")} | {"AMLEMU_HOME": str(home)}
    environ |= {"AMLEMU_ENGINE": "process"}
    command = [sys.executable, "-m", "emulator", "prune"]
    with umask(0):
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in done.stderr
    assert mode_of(home) == 0o700
    assert mode_of(home / "workspace.json") == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_reads_nothing(tmp_path: Path) -> None:
    house: House = build(tmp_path)
    home = house.store.home
    for above in (tmp_path, *tmp_path.parents):
        if mode_of(above) & 0o005 != 0o005 and above != Path("/"):
            above.chmod(mode_of(above) | 0o005)
    os.seteuid(65534)
    try:
        with pytest.raises(PermissionError):
            list(home.iterdir())
        for path in ("signing.json", "endpoints/iris/keys.json", "logs", "files", "layouts/iris/blue/1"):
            with pytest.raises(PermissionError):
                (home / path).stat()
    finally:
        os.seteuid(0)
