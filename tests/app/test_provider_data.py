"""The lists that come with Outgate."""

import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from outgate.app.provider_data import FILE, packaged_documents, packaged_lists
from outgate.contract.policy import Provider
from outgate.policy.provider_list import checked_list
from outgate.policy.providers import ProviderIndex

ROOT = Path(__file__).parents[2]


def test_each_provider_has_a_list_that_would_be_believed() -> None:
    assert {document.provider for document in packaged_documents()} == set(Provider)
    for document in packaged_documents():
        assert set(checked_list(document.networks, ())) == set(document.networks)


def test_lists_say_where_they_come_from_and_how_old_they_are() -> None:
    for provider, each in packaged_lists().items():
        assert each.source
        assert each.taken_from
        (document,) = [one for one in packaged_documents() if one.provider is provider]
        assert datetime.fromtimestamp(document.confirmed_at, UTC).date() == each.confirmed_on


def test_worker_without_a_clerk_knows_both_providers() -> None:
    index = ProviderIndex()
    for document in packaged_documents():
        index.replace(document)

    assert index.classify("52.101.65.9").provider is Provider.MICROSOFT
    assert index.classify("2a01:111:f403:c10b::").provider is Provider.MICROSOFT
    assert index.classify("209.85.221.45").provider is Provider.GOOGLE
    assert index.classify("198.51.100.7").provider is None


def test_wheel_carries_the_lists(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    program = "from hatchling.build import build_wheel; import sys; print(build_wheel(sys.argv[1]))"

    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert f"outgate/app/{FILE}" in zipfile.ZipFile(wheel).namelist()
