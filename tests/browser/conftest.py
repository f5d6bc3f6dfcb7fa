"""One portal and one browser for all tests of this folder, and a watch over what the browser says against pages."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from tests.support.browser import PortalInstallation, chromium, portal
from tests.support.browser_watch import Watch
from tests.support.installation import short_directory


@pytest.fixture(scope="session")
def site() -> Iterator[PortalInstallation]:
    with short_directory() as directory, portal(directory) as running:
        yield running


@pytest.fixture(scope="session")
def watch_of_all() -> Iterator[tuple[Browser, Watch]]:
    with chromium() as running:
        yield running, Watch(running)


@pytest.fixture(scope="session")
def browser(watch_of_all: tuple[Browser, Watch]) -> Browser:
    return watch_of_all[0]


@pytest.fixture(autouse=True)
def watch(watch_of_all: tuple[Browser, Watch]) -> Iterator[Watch]:
    """Set up before all other fixtures of a test, and so asked when their pages are closed."""
    watch = watch_of_all[1]
    yield watch
    complaints, watch.complaints[:] = list(watch.complaints), []
    assert not complaints, "\n".join(complaints)
