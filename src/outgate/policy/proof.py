"""What the proof of a sender in a cloud has to go by, gathered before `admission.settle` is asked. Pure."""

from typing import Final

from msgspec import Struct

from outgate.contract.policy import Provider
from outgate.mail.address import ReversePath
from outgate.mail.evidence import SignatureResult

MORE: Final = "..."  # stands last where there was more than is kept; it is nobody's id, domain or way of signing in


class HeaderEvidence(Struct, frozen=True):
    """tenant_ids, originator_orgs, auth_as: the different values of X-MS-Exchange-CrossTenant-Id (lower case),
    X-OriginatorOrg (canonical where it is a domain) and X-MS-Exchange-CrossTenant-AuthAs (lower case), topmost first,
    at most `VALUES_MAX`, each cut to `VALUE_MAX` and printable. An empty or unreadable value is one like any other.
    Where there were more, `MORE` stands last; in all of them if there are more than
    `policy.evidence.FIELDS_MAX` of these fields, or they may stand in more than `policy.header.NAMES_MAX` places, for
    which nobody else shall wait.

    sfp: of X-Forefront-Antispam-Report; where there are several different ones all of them, topmost first, with
    commas. signatures_on_top: how many DKIM-Signature fields stand above the first Received field. Each server writes
    its Received line above all that it was given, so that only these can be of the last server or later: what stands
    below may have been signed at any time, for anybody, and be sent again.
    """

    tenant_ids: tuple[str, ...] = ()
    originator_orgs: tuple[str, ...] = ()
    auth_as: tuple[str, ...] = ()
    sfp: str = ""
    signatures_on_top: int = 0


NO_HEADER_EVIDENCE: Final = HeaderEvidence()


class Proof(Struct, frozen=True):
    """signatures: as they fared, topmost first. host_names: forward-confirmed names of the source address."""

    header: HeaderEvidence = NO_HEADER_EVIDENCE
    signatures: tuple[SignatureResult, ...] = ()
    host_names: tuple[str, ...] = ()


NO_PROOF: Final = Proof()


class Shown(Struct, frozen=True):
    """What a message from `provider` shows of its origin. from_domains: of its one From field, canonical."""

    provider: Provider
    reverse_path: ReversePath
    from_domains: tuple[str, ...]
    proof: Proof
