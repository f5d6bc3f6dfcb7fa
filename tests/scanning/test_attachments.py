"""Banned groups by what a file is, and deceiving names."""

import email.policy
from email.message import EmailMessage

import pytest
from tests.scanning.test_archives import encrypted_zip, zipped

from outgate.mail.findings import Category
from outgate.scanning.attachments import Attachments
from outgate.scanning.interface import Context
from outgate.scanning.mime import take_apart

CONTEXT = Context("ada@alpha.example", ("bob@beta.example",))


def found(name: str, octets: bytes, category: Category = Category.ATTACHMENT) -> list[str]:
    message = EmailMessage(policy=email.policy.SMTP)
    message["From"] = "ada@alpha.example"
    message.set_content("see attached")
    message.add_attachment(octets, maintype="application", subtype="octet-stream", filename=name)
    findings = Attachments().scan(take_apart(message.as_bytes()), CONTEXT)
    return [finding.name for finding in findings if finding.category is category]


@pytest.mark.parametrize(
    ("name", "octets", "groups"),
    [
        ("a.pdf", b"MZ\x90\0", ["executable"]),
        ("a.png", b"\x7fELF\x02", ["executable"]),
        ("run.vbs", b"words", ["executable"]),
        ("a.txt", b"@echo off\r\ndel *", ["executable"]),
        ("a.lnk", b"L\0\0\0\x01\x14\x02\0", ["executable"]),
        ("a.iso", bytes(32_769) + b"CD001", ["executable", "compressed"]),
        ("a.dat", b"\x1aE\xdf\xa3", ["video"]),
        ("a.dat", b"ID3\x04", ["audio"]),
        ("a.dat", b"RIFF\0\0\0\0WAVE", ["audio"]),
        ("a.dat", b"\0\0\0 ftypisom", ["video"]),
        ("a.dat", b"<!DOCTYPE html><html>", ["html"]),
        ("a.svg", b"<svg xmlns='x'><script>1</script></svg>", ["html"]),
        ("a.zip", zipped(("b.txt", b"words")), ["compressed"]),
        ("a.zip", zipped(("b.exe", b"MZ")), ["compressed", "executable"]),
        ("a.zip", encrypted_zip(), ["compressed", "encrypted"]),
        ("a.txt", b"words", []),
        ("a.pdf", b"%PDF-1.7", []),
        ("a.docx", zipped(("[Content_Types].xml", b"<x/>"), ("word/document.xml", b"<x/>")), []),
        ("a.jar", zipped(("META-INF/MANIFEST.MF", b"x")), ["executable"]),
    ],
)
def test_groups(name: str, octets: bytes, groups: list[str]) -> None:
    assert found(name, octets) == groups


@pytest.mark.parametrize(
    ("name", "octets", "deceit"),
    [
        ("invoice.pdf.exe", b"MZ", ["double-extension"]),
        ("invoice.pdf          .exe", b"MZ", ["double-extension"]),
        ("invoice.pdf.exe. ", b"MZ", ["double-extension"]),
        ("invoice.pdf", b"MZ", ["program-as-document"]),
        ("setup.exe", b"MZ", []),
        ("v1.2.pdf", b"%PDF-1", []),
        ("archive.tar.gz", b"words", []),
    ],
)
def test_names_that_deceive(name: str, octets: bytes, deceit: list[str]) -> None:
    assert found(name, octets, Category.PHISHING) == deceit
