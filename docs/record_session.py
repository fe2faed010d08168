"""Run the README's session and draw it as docs/session.svg: `python docs/record_session.py` (make picture).

The commands are those of the README's console block, so picture and text cannot differ.  They run in a copy of
samples/two_models whose models have been trained, with a home of their own; nothing is fetched for the picture.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
README, PICTURE = ROOT / "README.md", ROOT / "docs/session.svg"
_AMLEMU = (sys.executable, "-m", "emulator")
_COLUMNS = 110
# Rich's own SVG with the viewer's monospace font: its default fetches one from a network service.
_SVG = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<title>A session of amlemu in a terminal</title>
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
 font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


@dataclass(frozen=True)
class Step:
    """One command of a session and what it printed, on both streams in their order."""

    command: str
    output: str


def console_block(page: str) -> str:
    """The first ```console block of a page."""
    found = re.search(r"^```console\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert found is not None, "the page has no console block"
    return found[1]


def steps_of(block: str) -> list[Step]:
    """The commands of a console block, each with the output that the block shows."""
    parts = re.split(r"^\$ (.*)\n", block, flags=re.MULTILINE)[1:]
    return [Step(command, output) for command, output in zip(parts[::2], parts[1::2], strict=True)]


def run_steps(commands: Sequence[str], folder: Path, environ: Mapping[str, str]) -> Iterator[Step]:
    """Run each command in `folder`, whatever it exits with."""
    for command in commands:
        program, *words = shlex.split(command)
        assert program == "amlemu", command
        done = subprocess.run(
            [*_AMLEMU, *words], cwd=folder, env=dict(environ), check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        yield Step(command, done.stdout)


def draw(steps: Sequence[Step]) -> str:
    """The session as SVG."""
    console = Console(record=True, width=_COLUMNS, file=io.StringIO())
    for step in steps:
        console.print(Text.assemble(("$ ", "bold green"), (step.command, "bold")), soft_wrap=False)
        console.print(Text(step.output.rstrip("\n")), soft_wrap=False)
    return console.export_svg(title="amlemu", theme=MONOKAI, code_format=_SVG, unique_id="session")


def _amlemu(environ: Mapping[str, str], *words: str) -> None:
    subprocess.run([*_AMLEMU, *words], env=dict(environ), check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Train the models and build the environment in one home, record the session in another."""
    commands = [step.command for step in steps_of(console_block(README.read_text(encoding="utf-8")))]
    with tempfile.TemporaryDirectory(prefix="amlemu-picture-") as temporary:
        folder = Path(temporary) / "two_models"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AMLEMU_")}
        # On the path, so that messages name the command as `amlemu` and no folder of this machine.
        clean["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), clean.get("PATH", os.defpath)])
        engine = {"AMLEMU_ENGINE": os.environ.get("AMLEMU_ENGINE", "auto"), "COLUMNS": str(_COLUMNS)}
        trained = clean | engine | {"AMLEMU_HOME": f"{temporary}/trained", "AMLEMU_PORT": "0"}
        recorded = clean | engine | {"AMLEMU_HOME": f"{temporary}/home"}
        try:
            _amlemu(trained, "demo", str(folder))
        finally:
            _amlemu(trained, "down")
        try:
            _amlemu(recorded, "up", "--detach")
            steps = list(run_steps(commands, folder, recorded))
        finally:
            _amlemu(recorded, "down")
    assert not any(str(ROOT) in step.output for step in steps), "the session names a folder of this machine"
    for step in steps:
        print(f"$ {step.command}\n{step.output}", end="")
    PICTURE.write_text(draw(steps), encoding="utf-8")


if __name__ == "__main__":
    main()
