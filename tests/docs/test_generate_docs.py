"""The documents that are made from the code are those that stand in docs/."""

from pathlib import Path

import pytest
from tools import generate_docs

from outgate.policy.reasons import CATALOGUE


@pytest.mark.parametrize("path", generate_docs.DOCUMENTS)
def test_a_generated_document_is_not_stale(path: str) -> None:
    assert (generate_docs.ROOT / path).read_text("utf-8") == generate_docs.DOCUMENTS[path](), "run `make docs`"


def test_every_reason_has_a_section_of_its_own_with_reply_meaning_and_remedy() -> None:
    text = generate_docs.reasons()
    for reason, entry in CATALOGUE.items():
        section = text.partition(f"\n## {reason}\n")[2].partition("\n## ")[0]
        assert entry.meaning in section
        assert entry.remedy in section
        if entry.code >= 400:
            assert f"{entry.code} {entry.status} {reason}: " in section


def test_check_names_what_is_stale_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate_docs, "ROOT", tmp_path)
    monkeypatch.setattr(generate_docs, "DOCUMENTS", {"a.md": lambda: "new\n"})
    assert generate_docs.main(["--check"]) == 1
    assert "a.md is stale" in capsys.readouterr().err
    assert not (tmp_path / "a.md").exists()


def test_without_arguments_what_is_stale_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate_docs, "ROOT", tmp_path)
    monkeypatch.setattr(generate_docs, "DOCUMENTS", {"a.md": lambda: "new\n"})
    assert generate_docs.main([]) == 0
    assert (tmp_path / "a.md").read_text() == "new\n"
    assert generate_docs.main(["--check"]) == 0


def test_an_unknown_argument_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate_docs.main(["--chekc"]) == 2
    assert "usage" in capsys.readouterr().err
