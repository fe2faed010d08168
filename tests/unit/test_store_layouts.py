"""What containers see: hard links to stored contents, and the user's code without what stays behind."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from emulator.entities import Model, ModelRequest
from emulator.errors import BadArgument
from emulator.store import Placement, Store, code_tree, placements
from emulator.store.sources import file_names, read_text

MODELS = "azureml-models"
V2 = (".amlignore", ".gitignore")
LARGE = 8 << 20


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A code folder with a script."""
    folder = tmp_path / "src"
    write(folder, "score.py")
    return folder


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def register(store: Store, path: Path, name: str = "m") -> Model:
    return store.register_model(ModelRequest(name=name, path=str(path)), lambda: "now")


def create(store: Store, *models: Model, code: Path | None = None, generation: int = 1) -> Path:
    placed = placements(code_tree(code, ignore_files=V2), code.name) if code else []
    return store.layouts.create(store.layouts.path_of("iris", "blue", generation), MODELS, models, placed)


def taken(folder: Path, names: Sequence[str] = V2) -> list[str]:
    return [file.path for file in code_tree(folder, ignore_files=names).files]


def left_out(folder: Path, names: Sequence[str] = V2) -> tuple[str, ...]:
    return code_tree(folder, ignore_files=names).left_out


# layouts


@pytest.mark.row("layout.model_file", "layout.model_folder", "layout.several_models")
def test_models_and_code(store: Store, tmp_path: Path, code: Path) -> None:
    write(tmp_path / "model", "a.bin", "sub/b.bin")
    write(code, "help/tool.py", "run.sh")
    (code / "run.sh").chmod(0o755)
    layout = create(store, register(store, tmp_path / "model"), register(store, code / "score.py", "n"), code=code)
    assert [path for path, _ in store.layouts.files(layout)] == [
        "azureml-models/m/1/model/a.bin",
        "azureml-models/m/1/model/sub/b.bin",
        "azureml-models/n/1/score.py",
        "src/help/tool.py",
        "src/run.sh",
        "src/score.py",
    ]
    modes = {p.name: p.stat().st_mode & 0o777 for p in layout.rglob("*") if p.is_file()}
    assert modes == {"a.bin": 0o444, "b.bin": 0o444, "tool.py": 0o444, "run.sh": 0o555, "score.py": 0o444}


def test_models_are_hard_links(store: Store, tmp_path: Path) -> None:
    write(tmp_path, "model.pkl")
    model = register(store, tmp_path / "model.pkl")
    inodes = {store.files.path_of(model.files[0].sha256).stat().st_ino}
    for generation in (1, 2):
        placed = create(store, model, generation=generation) / MODELS / "m/1/model.pkl"
        inodes.add(placed.stat().st_ino)
    assert len(inodes) == 1
    assert (tmp_path / "model.pkl").stat().st_ino not in inodes


@pytest.mark.row("container.read_only_mounts")
def test_writable_layouts_are_copies(store: Store, tmp_path: Path, code: Path) -> None:
    write(tmp_path, "model.pkl")
    write(code, "run.sh")
    (code / "run.sh").chmod(0o755)
    with (code / "weights.bin").open("wb") as file:
        file.truncate(LARGE)
    model = register(store, tmp_path / "model.pkl")
    placed = placements(code_tree(code), "src")
    layout = store.layouts.create(store.layouts.path_of("iris", "blue", 1), MODELS, [model], placed, writable=True)
    files = {p.name: p for p in layout.rglob("*") if p.is_file()}
    assert {name: p.stat().st_mode & 0o777 for name, p in files.items()} == {
        "model.pkl": 0o666,
        "run.sh": 0o777,
        "score.py": 0o666,
        "weights.bin": 0o666,
    }
    assert {p.stat().st_mode & 0o777 for p in (layout, *layout.rglob("*")) if p.is_dir()} == {0o777}
    for file_ in files.values():
        file_.write_text("changed")
    assert store.files.path_of(model.files[0].sha256).read_text() == "model.pkl"
    assert (code / "weights.bin").stat().st_size == LARGE


