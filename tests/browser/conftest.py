"""One portal and one browser for all tests of this folder."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from tests.support.browser import PortalInstallation, chromium, portal
from tests.support.installation import short_directory


@pytest.fixture(scope="session")
def site() -> Iterator[PortalInstallation]:
    with short_directory() as directory, portal(directory) as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running
