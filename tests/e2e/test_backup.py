"""Backup while mail flows, loss of everything, restore, and mail flows again by the same policy."""

import shutil
import subprocess
from pathlib import Path

from tests.support.client import RawClient
from tests.support.installation import Installation, customer
from tests.support.messages import head
from tests.support.sink import running_sink

CONTENT = head() + b"\r\nHello\r\n"


def send(outgate: Installation) -> None:
    with RawClient(outgate.smtp_port) as client:
        client.ehlo()
        client.envelope("alice@alpha.example")
        assert client.data(CONTENT)[0] == 250


def test_a_lost_installation_comes_back(installation: Installation, tmp_path: Path) -> None:
    backup = tmp_path / "backup.tar"
    with running_sink() as sink:
        installation.start()
        installation.apply(customer("Alpha", ["alpha.example"], relay=("127.0.0.1", sink.port)))
        send(installation)
        sink.wait_for(1)
        assert f"{backup}: " in installation.command("backup", str(backup))
        assert backup.stat().st_mode & 0o777 == 0o600
        assert f"{backup} is there already" in installation.command("backup", str(backup), check=False)
        running = installation.command("restore", str(backup), "--overwrite", check=False)
        assert f"outgate: {installation.state} is in use by outgate up, process " in running
        check_sums(backup, tmp_path / "unpacked")
        installation.stop()
        there = installation.command("restore", str(backup), check=False)
        assert "already; --overwrite replaces it" in there

        shutil.rmtree(installation.state)
        restored = installation.command("restore", str(backup))
        assert f"restored {installation.state / 'outgate.sqlite3'}\n" in restored
        assert f"restored {installation.state / 'workers' / '1' / 'policy'}\n" in restored
        installation.start()
        installation.wait_until_current()  # the copy may be from before the customer was active
        send(installation)
        sink.wait_for(2)
        listed = installation.command("customer", "list", "--json")
        assert '"alpha"' in listed


def check_sums(backup: Path, directory: Path) -> None:
    """A person without Outgate can see that the backup is whole."""
    directory.mkdir()
    subprocess.run(["tar", "-xf", str(backup), "-C", str(directory)], check=True)
    done = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=directory, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert (directory / "settings" / "outgate.toml").read_text().startswith("state = ")


def test_a_damaged_backup_is_refused_before_anything_is_touched(installation: Installation, tmp_path: Path) -> None:
    installation.directory.mkdir()
    installation.write_settings()
    assert "there is no database " in installation.command("backup", str(tmp_path), check=False)
    installation.command("customer", "list")  # makes the databases
    installation.command("backup", str(tmp_path))
    (backup,) = tmp_path.glob("outgate-test-*Z.tar")
    octets = bytearray(backup.read_bytes())
    octets[len(octets) // 2] ^= 1
    backup.write_bytes(octets)
    shutil.rmtree(installation.state)
    refused = installation.command("restore", str(backup), check=False)
    assert f"outgate: {backup} is damaged: the checksum of database/" in refused
    assert not installation.state.exists()
