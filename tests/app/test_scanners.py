"""All built-in scanners together, over real mail."""

from tests.support.corpus import mails

from outgate.app.scanners import built_in, readers
from outgate.mail.findings import Category
from outgate.scanning.interface import Context
from outgate.scanning.pipeline import Pipeline

CONTEXT = Context("ada@alpha.example", ("bob@beta.example",), frozenset(("alpha.example",)))


def test_mail_that_people_wanted_has_nothing_that_counts() -> None:
    """Of the corpus, that which is not spam. What the spam model and the counters of data say is measured by theirs."""
    others = [scanner for scanner in built_in() if scanner.name not in ("spam", "data-loss")]
    pipeline = Pipeline(others, readers())
    alarms = []
    for mail in mails():
        if not mail.name.startswith("spam"):
            findings = pipeline.scan(mail.as_sent, CONTEXT).findings
            alarms += [
                (mail.name, each) for each in findings if each.is_sure and each.category is not Category.ATTACHMENT
            ]
    assert alarms == []


def test_names_are_their_own() -> None:
    names = [each.name for each in built_in()] + [each.name for each in readers()]
    assert len(set(names)) == len(names)
