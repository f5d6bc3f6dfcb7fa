from outgate.net.currency import CURRENT_SECONDS, Currency


def test_it_holds_for_a_while_after_each_confirmation_and_not_before_the_first() -> None:
    now = [1000.0]
    currency = Currency(lambda: now[0])
    assert not currency.holds()
    currency.confirm()
    now[0] += CURRENT_SECONDS - 0.1
    assert currency.holds()
    now[0] += 0.1
    assert not currency.holds()
    currency.confirm()
    assert currency.holds()


def test_what_is_in_doubt_does_not_hold() -> None:
    currency = Currency(lambda: 1000.0)
    currency.confirm()
    currency.doubt()
    assert not currency.holds()
