"""DNS as a table, for the checks of SPF."""

from collections.abc import Mapping
from ipaddress import ip_address

from outgate.spf.lookup import Answer, Kind, Question, Status

Table = Mapping[str, Mapping[str, list[str]]]  # name to type to texts


class TableDns:
    """What `table` says; a type with the text "FAIL" fails. Counts the questions."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.asked: list[Question] = []

    def __call__(self, question: Question) -> Answer:
        self.asked.append(question)
        types = self._table.get(question.name)
        if types is None:
            return Answer(Status.NO_NAME)
        texts = types.get(question.kind.value)
        if not texts:
            return Answer(Status.NO_DATA)
        if texts == ["FAIL"]:
            return Answer(Status.FAILED, trouble="no answer within 2 seconds")
        match question.kind:
            case Kind.TXT:
                return Answer(Status.FOUND, texts=tuple(text.encode("utf-8") for text in texts))
            case Kind.A | Kind.AAAA:
                return Answer(Status.FOUND, addresses=tuple(ip_address(text) for text in texts))
            case _:
                return Answer(Status.FOUND, names=tuple(texts))


def txt(**records: str) -> dict[str, dict[str, list[str]]]:
    """Domains under `.example`, each with one TXT record."""
    return {f"{name.replace('_', '.')}.example": {"TXT": [text]} for name, text in records.items()}
