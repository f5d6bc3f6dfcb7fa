"""Connecting to next hops: which addresses, in which order, with which TLS, and what is said when none will do."""

import asyncio
import ssl
from collections.abc import Coroutine
from typing import Any

import pytest
import trustme
from tests.support.hop import Hop
from tests.support.hop_server import HopServer
from tests.support.relay import LOOPS, NamesResolver, begin, connector, next_hop, run, until

from outgate.contract.policy import RelayTls
from outgate.delivery.interface import NextHop, Unreachable
from outgate.net import relay as module
from outgate.policy.reasons import Reason


async def refused(attempt: Coroutine[Any, Any, object]) -> Unreachable:
    with pytest.raises(Unreachable) as caught:
        await attempt
    return caught.value


async def free_port() -> int:
    server = await HopServer().start()
    await server.stop()
    return server.port


@pytest.mark.parametrize("loop", LOOPS)
def test_a_connection_is_ready_after_ehlo(loop: str) -> None:
    async def main() -> None:
        server = await HopServer().start()
        connection = await connector(NamesResolver({"mx.example": ("127.0.0.1",)})).connect(
            next_hop(server.port, "mx.example")
        )
        assert connection.is_usable
        assert connection.peer == f"mx.example [127.0.0.1]:{server.port}"
        assert connection.tls == ""
        assert server.hops[0].commands == ["EHLO b.example"]

    run(main(), loop)


# Which addresses


def test_hosts_and_addresses_are_tried_in_order() -> None:
    async def main() -> None:
        first = await HopServer(lambda: Hop(script=greet_with("450 4.7.1 not you"))).start()
        port = first.port
        await HopServer().start("127.0.0.3", port)
        resolver = NamesResolver({"mx1.example": ("127.0.0.2", "127.0.0.1"), "mx2.example": ("127.0.0.3",)})
        connection = await connector(resolver).connect(next_hop(port, "absent.example", "mx1.example", "mx2.example"))
        assert connection.peer == f"mx2.example [127.0.0.3]:{port}"
        assert len(first.hops) == 1

    run(main())


def greet_with(text: str) -> Any:
    return lambda verb, count: text if verb == "GREETING" else None


def test_the_number_of_addresses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ADDRESSES_MAX", 3)

    async def main() -> int:
        server = await HopServer(lambda: Hop(script=greet_with("DROP"))).start()
        resolver = NamesResolver({"mx.example": ("127.0.0.1",) * 9})
        await refused(connector(resolver).connect(next_hop(server.port, "mx.example")))
        return len(server.hops)

    assert run(main()) == 3


def test_nobody_listens() -> None:
    async def main() -> Unreachable:
        return await refused(connector().connect(next_hop(await free_port())))

    failure = run(main())
    assert failure.reason is Reason.NEXT_HOP_UNREACHABLE
    assert str(failure.reply).startswith("451 4.4.1 next-hop-unreachable: no connection to [127.0.0.1]:")


def test_nobody_answers() -> None:
    """A peer that takes the connection and stays silent is given the time of the greeting, then no more."""

    async def main() -> Unreachable:
        server = await HopServer(lambda: Hop(script=greet_with("SILENT"))).start()
        joined = connector()
        attempt = asyncio.create_task(refused(joined.connect(next_hop(server.port))))
        await until(lambda: joined._keeper.connections)
        (connection,) = joined._keeper.connections
        now = connection._heard_at
        connection.check_time(now + 299)
        await asyncio.sleep(0)
        assert not attempt.done()
        connection.check_time(now + 301)
        return await attempt

    failure = run(main())
    assert failure.reason is Reason.CONNECTION_LOST
    assert "fell silent before the greeting" in str(failure.reply)


def test_the_whole_search_is_bounded_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOTAL_SECONDS", 0.05)

    async def main() -> Unreachable:
        server = await HopServer(lambda: Hop(script=greet_with("SILENT"))).start()
        return await refused(connector().connect(next_hop(server.port)))

    assert run(main()).reply.code == 451


