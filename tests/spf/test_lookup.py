from ipaddress import ip_address

from outgate.spf.lookup import (
    Answer,
    Asking,
    Kind,
    Question,
    Status,
    answered,
    canonical,
    is_name,
    replaced,
    reverse_name,
)


def both() -> Asking[list[Answer]]:
    answers = []
    for name in ("a.example", "b.example", "a.example"):
        answers.append((yield Question(name, Kind.TXT)))  # noqa: PERF401 - no comprehension can yield
    return answers


def test_each_question_is_asked_once() -> None:
    asked: list[Question] = []

    def ask(question: Question) -> Answer:
        asked.append(question)
        return Answer(Status.FOUND, texts=(question.name.encode(),))

    answers = answered(both(), ask)
    assert [answer.texts for answer in answers] == [(b"a.example",), (b"b.example",), (b"a.example",)]
    assert [question.name for question in asked] == ["a.example", "b.example"]


def test_an_answer_can_be_supposed() -> None:
    answers = answered(replaced(both(), "a.example", (b"v=spf1",)), lambda question: Answer(Status.NO_NAME))
    assert [(answer.status, answer.texts) for answer in answers] == [
        (Status.FOUND, (b"v=spf1",)),
        (Status.NO_NAME, ()),
        (Status.FOUND, (b"v=spf1",)),
    ]


def test_void_is_what_is_not_there() -> None:
    assert [status for status in Status if Answer(status).is_void] == [Status.NO_DATA, Status.NO_NAME]


def test_names() -> None:
    assert canonical("A.Example.") == "a.example"
    assert is_name("_a.example")
    assert is_name("x" * 63 + ".example")
    assert not any(
        map(is_name, ("", "example", "a..b", ".a.b", "a.b.", "x" * 64 + ".example", "a b.example", "é.example"))
    )
    assert reverse_name(ip_address("192.0.2.1")) == "1.2.0.192.in-addr.arpa"
