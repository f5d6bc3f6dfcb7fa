"""What a message showed of its origin on its way in: for the decision, for the record, and for people.

Values are as they came, cut to `VALUE_MAX` and cleared of what is not printable; nothing here is trusted by itself.
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct

VALUE_MAX: Final = 256  # characters of one value that are kept
VALUES_MAX: Final = 8  # different values of one field that are kept
SIGNATURES_MAX: Final = 8  # DKIM signatures of one message that are looked at, topmost first


class DkimVerdict(StrEnum):
    """How a DKIM signature fared (RFC 8601 §2.7.1, with their names). TEMPERROR: its key cannot be had now."""

    PASS = "pass"  # noqa: S105 - no secret
    FAIL = "fail"
    NEUTRAL = "neutral"
    PERMERROR = "permerror"
    TEMPERROR = "temperror"


class SignatureResult(Struct, frozen=True, array_like=True, gc=False):
    """domain, selector: of the signature (d=, s=), the domain canonical. detail: why it did not pass, for people."""

    domain: str
    selector: str
    verdict: DkimVerdict
    detail: str = ""


class Evidence(Struct, frozen=True, array_like=True, gc=False):
    """source_class: a value of `policy.snapshot.SourceClass`. host_name: forward-confirmed name of the address, or "".
    pool: Microsoft's, as the decision took it (a value of `policy.pools.Pool`), or empty.

    tenant_ids, originator_orgs, auth_as: different values of X-MS-Exchange-CrossTenant-Id (lower case), X-OriginatorOrg
    (canonical where it is a domain) and X-MS-Exchange-CrossTenant-AuthAs (lower case), topmost first.
    sfp: of X-Forefront-Antispam-Report. signatures: topmost first. dkim: of all of them, "pass" if one passes, else
    the topmost one's verdict; "none" without a signature, "" where it was not looked at.
    """

    source_class: str = ""
    host_name: str = ""
    pool: str = ""
    tenant_ids: tuple[str, ...] = ()
    originator_orgs: tuple[str, ...] = ()
    auth_as: tuple[str, ...] = ()
    sfp: str = ""
    signatures: tuple[SignatureResult, ...] = ()
    dkim: str = ""


NO_EVIDENCE: Final = Evidence()


def overall(signatures: tuple[SignatureResult, ...]) -> str:
    """What `Evidence.dkim` says of these."""
    if not signatures:
        return "none"
    if any(each.verdict is DkimVerdict.PASS for each in signatures):
        return DkimVerdict.PASS.value
    return signatures[0].verdict.value