@pytest.mark.parametrize(
    ("greetings", "code"),
    [
        (("554 5.7.1 no",), 554),
        (("554 5.7.1 no", "550 5.7.1 nor I"), 550),
        (("554 5.7.1 no", "421 4.3.2 busy"), 421),
        (("421 4.3.2 busy", "554 5.7.1 no"), 421),
        (("554 5.7.1 no", "DROP"), 451),
    ],
)
def test_only_if_all_refuse_for_good_the_refusal_is_permanent(greetings: tuple[str, ...], code: int) -> None:
    async def main() -> Unreachable:
        left = list(greetings)
        server = await HopServer(lambda: Hop(script=greet_with(left.pop(0)))).start()
        resolver = NamesResolver({"mx.example": ("127.0.0.1",) * len(greetings)})
        return await refused(connector(resolver).connect(next_hop(server.port, "mx.example")))

    assert run(main()).reply.code == code


@pytest.mark.parametrize("from_operator", [False, True])
@pytest.mark.parametrize(
    ("hosts", "reason", "codes"),
    [
        (("absent.example",), Reason.DOMAIN_NOT_FOUND, (550, 451)),
        (("trouble.example",), Reason.DNS_TROUBLE, (451, 451)),
        (("absent.example", "trouble.example"), Reason.DNS_TROUBLE, (451, 451)),
        (("trouble.example", "absent.example"), Reason.DNS_TROUBLE, (451, 451)),
        ((), Reason.NEXT_HOP_UNREACHABLE, (451, 451)),
    ],
)
def test_names_that_lead_nowhere(
    hosts: tuple[str, ...], reason: Reason, codes: tuple[int, int], from_operator: bool
) -> None:
    """A sender relay that is misnamed is a setting to be mended: the mail waits."""

    async def main() -> Unreachable:
        hop = NextHop("hop.example", hosts, 25, RelayTls.OPPORTUNISTIC, from_operator)
        return await refused(connector(NamesResolver(trouble=("trouble.example",))).connect(hop))

    failure = run(main())
    assert (failure.reason, failure.reply.code) == (reason, codes[from_operator])


# Where mail must not go


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "::1", "169.254.169.254", "::ffff:127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("from_operator", [False, True])
def test_addresses_within_are_refused(address: str, from_operator: bool) -> None:
    async def main() -> Unreachable:
        server = await HopServer().start()
        resolver = NamesResolver({"mx.example": (address,)})
        hop = next_hop(server.port, "mx.example", from_operator=from_operator)
        failure = await refused(connector(resolver, allow_private=False).connect(hop))
        assert not server.hops
        return failure

    failure = run(main())
    assert failure.reason is Reason.NEXT_HOP_FORBIDDEN
    assert failure.reply.code == (451 if from_operator else 550)
    assert address in str(failure.reply)


@pytest.mark.parametrize("own", ["127.0.0.1", "0.0.0.0", "::"])
@pytest.mark.parametrize("allow_private", [False, True])
def test_our_own_listeners_are_never_a_next_hop(own: str, allow_private: bool) -> None:
    async def main() -> Unreachable:
        server = await HopServer().start()
        joined = connector(allow_private=allow_private, own_addresses=frozenset({(own, server.port)}))
        return await refused(joined.connect(next_hop(server.port)))

    assert run(main()).reason is Reason.NEXT_HOP_FORBIDDEN


