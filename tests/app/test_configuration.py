import os
from pathlib import Path

import pytest

from outgate.app.child import Orders, read_orders, write_orders
from outgate.app.configuration import Configuration, ConfigurationError, complete, load, parse


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lmits = 1", "lmits: there is no such setting; did you mean `limits`?"),
        ("[limits]\nrecipient = 100", "limits.recipient: there is no such setting; did you mean `limits.recipients`?"),
        ("[limits]\nrecipients = 5", "limits.recipients: expected `int` >= 100"),
        ("[[listeners]]\nport = 'x'", "listeners[0].port: expected `int`, got `str`"),
        ("[[listeners]]\nprot = 25", "listeners[0].prot: there is no such setting; did you mean `listeners[0].port`?"),
        ("[[listeners]]\nproxies = ['10.0.0']", "listeners[0].proxies: '10.0.0' is not an address or network"),
        ("[tls]\ncertificate = 'chain.pem'", "tls: give both `certificate` and `key`, or neither"),
        ("workers = 0", "workers: expected `int` >= 1"),
        ("= 1", "is not TOML"),
        (f"state = '/{'d' * 120}'", "state: the path is too long for the sockets in it by "),
        ("host_name = 'a b'", "host_name: 'a b' is not a domain name"),
        ("postmaster = 'ops'", "postmaster: 'ops' is not a mailbox"),
        ("[[listeners]]\naddress = 'localhost'", "listeners[0].address: 'localhost' is not an IP address"),
        ("[spool]\nsegment_octets = 1048577", "spool.segment_octets: must be a multiple of 4096"),
        ("[tls]\ncertificate = '/absent'\nkey = '/absent'", "tls.certificate: there is no file /absent"),
        ("[delivery]\nnameservers = ['dns.example']", "delivery.nameservers: 'dns.example' is not an address"),
        ("[delivery]\nnameservers = ['127.0.0.1:0']", "delivery.nameservers: '127.0.0.1:0' is not an address"),
    ],
)
def test_a_mistake_names_the_file_the_key_and_the_remedy(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "outgate.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as error:
        load(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)


def test_a_file_that_is_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        load(tmp_path / "absent.toml")


def test_without_a_file_the_defaults_hold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("OUTGATE_CONFIG", raising=False)
    monkeypatch.setattr("outgate.app.configuration.DEFAULT_PATH", tmp_path / "absent.toml")
    assert load().limits.message_size_octets == 157_286_400


def test_names_of_the_machine_fill_what_is_left_empty() -> None:
    configuration = complete(parse({"host_name": "mx1.example"}, "test"))
    assert configuration.node == "mx1"
    assert configuration.worker_name(2) == "mx1/2"


def test_a_child_gets_what_the_supervisor_read() -> None:
    configuration = complete(parse({"listeners": [{"port": 2525}], "delivery": {"expiry_seconds": 60}}, "test"))
    reading, writing = os.pipe()
    os.write(writing, write_orders(Orders(configuration)))
    assert read_orders(reading).configuration == configuration
    os.close(reading)
    os.close(writing)
    assert configuration != Configuration()
