"""The guides: which mail system each is for, and where its mail is seen to come from."""

from dataclasses import dataclass
from typing import Final

from outgate.portal.customers.models import MailPlatform


@dataclass(frozen=True, slots=True)
class Guide:
    """kind: in its address. source_class: of `mail.evidence.Evidence`, that a message of this system shows. platforms:
    for which it is the one to begin with. has_script: is there a script to download?"""

    kind: str
    title: str
    summary: str
    source_class: str
    platforms: tuple[str, ...] = ()
    has_script: bool = False

    @property
    def platform(self) -> str:
        """What the customer's mail platform has to be, else its mail is taken for a stranger's; empty: any will do."""
        return _PLATFORMS.get(self.source_class, "")

    @property
    def is_cloud(self) -> bool:
        return bool(self.platform)


_PLATFORMS: Final = {"microsoft": MailPlatform.MICROSOFT_365.value, "google": MailPlatform.GOOGLE.value}

GUIDES: Final = (
    Guide(
        "microsoft-365",
        "Microsoft 365 and Exchange Online",
        "A connector and a mail flow rule, by hand or by a script.",
        "microsoft",
        (MailPlatform.MICROSOFT_365.value,),
        has_script=True,
    ),
    Guide(
        "microsoft-365-exclaimer",
        "Microsoft 365 with Exclaimer",
        "The same, so that signatures are added before mail comes here.",
        "microsoft",
        (),
        has_script=True,
    ),
    Guide(
        "google-workspace",
        "Google Workspace",
        "A route and a routing rule in the Admin console.",
        "google",
        (MailPlatform.GOOGLE.value,),
    ),
    Guide(
        "exchange",
        "Exchange Server",
        "A Send connector on your own server.",
        "declared",
        (MailPlatform.EXCHANGE.value,),
    ),
    Guide(
        "third-party",
        "Another mail server, application or device",
        "Any program that can send by SMTP without a password.",
        "declared",
        (MailPlatform.OTHER.value,),
    ),
)


def guide_of(kind: str) -> Guide | None:
    return next((guide for guide in GUIDES if guide.kind == kind), None)


def guides_for(platform: str) -> list[Guide]:
    """All, the one for this platform first."""
    return sorted(GUIDES, key=lambda guide: platform not in guide.platforms)