def test_a_large_file_of_the_code_is_stored_once_and_linked(store: Store, code: Path) -> None:
    with (code / "weights.bin").open("wb") as file:
        file.truncate(LARGE)
    layouts = [create(store, code=code, generation=generation) for generation in (1, 2)]
    inodes = {(layout / "src/weights.bin").stat().st_ino for layout in layouts}
    assert len(inodes) == 1
    assert (code / "weights.bin").stat().st_ino not in inodes
    (stored,) = (store.home / "files").glob("??/*")
    assert stored.stat().st_nlink == 3
    assert {(layout / "src/score.py").stat().st_ino for layout in layouts}.isdisjoint(inodes)


def test_there_is_a_models_folder_without_models(store: Store) -> None:
    assert (create(store) / MODELS).is_dir()


def test_a_layout_replaces_the_rest_of_a_crash(store: Store, code: Path) -> None:
    write(store.layouts.path_of("iris", "blue", 1), "left/over")
    assert [path for path, _ in store.layouts.files(create(store, code=code))] == ["src/score.py"]


def test_a_failure_leaves_nothing(store: Store, code: Path) -> None:
    path = store.layouts.path_of("iris", "blue", 1)
    placed = [Placement("src/score.py", code / "score.py"), Placement("src/gone.py", code / "gone.py")]
    with pytest.raises(BadArgument, match=r"gone\.py' does not exist"):
        store.layouts.create(path, MODELS, (), placed)
    assert list((store.home / "layouts").rglob("*")) == []


def test_removing_a_layout_leaves_others_and_the_contents(store: Store, tmp_path: Path) -> None:
    write(tmp_path, "model.pkl")
    model = register(store, tmp_path / "model.pkl")
    first, second = create(store, model), create(store, model, generation=2)
    store.layouts.remove(first)
    assert store.layouts.all() == [second]
    store.layouts.remove(second)
    store.layouts.remove(second)
    assert list((store.home / "layouts").iterdir()) == []
    assert store.files.path_of(model.files[0].sha256).exists()
    assert store.layouts.files(second) == []


# code


@pytest.mark.row("layout.ignore_files")
def test_amlignore_overrides_gitignore(code: Path) -> None:
    write(code, "data/big.csv", "notes.txt", "keep.log")
    (code / ".gitignore").write_text("*.txt\n")
    assert taken(code) == [".gitignore", "data/big.csv", "keep.log", "score.py"]
    (code / ".amlignore").write_text("# big\ndata/\n*.log\n!keep.log\n")
    assert taken(code) == [".amlignore", ".gitignore", "keep.log", "notes.txt", "score.py"]
    assert left_out(code) == ("data/big.csv",)


@pytest.mark.row("layout.ignore_files")
def test_ignore_files_of_sub_folders_do_not_count(code: Path) -> None:
    write(code, "sub/x.txt")
    (code / "sub/.amlignore").write_text("*\n")
    assert "sub/x.txt" in taken(code)


@pytest.mark.row("layout.ignore_files")
def test_v1_sends_everything(code: Path) -> None:
    write(code, "data/big.csv", ".git/config")
    (code / ".amlignore").write_text("data/\n")
    assert taken(code, ()) == [".amlignore", "data/big.csv", "score.py"]
    assert left_out(code, ()) == (".git/",)


@pytest.mark.row("layout.tool_folders")
def test_files_that_are_never_code(code: Path) -> None:
    write(code, ".git/config", "__pycache__/score.pyc", "env/pyvenv.cfg", "env/lib/x.py", "help/__pycache__/y.pyc",
          ".ipynb_checkpoints/n.ipynb", "__pycache__.py")  # fmt: skip
    assert taken(code) == ["__pycache__.py", "score.py"]
    assert left_out(code) == (".git/", ".ipynb_checkpoints/", "__pycache__/", "env/", "help/__pycache__/")


def test_a_long_list_of_left_out_files_is_shortened(code: Path) -> None:
    write(code, *(f"f{n:02}.csv" for n in range(25)))
    (code / ".amlignore").write_text("*.csv\n")
    assert left_out(code)[-1] == "and 5 more"
    assert len(left_out(code)) == 21


