"""The operator's files of YARA rules, compiled by YARA-X, which is optional to have: `pip install outgate[yara]`."""

import hashlib
import mmap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from outgate.scanning.interface import Unscannable
from outgate.scanning.yara import Yara, YaraMatch

PART_SECONDS: Final = 5  # for all rules over one part; a message that takes longer is unscannable


class BadRules(Exception):
    """The text names the file and what is wrong."""


def load(paths: Sequence[str]) -> Yara:
    """A scanner with the rules of these files; they may include no others. Raises: BadRules."""
    try:
        import yara_x  # noqa: PLC0415 - optional, and of no use to who has no rules
    except ImportError as error:
        raise BadRules("YARA-X is not installed; run `pip install outgate[yara]`") from error
    _check_memory()
    compiler = yara_x.Compiler(includes_enabled=False)
    digest = hashlib.sha256()
    for number, path in enumerate(paths):
        try:
            text = Path(path).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadRules(f"{path} cannot be read: {error}") from error
        digest.update(f"{len(text)}:{text}".encode())
        compiler.new_namespace(f"file{number}")  # so that two files may have rules of one name
        try:
            compiler.add_source(text, origin=path)
        except yara_x.CompileError as error:
            raise BadRules(f"{path}: {_one_line(str(error))}") from error
    scanner = yara_x.Scanner(compiler.build())
    scanner.set_timeout(PART_SECONDS)

    def matches(octets: bytes) -> Iterable[YaraMatch]:
        try:
            found = scanner.scan(octets)
        except yara_x.TimeoutError as error:
            raise Unscannable("scan-too-long") from error
        return [YaraMatch(rule.identifier, dict(rule.metadata)) for rule in found.matching_rules]

    return Yara(matches, digest.hexdigest()[:12])


def _check_memory() -> None:
    """YARA-X compiles rules to machine code, and panics where memory cannot be made executable. Raises: BadRules."""
    try:
        mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()
    except OSError as error:
        raise BadRules(
            "YARA-X needs memory that it may make executable, which this system denies; under systemd set "
            "`MemoryDenyWriteExecute=no` in a drop-in, or take the rules out"
        ) from error


def _one_line(text: str) -> str:
    return " ".join(line.strip() for line in text.splitlines()[:2])
