"""Who asks: every selector that finds rows for people takes a `Caller`, and there is no other way to a row."""

from dataclasses import dataclass

from outgate.portal.accounts.audit import Actor
from outgate.portal.accounts.models import ApiKey, Right, Role, User
from outgate.portal.customers.models import Customer


@dataclass(frozen=True, slots=True)
class Caller:
    """A person or a key, with what it may do. Made anew for each request, so that what changes holds at once.

    name: for the audit log. partner_id, customer_id: 0 is none. rights: of partner staff. acting_for: the customer that
    staff is logged in as; then only this customer can be reached, as its admin would reach it. scopes, key_id: of a
    key; None and 0 are a person, who has none.
    """

    name: str
    role: Role
    partner_id: int = 0
    customer_id: int = 0
    rights: frozenset[str] = frozenset()
    acting_for: Customer | None = None
    address: str = ""
    scopes: frozenset[str] | None = None
    key_id: int = 0

    @classmethod
    def of_user(cls, user: User, *, acting_for: Customer | None = None, address: str = "") -> "Caller":
        return cls(
            name=user.email,
            role=Role(user.role),
            partner_id=user.partner_id or 0,
            customer_id=user.customer_id or 0,
            rights=frozenset(user.rights),
            acting_for=acting_for,
            address=address,
        )

    @classmethod
    def of_key(cls, key: ApiKey, *, address: str = "") -> "Caller":
        """A partner's key has every right that its scopes leave; the scopes are asked at each route."""
        return cls(
            name=f"API key {key.prefix} ({key.name})",
            role=Role(key.role),
            partner_id=key.partner_id or 0,
            customer_id=key.customer_id or 0,
            rights=frozenset(Right.values),
            address=address,
            scopes=frozenset(key.scopes),
            key_id=key.pk,
        )

    @property
    def actor(self) -> Actor:
        return Actor(self.name, self.address, self.acting_for.slug if self.acting_for else "")

    @property
    def is_staff(self) -> bool:
        """Of the operator or a partner, and not logged in as a customer at the moment."""
        return self.role in (Role.OPERATOR, Role.PARTNER) and self.acting_for is None

    def has(self, right: Right) -> bool:
        """Of staff only; a customer's people have their role."""
        return self.is_staff and (self.role is Role.OPERATOR or right.value in self.rights)

    @property
    def may_change_settings(self) -> bool:
        """Of the customers that the caller reaches."""
        if self.acting_for is not None or self.role is Role.CUSTOMER_ADMIN:
            return True
        return self.has(Right.MANAGE_CUSTOMERS)

    @property
    def may_keep_templates(self) -> bool:
        """Policies of the partner for its customers: staff, while it is logged in as one of them."""
        is_staff = self.role is Role.OPERATOR or Right.POLICIES.value in self.rights
        return self.acting_for is not None and is_staff

    @property
    def may_work_on_held(self) -> bool:
        """Release, delete and try again waiting mail of the customers that the caller reaches."""
        return self.role in (Role.OPERATOR, Role.CUSTOMER_ADMIN) or self.may_release_dangerous

    @property
    def may_release_dangerous(self) -> bool:
        """Also what is held as malware or phishing: staff alone."""
        is_partner = self.role is Role.PARTNER and Right.QUARANTINE.value in self.rights
        return self.role is Role.OPERATOR or is_partner

    @property
    def may_see_mail(self) -> bool:
        """Of the customers that the caller reaches. Partner staff needs the right while it is logged in as one, too."""
        return self.role is not Role.PARTNER or Right.TRACKER.value in self.rights
