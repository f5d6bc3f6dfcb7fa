"""The archive as a stranger may have changed it: whole and known, or refused."""

import io
import tarfile
from collections.abc import Callable

import msgspec
import pytest

from outgate import __version__
from outgate.app.archive import FORMAT, MANIFEST, SUMS, Archive, ArchiveError, ArchiveWriter, Manifest

MADE = Manifest(FORMAT, __version__, "2026-01-01T00:00:00+00:00", "mx1", "sqlite")
SECRET = "state/secret-key"


def written(*, manifest: Manifest = MADE, is_sealed: bool = True) -> bytes:
    octets = io.BytesIO()
    with tarfile.open(fileobj=octets, mode="w:") as tar:
        archive = ArchiveWriter(tar, 1_795_000_000)
        archive.add(MANIFEST, msgspec.json.encode(manifest))
        archive.add(SECRET, b"secret" * 1000)
        if is_sealed:
            archive.seal()
    return octets.getvalue()


def changed(change: Callable[[tarfile.TarInfo, bytes], tuple[str, bytes]]) -> bytes:
    """Each member as `change` would have its name and octets."""
    octets = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(written())) as old, tarfile.open(fileobj=octets, mode="w:") as new:
        for member in old:
            source = old.extractfile(member)
            assert source is not None
            member.name, content = change(member, source.read())
            member.size = len(content)
            new.addfile(member, io.BytesIO(content))
    return octets.getvalue()


def check(octets: bytes) -> Archive:
    return Archive.check(io.BytesIO(octets))


def test_what_was_written_is_read() -> None:
    archive = check(written())
    taken = {}

    def take(name: str, source: object) -> None:
        taken[name] = source.read()  # type: ignore[attr-defined]

    archive.copy(frozenset({SECRET}), take)
    assert archive.manifest == MADE
    assert archive.names() == [MANIFEST, SECRET]
    assert taken == {SECRET: b"secret" * 1000}


@pytest.mark.parametrize("position", [0, 257, 520, 600, 1030, 1100, 1600, 4000])
def test_a_flipped_bit_is_found_wherever_it_is(position: int) -> None:
    octets = bytearray(written())
    octets[position] ^= 1
    with pytest.raises(ArchiveError):
        check(bytes(octets))


@pytest.mark.parametrize("part", [0.0, 0.05, 0.3, 0.6])
def test_a_part_of_an_archive_is_none(part: float) -> None:
    whole = written()
    with pytest.raises(ArchiveError):
        check(whole[: int(len(whole) * part)])


def test_without_its_end_it_is_not_whole() -> None:
    with pytest.raises(ArchiveError, match="is not whole: its end is missing"):
        check(written(is_sealed=False))


@pytest.mark.parametrize("name", ["/etc/passwd", "state/../outgate.toml", "state/workers/1/spool/lock", "state/tls/.."])
def test_a_name_that_we_would_not_write_is_refused(name: str) -> None:
    with pytest.raises(ArchiveError, match="is no backup of this Outgate"):
        check(changed(lambda member, octets: (name if member.name == SECRET else member.name, octets)))


def test_a_link_is_refused() -> None:
    octets = io.BytesIO()
    with tarfile.open(fileobj=octets, mode="w:") as tar:
        link = tarfile.TarInfo(SECRET)
        link.type = tarfile.SYMTYPE
        link.linkname = "/etc/shadow"
        tar.addfile(link)
    with pytest.raises(ArchiveError, match="is no backup of this Outgate"):
        check(octets.getvalue())


def test_a_sum_of_a_file_that_is_not_there_is_damage() -> None:
    more = b"0" * 64 + b"  state/tls/self-signed.key\n"
    with pytest.raises(ArchiveError, match=r"the checksum of state/tls/self-signed\.key"):
        check(changed(lambda member, octets: (member.name, octets + more if member.name == SUMS else octets)))


@pytest.mark.parametrize(
    "manifest",
    [msgspec.structs.replace(MADE, format=FORMAT + 1), msgspec.structs.replace(MADE, version="99.0.0")],
    ids=["format", "version"],
)
def test_a_backup_of_a_newer_version_is_refused(manifest: Manifest) -> None:
    with pytest.raises(ArchiveError, match=f"this is {__version__} .*: restore it with that version or a newer one"):
        check(written(manifest=manifest))


@pytest.mark.parametrize("version", ["", "new"])
def test_a_version_that_is_none_is_damage(version: str) -> None:
    with pytest.raises(ArchiveError, match="its manifest cannot be read"):
        check(written(manifest=msgspec.structs.replace(MADE, version=version)))
