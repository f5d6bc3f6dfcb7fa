"""`outgate tenant`."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.support.portal import ACTOR, actions, customer, living_document
from tests.support.provider_server import running_provider_server
from tests.support.sightings import AT, FITTING, OWN, TENANT, evidence, record, refused
from typer.testing import Result

from outgate.app.cli import app
from outgate.portal.accounts.models import AuditEntry
from outgate.portal.customers.models import Customer
from outgate.portal.outbound import services
from outgate.portal.outbound.models import MicrosoftName, MicrosoftTenant

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def outgate(run: Any) -> Callable[..., Result]:
    command: Callable[..., Result] = run(app)
    return lambda *arguments, **more: command("tenant", *arguments, **more)


@pytest.fixture
def made() -> Customer:
    made = customer("Victim")
    services.vouch_for_domain(actor=ACTOR, domain=services.add_domain(actor=ACTOR, customer=made, name=OWN))
    return made


def show_now(made: Customer) -> None:
    ago = int(datetime.now(UTC).timestamp() - AT) - 60
    record(refused(made, FITTING, ago), refused(made, evidence(originator_orgs=("[red]evil.example",)), ago + 1))


def test_tenant_is_confirmed_with_its_name_by_a_person_who_is_recorded(
    outgate: Callable[..., Result], made: Customer
) -> None:
    result = outgate("confirm", "victim", TENANT.upper(), "--name", "victim.onmicrosoft.com")

    assert result.exit_code == 0, result.output
    assert result.stdout == f"The tenant {TENANT} is confirmed for Victim (victim).\n"
    assert living_document(made).microsoft.tenant_ids == (TENANT,)
    assert living_document(made).microsoft.names == ("victim.onmicrosoft.com",)
    assert AuditEntry.objects.get(action="tenant.confirmed").actor == "ann at the command line"


def test_tenant_is_not_confirmed_if_its_name_is_refused(outgate: Callable[..., Result], made: Customer) -> None:
    result = outgate("confirm", "victim", TENANT, "--name", "victim.example")

    assert result.exit_code == 1
    assert "is not the name of a tenant" in result.stderr
    assert not MicrosoftTenant.objects.exists()
    assert not MicrosoftName.objects.exists()


def test_tenant_is_removed_when_somebody_says_yes(outgate: Callable[..., Result], made: Customer) -> None:
    outgate("confirm", "victim", TENANT)

    assert "Nobody is there to ask: give --yes" in outgate("remove", "victim", TENANT).stderr
    assert living_document(made).microsoft.tenant_ids == (TENANT,)
    assert outgate("remove", "victim", TENANT, "--yes").exit_code == 0
    assert living_document(made).microsoft.tenant_ids == ()
    assert actions()[-1] == "tenant.removed"
    assert "has no tenant" in outgate("remove", "victim", TENANT, "--yes").stderr


def test_what_mail_has_shown_is_shown_as_it_stands(outgate: Callable[..., Result], made: Customer) -> None:
    assert "none; mail from Microsoft 365 waits" in outgate("show", "victim").stdout
    show_now(made)

    shown = outgate("show", "victim").stdout
    said = json.loads(outgate("show", "victim", "--json").stdout)

    assert "[red]evil.example" in shown
    assert "not one of the proven domains" in shown
    assert "Its mail proposes" not in shown
    assert [each["originator_orgs"] for each in said["sightings"]] == [["[red]evil.example"], [OWN]]
    assert [(each["tenant_id"], each["proposed"]) for each in said["seen_tenants"]] == [(TENANT, False)]


def test_proposal_is_the_command_that_confirms_it(outgate: Callable[..., Result], made: Customer) -> None:
    ago = int(datetime.now(UTC).timestamp() - AT) - 60
    record(refused(made, FITTING, ago))

    assert f"Its mail proposes: outgate tenant confirm victim {TENANT}\n" in outgate("show", "victim").stdout
    outgate("confirm", "victim", TENANT)
    shown = outgate("show", "victim").stdout
    assert "Its mail proposes" not in shown
    assert f"Confirmed tenants: {TENANT}\n" in shown


def test_look_up_prints_what_may_be_confirmed(outgate: Callable[..., Result], tmp_path: Path) -> None:
    with running_provider_server(tmp_path) as server:
        server.openid = {
            OWN: {"issuer": f"https://login.example/{TENANT}/v2.0"},
            "outlook.example": {"issuer": "https://login.example/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"},
        }
        settings = tmp_path / "outgate.toml"
        providers = f'[providers]\nopenid_url = "{server.url}"\nca_file = "{server.ca_file}"\n'
        settings.write_text(settings.read_text() + providers)

        assert outgate("look-up", OWN.upper()).stdout == f"{TENANT}\n"
        assert json.loads(outgate("look-up", OWN, "--json").stdout) == {"domain": OWN, "tenant_id": TENANT}
        absent = outgate("look-up", "absent.example")
        everybodys = outgate("look-up", "outlook.example")

    assert (absent.exit_code, "no tenant was found" in absent.stderr) == (1, True)
    assert (everybodys.exit_code, "private outlook.com" in everybodys.stderr) == (1, True)
    assert outgate("look-up", "com").exit_code == 2
    assert not MicrosoftTenant.objects.exists()