def test_an_address_of_this_machine_is_found_out_by_the_connection_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Listeners on all addresses: which those are, only a connection shows."""
    monkeypatch.setattr(module.RelayConnector, "_is_forbidden", lambda *_: False)

    async def main() -> Unreachable:
        server = await HopServer().start()
        own_addresses = frozenset({("0.0.0.0", server.port)})
        return await refused(connector(own_addresses=own_addresses).connect(next_hop(server.port)))

    assert run(main()).reason is Reason.NEXT_HOP_FORBIDDEN


def test_another_port_of_this_machine_is_no_loop() -> None:
    async def main() -> bool:
        server = await HopServer().start()
        own_addresses = frozenset({("0.0.0.0", 1), ("127.0.0.1", 1)})
        connection = await connector(own_addresses=own_addresses).connect(next_hop(server.port))
        return connection is not None

    assert run(main())


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("tls", RelayTls)
def test_tls_is_used_where_it_is_offered(loop: str, tls: RelayTls, authority: trustme.CA, tmp_path: Any) -> None:
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)

    async def main() -> None:
        server = await HopServer(context=server_context(authority, "mx.example")).start()
        resolver = NamesResolver({"mx.example": ("127.0.0.1",)})
        connection = await connector(resolver, ca_file=str(ca_file)).connect(
            next_hop(server.port, "mx.example", tls=tls)
        )
        assert connection.tls.startswith("TLSv1.3 ")
        result = await begin(connection)
        assert result.replies[0].code == 250
        assert result.tls == connection.tls
        hop = server.hops[0]
        assert hop.commands[:4] == ["EHLO b.example", "STARTTLS", "(TLS)", "EHLO b.example"]
        connection.close()

    run(main(), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_opportunistic_tls_that_fails_means_once_more_in_clear(loop: str) -> None:
    async def main() -> None:
        broken = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # without a certificate no handshake succeeds
        server = await HopServer(context=broken).start()
        connection = await connector().connect(next_hop(server.port))
        assert connection.tls == ""
        assert (await begin(connection)).replies[0].code == 250
        assert [hop.commands[1] for hop in server.hops] == ["STARTTLS", server.hops[1].commands[1]]
        assert server.hops[1].commands[1].startswith("MAIL")

    run(main(), loop)


@pytest.mark.parametrize("tls", [RelayTls.REQUIRED, RelayTls.VERIFIED])
@pytest.mark.parametrize("is_offered", [True, False])
def test_required_tls_that_fails_leaves_nothing_in_clear(tls: RelayTls, is_offered: bool) -> None:
    async def main() -> Unreachable:
        broken = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if is_offered else None
        server = await HopServer(context=broken).start()
        failure = await refused(connector().connect(next_hop(server.port, tls=tls)))
        assert len(server.hops) == 1
        assert not any(command.startswith("MAIL") for command in server.hops[0].commands)
        return failure

    failure = run(main())
    assert failure.reason is Reason.NEXT_HOP_TLS
    assert failure.reply.code == 451


@pytest.mark.parametrize("is_trusted", [True, False])
def test_verified_tls_wants_the_right_name_from_a_trusted_authority(
    is_trusted: bool, authority: trustme.CA, tmp_path: Any
) -> None:
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)

    async def main() -> Unreachable:
        issuer = authority if is_trusted else trustme.CA()
        name = "other.example" if is_trusted else "mx.example"
        server = await HopServer(context=server_context(issuer, name)).start()
        resolver = NamesResolver({"mx.example": ("127.0.0.1",)})
        hop = next_hop(server.port, "mx.example", tls=RelayTls.VERIFIED)
        return await refused(connector(resolver, ca_file=str(ca_file)).connect(hop))

    failure = run(main())
    assert failure.reason is Reason.NEXT_HOP_TLS
    assert failure.reply.code == 451
    assert ("Hostname mismatch" in str(failure.reply)) is is_trusted


@pytest.mark.parametrize("tls", RelayTls)
def test_plain_text_behind_starttls_ends_the_connection(tls: RelayTls, authority: trustme.CA) -> None:
    async def main() -> Unreachable:
        context = server_context(authority, "127.0.0.1")
        server = await HopServer(context=context, behind_starttls=b"250 injected\r\n").start()
        failure = await refused(connector().connect(next_hop(server.port, tls=tls)))
        assert not any("MAIL" in command for hop in server.hops for command in hop.commands)
        return failure

    failure = run(main())
    assert failure.reason is Reason.NEXT_HOP_TLS
    assert failure.reply.status == "4.7.5"


def test_no_version_below_1_2_is_spoken() -> None:
    async def main() -> list[ssl.TLSVersion]:
        joined = connector()
        return [joined._unverified.minimum_version, joined._verified.minimum_version]

    assert run(main()) == [ssl.TLSVersion.TLSv1_2] * 2


def test_a_ca_file_that_is_none_is_told_at_once(tmp_path: Any) -> None:
    async def main() -> None:
        connector(ca_file=str(tmp_path / "absent.pem"))

    with pytest.raises(OSError, match="No such file"):
        run(main())
