import os
from pathlib import Path

import pytest

from outgate.app.child import Orders, read_orders, write_orders
from outgate.app.configuration import Configuration, ConfigurationError, Portal, complete, load, parse

OPENID = """
[[portal.openid]]
name = "Example"
server = "{}://x.example"
client_id = "outgate"
client_secret_file = "{}"
"""


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
        ("[portal]\naddress = 'here'", "portal.address: 'here' is not an IP address"),
        ("[portal]\nport = 0", "portal.port: expected `int` >= 1"),
        ("[portal]\npublic_url = 'portal.example.com'", "portal.public_url: 'portal.example.com' is not the address"),
        ("[portal]\npublic_url = 'https://example.com/mail'", "write one without a path"),
        ("[portal]\ntrusted_proxies = ['proxy']", "portal.trusted_proxies: 'proxy' is no network"),
        ("[[portal.openid]]\nnmae = 'a'", "portal.openid[0].nmae: there is no such setting; did you mean"),
        ("[[portal.openid]]\nname = 'a'", "portal.openid[0]: object missing required field `server`"),
        (OPENID.format("https", "/no/file"), "portal.openid.client_secret_file: there is no file /no/file"),
        (OPENID.format("http", __file__), "portal.openid.server: 'http://x.example' does not begin with https://"),
        ("[portal]\nsecret_key_file = '/no/file'", "portal.secret_key_file: /no/file cannot be read"),
        ("[portal]\nsecret_key_file = '/dev/null'", "portal.secret_key_file: /dev/null holds 0 characters"),
        ("= 1", "is not TOML"),
        (f"state = '/{'d' * 120}'", "state: the path is too long for the sockets in it by "),
        ("host_name = 'a b'", "host_name: 'a b' is not a domain name"),
        ("postmaster = 'ops'", "postmaster: 'ops' is not a mailbox"),
        ("[[listeners]]\naddress = 'localhost'", "listeners[0].address: 'localhost' is not an IP address"),
        ("[spool]\nsegment_octets = 1048577", "spool.segment_octets: must be a multiple of 4096"),
        ("[tls]\ncertificate = '/absent'\nkey = '/absent'", "tls.certificate: there is no file /absent"),
        ("[delivery]\nnameservers = ['dns.example']", "delivery.nameservers: 'dns.example' is not an address"),
        ("[delivery]\nnameservers = ['127.0.0.1:0']", "delivery.nameservers: '127.0.0.1:0' is not an address"),
        ("[providers]\nnameservers = ['dns.example']", "providers.nameservers: 'dns.example' is not an address"),
        ("[providers]\nmicrosoft_url = 'http://a.example'", "providers.microsoft_url: 'http://a.example' is not a URL"),
        ("[providers]\nmicrosoft_url = 'https://a:x'", "providers.microsoft_url: 'https://a:x' is not a URL"),
        ("[providers]\nopenid_url = 'http://a.example'", "providers.openid_url: 'http://a.example' is not a URL"),
        ("[providers]\ngoogle_name = 'google'", "providers.google_name: 'google' is not a domain name"),
        ("[providers]\nca_file = '/absent'", "providers.ca_file: there is no file /absent"),
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


@pytest.mark.parametrize(
    ("portal", "url"),
    [
        (Portal(), "http://127.0.0.1:8025"),
        (Portal("::1", 80), "http://[::1]:80"),
        (Portal("127.0.0.1", 8025, "https://portal.example.com/"), "https://portal.example.com"),
        (Portal(""), ""),
    ],
)
def test_portal_has_the_address_that_people_enter(portal: Portal, url: str) -> None:
    assert Configuration(portal=portal).portal_url == url
