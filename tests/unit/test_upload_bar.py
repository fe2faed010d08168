"""What is said of an upload where nobody watches."""

from __future__ import annotations

import pytest

from emulator.cli.progress import UploadBar

MB = 10**6


def test_a_line_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    bar = UploadBar()
    for sent in (0, 8 * MB, 20 * MB):
        bar("model.pkl", sent, 20 * MB)
    bar("model.pkl", 20 * MB, 20 * MB)
    bar("small.py", 0, 100)
    bar("small.py", 100, 100)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "model.pkl: 20.0 MB sent\nmodel.pkl: 20.0 MB, there already\n"
