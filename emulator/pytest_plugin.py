"""pytest's plug-in: fixtures with which a test deploys a scoring script and calls it.

::

    def test_scores(amlemu_endpoint):
        endpoint = amlemu_endpoint(entry="src/score.py", models={"my_model": "model.pkl"}, environment="conda.yml")
        assert endpoint.invoke({"data": [[1, 2]]}).json() == [3]

Every pytest beside amlemu loads this module, so it imports nothing of amlemu before a fixture is used.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from emulator.config import Settings
    from emulator.testing.factory import EndpointFactory
    from emulator.testing.run import Run
    from emulator.testing.session import Emulator, Session

_RUN = pytest.StashKey[tuple[str, int]]()
_SESSION = pytest.StashKey["Session"]()

_OPTIONS = {
    "url": "the emulator to test with, for one that runs already (default: AMLEMU_URL, else one of the run's own)",
    "engine": "what runs scoring containers: auto, docker or process (default: AMLEMU_ENGINE, else auto)",
}
# No option: pytest takes a folder in its command line for one of tests before it knows our options.
_HOME = "state folder of the run's own emulator, where the next run finds environments again (default: a temporary one)"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options, and settings of the same names in pytest's own file."""
    group = parser.getgroup("amlemu", "amlemu: endpoints of Azure ML on this machine")
    for name, text in _OPTIONS.items():
        group.addoption(f"--amlemu-{name}", metavar=name.upper(), help=text)
        parser.addini(f"amlemu_{name}", text, default="")
    parser.addini("amlemu_home", _HOME, default="")
    keep = "leave the run's own emulator and its endpoints running, to look at them"
    group.addoption("--amlemu-keep", action="store_true", help=keep)


def pytest_configure(config: pytest.Config) -> None:
    """Choose the run's folder, without creating it; xdist's other processes get its name from the first."""
    given = getattr(config, "workerinput", {}).get("amlemu_run")
    folder = Path(tempfile.gettempdir()).resolve() / f"amlemu-pytest-{uuid.uuid4().hex[:12]}"
    config.stash[_RUN] = tuple(given) if given else (str(folder), os.getpid())


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Pass the run to a process of xdist."""
    node.workerinput["amlemu_run"] = node.config.stash[_RUN]


@pytest.fixture(scope="session")
def amlemu_emulator(pytestconfig: pytest.Config) -> Emulator:
    """The emulator of the run: `url`, `engine`, `client` for all verbs, `environ` for its command line.

    It is the one that --amlemu-url or AMLEMU_URL names, else one of the run's own, with ports of its own, which all
    processes of xdist share and which ends with the run.
    """
    return _session(pytestconfig).emulator


@pytest.fixture(scope="session")
def amlemu_endpoint(pytestconfig: pytest.Config, amlemu_emulator: Emulator) -> EndpointFactory:
    """Deploys what its arguments say, the options of `amlemu deploy`, and returns the endpoint.

    A deploy takes seconds, so the same call returns the same endpoint again, in whichever test or fixture; `fresh=True`
    makes another.  All are deleted at the end of the run.
    """
    return _session(pytestconfig).endpoints


def _session(config: pytest.Config) -> Session:
    """Return this process's session, opened at the first call."""
    from emulator.errors import EmulatorError

    if _SESSION not in config.stash:
        from emulator.testing.reports import failure_text
        from emulator.testing.session import open_session

        try:
            run, wanted = _run(config), _wanted(config)
            config.stash[_SESSION] = open_session(run, wanted, config.rootpath, keep=_keeps(config))
        except EmulatorError as error:
            pytest.fail(failure_text(error), pytrace=False)
    return config.stash[_SESSION]


def _run(config: pytest.Config) -> Run:
    from emulator.testing.run import Run

    folder, owner_pid = config.stash[_RUN]
    return Run(Path(folder), owner_pid)


def _wanted(config: pytest.Config) -> Settings:
    from emulator.testing.session import wanted_settings

    given = {name: config.getoption(f"--amlemu-{name}") or config.getini(f"amlemu_{name}") for name in _OPTIONS}
    flags = {name: value or None for name, value in {**given, "home": config.getini("amlemu_home")}.items()}
    return wanted_settings(os.environ, config.rootpath, _run(config), flags)


def _keeps(config: pytest.Config) -> bool:
    return bool(config.getoption("--amlemu-keep"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Reset the endpoints that the test has used."""
    session = item.config.stash.get(_SESSION, None)
    if session:
        session.endpoints.begin_test()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the logs of a failed test's endpoints, and print amlemu's errors without a traceback."""
    report = yield
    session = item.config.stash.get(_SESSION, None)
    if session and report.failed and call.excinfo:
        _complete(report, item, call.excinfo, session)
    return report


def _complete(
    report: pytest.TestReport, item: pytest.Item, excinfo: pytest.ExceptionInfo[BaseException], session: Session
) -> None:
    from emulator.testing.reports import failure_text, mask_secrets, report_sections

    endpoints = session.endpoints
    for error in endpoints.failures:
        if error is excinfo.value:
            text = mask_secrets(endpoints.secrets, failure_text(error) + _place(item, excinfo))
            told = pytest.fail.Exception(text, pytrace=False).with_traceback(excinfo.tb)
            report.longrepr = item.repr_failure(pytest.ExceptionInfo.from_exception(told))
    report.sections.extend(report_sections(endpoints.used, endpoints.secrets))


def _place(item: pytest.Item, excinfo: pytest.ExceptionInfo[BaseException]) -> str:
    """Return the line of the test that failed."""
    lines = [entry.lineno + 1 for entry in excinfo.traceback if entry.path == item.path]
    return f"\n{item.path.name}:{lines[-1]}" if lines else ""


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, object, object]:
    """Close this process's session; in the first process end the run, after xdist's others and all fixtures."""
    try:
        return (yield)
    finally:
        config = session.config
        opened = config.stash.get(_SESSION, None)
        if opened:
            opened.emulator.client.__exit__()
            del config.stash[_SESSION]
        if not hasattr(config, "workerinput") and Path(config.stash[_RUN][0]).exists() and not _keeps(config):
            _run(config).end(_wanted(config))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how to use the emulator that --amlemu-keep left running."""
    if _keeps(config) and Path(config.stash[_RUN][0]).exists():
        wanted = _wanted(config)
        where = f"AMLEMU_URL={wanted.url}" if wanted.url else f"AMLEMU_HOME={wanted.home}"
        terminalreporter.write_line(
            f"amlemu keeps running: `export {where}`, then `amlemu list`; `amlemu down` stops it"
        )
