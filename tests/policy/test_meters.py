"""Many senders' windows: bounded, shared, and known again."""

from outgate.contract.policy import Counted, Limit, LimitScope
from outgate.policy.meters import SAMPLE, SUBJECT_MAX, Key, Meter, Meters

NOW = 1_795_600_000.0
LIMITS = (
    Limit(LimitScope.MAILBOX, Counted.RECIPIENTS, 300, 10),
    Limit(LimitScope.MAILBOX, Counted.MESSAGES, 60, 10),
)


def key(name: str) -> Key:
    return ("alpha", "mailbox", f"{name}@alpha.example")


def use(meters: Meters, name: str, recipients: int = 1) -> Meter:
    meter = meters.meter(key(name), LIMITS, NOW)
    meters.use((meter,), recipients)
    return meter


def used(meters: Meters, name: str) -> list[int]:
    return [window.used for window in meters.meter(key(name), LIMITS, NOW).windows]


def test_memory_is_bounded_and_the_emptiest_is_forgotten_first() -> None:
    meters = Meters(keys_max=SAMPLE)
    for number in range(SAMPLE):
        use(meters, str(number), recipients=SAMPLE - number)
    use(meters, "new")
    assert len(meters) == SAMPLE
    assert meters.get(key(str(SAMPLE - 1))) is None
    assert meters.forgotten == 1


def test_who_is_over_a_limit_is_not_forgotten_and_the_rest_is_counted_together() -> None:
    meters = Meters(keys_max=3)
    for name in "abc":
        use(meters, name, recipients=10)
    one, other = use(meters, "x"), use(meters, "y")
    assert one is other
    assert used(meters, "a") == [10, 1]
    assert len(meters) == 4


def test_who_has_slow_mail_waiting_is_not_forgotten() -> None:
    meters = Meters(keys_max=1)
    use(meters, "a").waiting = 1
    use(meters, "b")
    assert meters.get(key("a")) is not None


def test_a_long_subject_is_counted_under_its_beginning() -> None:
    meters = Meters()
    long = ("alpha", "mailbox", "x" * 1_000)
    meters.use((meters.meter(long, LIMITS, NOW),), 1)
    meters.use((meters.meter(long, LIMITS, NOW),), 1)
    assert [(len(meter.key[2]), meter.windows[0].used) for meter in meters] == [(SUBJECT_MAX, 2)]


def test_other_limits_keep_what_was_counted_in_the_same_time() -> None:
    meters = Meters()
    use(meters, "a", 7)
    changed = (Limit(LimitScope.MAILBOX, Counted.RECIPIENTS, 300, 8), Limit(LimitScope.MAILBOX, Counted.MESSAGES, 5, 1))
    meter = meters.meter(key("a"), changed, NOW)
    assert [(window.seconds, window.maximum, window.used) for window in meter.windows] == [(300, 8, 7), (5, 1, 0)]


def test_little_use_is_not_told_and_more_is() -> None:
    meters = Meters()
    news = []
    for recipients in (1, 2):
        use(meters, "a", recipients)
        news.append(meters.has_news)
    assert news == [False, True]
    number, counts = meters.report()
    assert [(count.subject, count.counted, sum(count.parts.values())) for count in counts] == [
        ("a@alpha.example", "recipients", 3)
    ]
    use(meters, "a", 1)
    news.append(meters.has_news)  # before the first is confirmed
    meters.confirm(number)
    news.append(meters.has_news)
    assert news[2:] == [False, True]


def test_what_the_clerk_did_not_confirm_is_told_to_the_next() -> None:
    meters = Meters()
    use(meters, "a", 5)
    first = meters.report()[1]
    meters.unreported()
    assert meters.has_news
    assert meters.report()[1] == first


def test_two_workers_and_a_clerk_count_together() -> None:
    one, other = Meters(workers=2), Meters(workers=2)
    use(one, "a", 4)
    number, counts = one.report()
    one.confirm(number)
    one.learn(counts, 2, NOW)
    other.learn(counts, 2, NOW)
    assert used(one, "a")[0] == used(other, "a")[0] == 4
    assert other.meter(key("a"), LIMITS, NOW).recipients[0].room == 3


def test_the_number_of_workers_changes_the_share() -> None:
    meters = Meters()
    meter = use(meters, "a", 0)
    assert meter.recipients[0].room == 10
    meters.learn((), 2, NOW)
    assert meter.recipients[0].room == 5


def test_a_copy_knows_what_was_counted() -> None:
    meters = Meters()
    use(meters, "a", 9)
    again = Meters()
    again.learn(Meters.known(meters, NOW), 1, NOW)
    assert used(again, "a") == [9, 1]
    assert not again.has_news
