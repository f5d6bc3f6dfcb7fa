import re

from outgate.app.metrics import METRICS, split_labels


def test_labels_are_split_off() -> None:
    assert split_labels("a") == ("a", {})
    assert split_labels('a{reason="b-c"}') == ("a", {"reason": "b-c"})


def test_names_and_texts_are_in_the_form_of_prometheus() -> None:
    for name, metric in METRICS.items():
        assert re.fullmatch(r"outgate_[a-z_]+", name)
        assert not name.endswith("_total")  # the exposition adds it to counters
        assert metric.help[0].isupper() or metric.help[0].isdigit()
