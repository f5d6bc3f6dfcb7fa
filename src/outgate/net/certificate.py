"""The server's TLS: context from a PEM chain, made anew when the files change; a self-signed one for the first run."""

import os
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SELF_SIGNED_DAYS: Final = 3_650


class CertificateError(Exception):
    """The certificate or key cannot be used. The text names the file and the remedy."""


class Certificate:
    """A chain and a key on disk, and the context made of them.

    `context` stays the last good one when a reload fails: a botched renewal must not stop the mail. `expires_at`: when
    the server's own certificate in it does.
    """

    context: ssl.SSLContext
    expires_at: datetime

    def __init__(self, chain: Path, key: Path) -> None:
        """Raises: CertificateError."""
        self._chain = chain
        self._key = key
        self.reload()

    def reload_if_changed(self) -> bool:
        """Look at the files (blocking); True if a new context was made.

        Raises: CertificateError, once for each change, keeping the old context.
        """
        stamp = self._stamp()
        if stamp == self._seen:
            return False
        self.reload()
        return True

    def reload(self) -> None:
        """Make the context anew, changed or not. Raises: CertificateError, keeping the old context."""
        self._seen = self._stamp()
        self.context, self.expires_at = self._load()

    def _stamp(self) -> tuple[tuple[int, int, int], ...]:
        try:
            return tuple(
                (status.st_mtime_ns, status.st_ino, status.st_size) for status in (self._chain.stat(), self._key.stat())
            )
        except OSError:
            return ()

    def _load(self) -> tuple[ssl.SSLContext, datetime]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996: nothing older
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
        try:
            context.load_cert_chain(self._chain, self._key)
            own = x509.load_pem_x509_certificates(self._chain.read_bytes())[0]
        except (OSError, ssl.SSLError, ValueError) as error:
            raise CertificateError(
                f"{self._chain} and {self._key} cannot be used for TLS: {getattr(error, 'strerror', None) or error}. "
                "Give a PEM chain, the server's own certificate first, and the key that belongs to it"
            ) from error
        return context, own.not_valid_after_utc


def ensure_self_signed(directory: Path, host_name: str) -> tuple[Path, Path]:
    """Chain and key for `host_name` in `directory`, made on the first call. Good enough for opportunistic TLS only."""
    chain, key = directory / "self-signed.pem", directory / "self-signed.key"
    if chain.exists() and key.exists():
        return chain, key
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    private_key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host_name[:64])])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=SELF_SIGNED_DAYS))
        .add_extension(x509.SubjectAlternativeName([_general_name(host_name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(private_key, hashes.SHA256())
    )
    pem = private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(key, pem, 0o600)
    _write(chain, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    return chain, key


def _general_name(host_name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host_name))
    except ValueError:
        return x509.DNSName(host_name)


def _write(path: Path, octets: bytes, mode: int) -> None:
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(octets)
    temporary.replace(path)
