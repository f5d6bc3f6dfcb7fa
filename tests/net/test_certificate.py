import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from outgate.net.certificate import SELF_SIGNED_DAYS, Certificate, CertificateError, ensure_self_signed


def test_a_self_signed_certificate_is_made_once_and_its_key_is_private(tmp_path: Path) -> None:
    chain, key = ensure_self_signed(tmp_path / "tls", "outgate.example")
    octets = chain.read_bytes()
    assert ensure_self_signed(tmp_path / "tls", "outgate.example") == (chain, key)
    assert chain.read_bytes() == octets
    assert key.stat().st_mode & 0o077 == 0


def test_nothing_below_tls_1_2_is_spoken(tmp_path: Path) -> None:
    certificate = Certificate(*ensure_self_signed(tmp_path, "outgate.example"))
    assert certificate.context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_new_files_make_a_new_context(tmp_path: Path) -> None:
    chain, key = ensure_self_signed(tmp_path, "outgate.example")
    certificate = Certificate(chain, key)
    before = certificate.context
    assert not certificate.reload_if_changed()
    chain.unlink()
    key.unlink()
    ensure_self_signed(tmp_path, "outgate.example")
    assert certificate.reload_if_changed()
    assert certificate.context is not before


def test_a_botched_renewal_keeps_the_old_context(tmp_path: Path) -> None:
    chain, key = ensure_self_signed(tmp_path, "outgate.example")
    certificate = Certificate(chain, key)
    before = certificate.context
    chain.write_text("not a certificate")
    with pytest.raises(CertificateError, match="cannot be used for TLS"):
        certificate.reload_if_changed()
    assert certificate.context is before
    assert not certificate.reload_if_changed()  # said once for each change


def test_files_that_do_not_exist_are_named(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match=r"absent\.pem"):
        Certificate(tmp_path / "absent.pem", tmp_path / "absent.key")


def test_it_tells_when_it_expires(tmp_path: Path) -> None:
    certificate = Certificate(*ensure_self_signed(tmp_path, "outgate.example"))
    left = certificate.expires_at - datetime.now(UTC)
    assert timedelta(days=SELF_SIGNED_DAYS - 1) < left <= timedelta(days=SELF_SIGNED_DAYS)