def test_odd_files_of_the_code_are_left_out(code: Path) -> None:
    os.mkfifo(code / "pipe")
    (code / "up").symlink_to(code)
    assert taken(code) == ["score.py"]
    assert left_out(code) == ("pipe",)


@pytest.mark.parametrize("target", ["none", "dead", "/nowhere/at/all"])
def test_a_link_that_leads_nowhere_fails_as_the_upload_does(code: Path, target: str) -> None:
    (code / "data").mkdir()
    (code / "data" / "dead").symlink_to(target)
    with pytest.raises(BadArgument, match="'data/dead' of the code folder is a link that leads nowhere") as caught:
        taken(code)
    assert ".amlignore" in caught.value.hint
    (code / ".amlignore").write_text("dead\n")
    assert taken(code) == [".amlignore", "score.py"]
    assert "data/dead" in left_out(code)


def test_links_of_the_code_are_followed(code: Path, tmp_path: Path) -> None:
    write(tmp_path / "shared", "lib.py")
    (code / "shared").symlink_to(tmp_path / "shared")
    (code / "alias.py").symlink_to("score.py")
    assert taken(code) == ["alias.py", "score.py", "shared/lib.py"]


def test_an_undecodable_name_is_reported_or_left_out(code: Path) -> None:
    odd = Path(os.fsdecode(bytes(code) + b"/\xff.csv"))
    odd.write_text("")
    with pytest.raises(BadArgument, match=r"'\\udcff.csv' is not UTF-8 text"):
        taken(code)
    (code / ".amlignore").write_text("*.csv\n")
    assert left_out(code) == ("\\udcff.csv",)


def test_a_code_folder_that_is_none(tmp_path: Path, code: Path) -> None:
    with pytest.raises(BadArgument, match="none' does not exist"):
        taken(tmp_path / "none")
    with pytest.raises(BadArgument, match=r"the code folder '.*score\.py' does not exist"):
        file_names(code / "score.py")


# texts of the user


def test_texts(tmp_path: Path) -> None:
    (tmp_path / "bom.py").write_bytes(b"\xef\xbb\xbfx = 'caf\xc3\xa9'\r\n")
    assert read_text(tmp_path / "bom.py", "script") == "x = 'café'\r\n"


def test_undecodable_files(tmp_path: Path) -> None:
    (tmp_path / "latin.py").write_bytes(b"x = '\xe9'")
    (tmp_path / "folder").mkdir()
    (tmp_path / "large").write_bytes(b"x" * (9 << 20))
    cases = {
        "latin.py": "is not UTF-8 text .byte 5.",
        "folder": "does not exist as a file",
        "none": "does not exist",
        "large": "is larger than 8 MiB",
    }
    for name, told in cases.items():
        with pytest.raises(BadArgument, match=f"the script '.*{name}' {told}"):
            read_text(tmp_path / name, "script")


# housekeeping


def test_prune(store: Store, tmp_path: Path, code: Path) -> None:
    write(tmp_path, "model.pkl")
    model = register(store, tmp_path / "model.pkl")
    layout = create(store, model, code=code)
    unused = store.files.add(code / "score.py")
    said = [f"file {unused.sha256[:12]} (8 bytes)"]
    assert store.prune(dry_run=True) == ["layout iris/blue/1", *said]
    assert layout.exists()
    assert store.files.path_of(unused.sha256).exists()
    assert store.prune(dry_run=False) == ["layout iris/blue/1", *said]
    assert not layout.exists()
    assert store.prune(dry_run=False) == []
    assert store.files.path_of(model.files[0].sha256).read_text() == "model.pkl"


def test_a_content_that_a_layout_uses_is_kept(store: Store, code: Path) -> None:
    with (code / "weights.bin").open("wb") as file:
        file.truncate(LARGE)
    create(store, code=code)
    assert store.prune(dry_run=True) == ["layout iris/blue/1"]
    assert len(store.prune(dry_run=False)) == 2, "the content goes with the last layout that used it"
