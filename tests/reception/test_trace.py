import email.utils

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgate.reception.trace import date_time, protocol, received_line


@given(st.integers(0, 2**32))
def test_the_date_is_one_that_mail_programs_read(second: int) -> None:
    assert email.utils.parsedate_to_datetime(date_time(second)).timestamp() == second
    assert date_time(second).endswith(" +0000")


@pytest.mark.parametrize(
    ("is_extended", "tls", "is_utf8", "expected"),
    [
        (False, "", False, "SMTP"),
        (True, "", False, "ESMTP"),
        (True, "TLSv1.3", False, "ESMTPS"),
        (True, "", True, "UTF8SMTP"),
        (True, "TLSv1.3", True, "UTF8SMTPS"),
    ],
)
def test_the_protocol_is_named_truthfully(is_extended: bool, tls: str, is_utf8: bool, expected: str) -> None:
    assert protocol(is_extended=is_extended, tls=tls, is_utf8=is_utf8) == expected


def test_the_line_is_one_folded_field_of_short_lines() -> None:
    line = received_line(
        hello_name="mail.client.example",
        address="2001:db8::1",
        host_name="outgate.example",
        with_protocol="ESMTPS",
        tls="TLSv1.3 TLS_AES_256_GCM_SHA384",
        queue_id="06C0000000000",
        at=0.0,
    )
    assert line == (
        b"Received: from mail.client.example ([IPv6:2001:db8::1])\r\n"
        b"\t(TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n"
        b"\tby outgate.example with ESMTPS id 06C0000000000;\r\n"
        b"\tThu, 01 Jan 1970 00:00:00 +0000\r\n"
    )
