"""The README's session, run as it is printed there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from amlemu_process import temporary_environ
from record_session import README, console_block, run_steps, steps_of
from sample import Sample, read_samples

_SAMPLE = Path(__file__).parents[2] / "samples/two_models"


def plain(line: str) -> str:
    """A line without what differs between machines: engine, times, ports, sizes of files, last digits of numbers."""
    line = re.sub(r"127\.0\.0\.1:\d+", "HOST", re.sub(r"on (?:docker|process)$", "on ENGINE", line))
    line = re.sub(r"^ +\d+\.\d+s", "TIME", re.sub(r"\d+(?:\.\d+)? k?B$", "SIZE", line))
    return re.sub(r"(\d\.\d{3})\d+", r"\1", line)


def test_every_line_of_the_session_is_printed_in_its_order(trained: Callable[[Sample], Path]) -> None:
    """A machine may say more: how the environment was built, what this engine cannot do."""
    shown = steps_of(console_block(README.read_text(encoding="utf-8")))
    sample = next(sample for sample in read_samples() if sample.folder == _SAMPLE)
    with temporary_environ() as environ:
        said = list(run_steps([step.command for step in shown], trained(sample), environ))
    for expected, actual in zip(shown, said, strict=True):
        remaining = iter([plain(line) for line in actual.output.splitlines()])
        for line in map(plain, expected.output.splitlines()):
            assert line in remaining, f"$ {actual.command}\n{actual.output}\nlacks, or has too early: {line}"
