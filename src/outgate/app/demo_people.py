"""Makes a person for each role in a demonstration, and prints how they sign in, as JSON. A process of its own: the
supervisor loads no Django. What was made stays: a demonstration that is started again has the same passwords."""
# ruff: noqa: PLC0415 - models need Django set up

import os
import sys
from pathlib import Path
from typing import Final

import msgspec

from outgate.app.configuration import load
from outgate.app.demo import SMARTHOST, SignIn
from outgate.portal.start import start_django

FILE_NAME: Final = "sign-ins.json"
EMAILS: Final = {
    "operator": "operator@outgate.example",
    "partner": "partner@outgate.example",
    "customer-admin": "admin@alpha.example",
    "customer-viewer": "viewer@alpha.example",
}
SPF_INCLUDE: Final = "_spf.outgate.example"
SENDING_ADDRESSES: Final = ("192.0.2.25", "2001:db8::25")  # for documentation: nobody sends from these


def main() -> None:
    configuration = load(Path(sys.argv[1]))
    start_django(
        state=configuration.state_directory,
        database=configuration.database_address,
        allow_private=configuration.allow_private_sources,
        secret_key_file=configuration.portal.secret_key_file,
    )
    sys.stdout.buffer.write(msgspec.json.encode(_people(configuration.state_directory / FILE_NAME)))


def _people(path: Path) -> list[SignIn]:
    from django.db.models import Q

    from outgate.portal.accounts.audit import Actor
    from outgate.portal.accounts.models import Role, User
    from outgate.portal.accounts.services import add_user, generate_password
    from outgate.portal.customers.models import Partner, Region
    from outgate.portal.customers.selectors import customer_named
    from outgate.portal.customers.services import change_region

    for region in Region.objects.filter(Q(spf_include="") | Q(smarthost="")):
        change_region(
            actor=Actor("demo"),
            region=region,
            smarthost=region.smarthost or SMARTHOST,
            spf_include=region.spf_include or SPF_INCLUDE,
            sending_addresses=region.sending_addresses or SENDING_ADDRESSES,
        )
    known = {}
    if path.exists():
        known = {each.email: each for each in msgspec.json.decode(path.read_bytes(), type=list[SignIn])}
    people = []
    for role_name, email in EMAILS.items():
        role = Role(role_name)
        if email not in known or not User.objects.filter(email=email).exists():
            User.objects.filter(email=email).delete()
            customer = customer_named("alpha") if role.value.startswith("customer") else None
            partner = Partner.objects.order_by("pk").first() if role is Role.PARTNER else None
            password = generate_password()
            add_user(actor=Actor("demo"), email=email, role=role, password=password, customer=customer, partner=partner)
            known[email] = SignIn(role.label, email, password)
        people.append(known[email])
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.encode(people))
    return people


if __name__ == "__main__":
    main()
