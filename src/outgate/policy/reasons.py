"""The one catalogue of reason codes: every refusal, delay, hold and admission has one, in reply, log, event and docs.

A code is stable for ever: people write rules against it. docs/reasons.md is made from this table (a test holds it).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from outgate.mail.reply import Reply

if TYPE_CHECKING:
    from outgate.policy.decision import Decision  # which needs `Reason`

CONTEXT_MAX: Final = 120  # octets of what a reply's text names
TEXT_MAX: Final = 400  # octets of a reply's text, context and reference included; RFC 5321 §4.5.3.1.5 has room for 512


class Reason(StrEnum):
    """The codes. What each means stands in `CATALOGUE`."""

    # Admitted
    DOMAIN_OWN = "domain-own"
    AUTO_FORWARD = "auto-forward"
    NULL_REVERSE_PATH = "null-reverse-path"
    POSTMASTER = "postmaster"
    OWN_NOTICE = "own-notice"
    # Refused or delayed in the envelope
    SOURCE_UNKNOWN = "source-unknown"
    SENDER_NOT_REGISTERED = "sender-not-registered"
    OUTBOUND_OFF = "outbound-off"
    ACTIVATING = "activating"
    POLICY_STALE = "policy-stale"
    RECIPIENT_SPLIT = "recipient-split"
    POSTMASTER_UNSET = "postmaster-unset"
    RANGES_STALE = "ranges-stale"
    # Limits of a session
    RECIPIENT_LIMIT = "recipient-limit"
    TLS_UNAVAILABLE = "tls-unavailable"
    TALKED_EARLY = "talked-early"
    ERROR_LIMIT = "error-limit"
    IDLE_LIMIT = "idle-limit"
    SENT_AHEAD = "sent-ahead"
    LINE_LIMIT = "line-limit"
    NOT_SMTP = "not-smtp"
    TIMED_OUT = "timed-out"
    TOO_SLOW = "too-slow"
    # Refused for the content
    BARE_LINE_ENDING = "bare-line-ending"
    MESSAGE_TOO_LARGE = "message-too-large"
    HEADER_TOO_LARGE = "header-too-large"
    HOP_LIMIT = "hop-limit"
    FROM_MISSING = "from-missing"
    FROM_REPEATED = "from-repeated"
    FROM_UNREADABLE = "from-unreadable"
    FROM_MISMATCH = "from-mismatch"
    CUSTOMER_AMBIGUOUS = "customer-ambiguous"
    # Not proven to be the customer's, from a provider's addresses
    TENANT_MISMATCH = "tenant-mismatch"
    TENANT_UNPROVEN = "tenant-unproven"
    TENANT_UNCONFIRMED = "tenant-unconfirmed"
    KEY_UNAVAILABLE = "key-unavailable"
    RELAYED_MAIL = "relayed-mail"
    SIGNATURE_REQUIRED = "signature-required"
    POOL_CONSUMER = "pool-consumer"
    POOL_HIGH_RISK = "pool-high-risk"
    POOL_RELAY = "pool-relay"
    # Limits of senders
    OVER_LIMIT = "over-limit"
    SLOW_LANE_FULL = "slow-lane-full"
    SENDER_LOCKED = "sender-locked"
    INVALID_RECIPIENTS = "invalid-recipients"
    TOO_MANY_FAILURES = "too-many-failures"
    # Content
    CONTENT_MALWARE = "content-malware"
    CONTENT_PHISHING = "content-phishing"
    CONTENT_SPAM = "content-spam"
    CONTENT_ATTACHMENT = "content-attachment"
    CONTENT_IMPERSONATION = "content-impersonation"
    CONTENT_DATA_LOSS = "content-data-loss"
    CONTENT_UNSCANNABLE = "content-unscannable"
    CONTENT_RULE = "content-rule"
    SCANNER_UNAVAILABLE = "scanner-unavailable"
    # Not for now
    SPOOL_FULL = "spool-full"
    SPOOL_FAILED = "spool-failed"
    OVERLOADED = "overloaded"
    SHUTTING_DOWN = "shutting-down"
    # Delivery
    RELAYED = "relayed"
    NEXT_HOP_REFUSED = "next-hop-refused"
    NEXT_HOP_DEFERRED = "next-hop-deferred"
    NEXT_HOP_UNREACHABLE = "next-hop-unreachable"
    NEXT_HOP_FORBIDDEN = "next-hop-forbidden"
    NEXT_HOP_LACKS_EXTENSION = "next-hop-lacks-extension"
    NEXT_HOP_TLS = "next-hop-tls"
    RELAY_LOGIN = "relay-login"
    CONNECTION_LOST = "connection-lost"
    DOMAIN_NOT_FOUND = "domain-not-found"
    DOMAIN_TAKES_NO_MAIL = "domain-takes-no-mail"
    DNS_TROUBLE = "dns-trouble"
    EXPIRED = "expired"
    CONTENT_DAMAGED = "content-damaged"
    INTERNAL_ERROR = "internal-error"
    SET_ASIDE = "set-aside"
    DELETED = "deleted"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the catalogue.

    code: of the reply, 250 for an admission, 0 where Outgate itself replies nothing. status: enhanced status code
    (RFC 3463), "" where there is no code. text: of the reply, beginning with the reason's code; `{context}` names what
    it is about. meaning and remedy: for the docs and the public page, written to the administrator of a mail system.
    nameless: stands for the context where none is given.
    """

    code: int
    status: str
    text: str
    meaning: str
    remedy: str
    nameless: str = ""


def reply_for(decision: "Decision", reference: str = "") -> Reply:
    """What the peer is told of a decision. reference: queue id that the record has it under, or "".

    A decision is about one message. 421 would say that the connection ends (RFC 5321 §3.8), so it becomes 451.
    """
    reply = reply_of(decision.reason, decision.context, reference)
    return Reply(451, reply.status, *reply.lines) if reply.code == 421 else reply


def reply_of(reason: Reason, context: str = "", reference: str = "", *, status: str = "") -> Reply:
    """The reply that goes with `reason`, which must be one that has a code.

    context: may come from a peer; what does not fit on a line of ASCII is replaced, and it is cut to `CONTEXT_MAX`.
    status: a more exact enhanced status code than the catalogue's, of the same class.
    """
    entry = CATALOGUE[reason]
    assert entry.code, reason
    return Reply(entry.code, status or entry.status, text_of(reason, context, reference))


def text_of(reason: Reason, context: str = "", reference: str = "") -> str:
    """One line of printable ASCII, at most `TEXT_MAX` octets; for reasons without a reply too."""
    entry = CATALOGUE[reason]
    text = entry.text.replace("{context}", _one_line(context) or entry.nameless)
    return f"{text} (ref {_one_line(reference)})" if reference else text


def _one_line(context: str) -> str:
    if len(context) > CONTEXT_MAX:
        context = f"{context[: CONTEXT_MAX - 3]}..."
    if context.isascii() and context.isprintable():
        return context
    return "".join([character if " " <= character <= "~" else "?" for character in context])


CATALOGUE: Final[dict[Reason, Entry]] = {
    # Admitted
    Reason.DOMAIN_OWN: Entry(
        250,
        "2.1.5",
        "domain-own: accepted as mail of your own domain",
        "The reverse-path has a domain of the customer, and the message came from one of the customer's outbound "
        "sources, or with proof from its Microsoft 365 tenant or Google account.",
        "Nothing is to be done.",
    ),
    Reason.AUTO_FORWARD: Entry(
        250,
        "2.1.5",
        "auto-forward: accepted as forwarded mail",
        "The reverse-path has a foreign domain, but the recipient is on the customer's Auto Forward list and the "
        "message came from one of the customer's outbound sources.",
        "Nothing is to be done. To stop such forwards, take the recipient off the Auto Forward list.",
    ),
    Reason.NULL_REVERSE_PATH: Entry(
        250,
        "2.1.5",
        "null-reverse-path: accepted as a notice",
        "The message has a null reverse-path, as delivery reports and automatic replies have, and came from an "
        "outbound source of an active customer.",
        "Nothing is to be done.",
    ),
    Reason.POSTMASTER: Entry(
        250,
        "2.1.5",
        "postmaster: accepted for the postmaster of this server",
        "Mail to the postmaster of this server itself is accepted from anybody (RFC 5321, 4.5.1) and sent on to the "
        "operator.",
        "Nothing is to be done.",
    ),
    Reason.OWN_NOTICE: Entry(
        250,
        "2.1.5",
        "own-notice: written by this server",
        "Outgate itself wrote this message, such as a report that another message could not be delivered.",
        "Nothing is to be done. The report inside says what became of the other message.",
    ),
    # Refused or delayed in the envelope
    Reason.SOURCE_UNKNOWN: Entry(
        550,
        "5.7.1",
        "source-unknown: [{context}] may not send through this server; add it under Outbound Sources",
        "The message came from an address that no customer has declared. Addresses are declared because there is no "
        "log-in: the address is the first part of the proof of who is sending.",
        "Add the public address that your mail leaves from under Outbound Sources. If your mail system has several "
        "addresses, or its address has changed, add each. The reply names the address that was seen.",
        nameless="this address",
    ),
    Reason.SENDER_NOT_REGISTERED: Entry(
        550,
        "5.7.1",
        "sender-not-registered: {context} is not a proven domain of a customer with this source; add the domain, or "
        "the recipient under Auto Forward",
        "The source is known, but the domain of the reverse-path (the envelope's sender) does not belong to a "
        "customer who has declared that source. Domains match exactly; subdomains belong only where their proof "
        "includes them.",
        "Add the domain and prove that it is yours, or add the source to the customer whose domain it is. If the "
        "message was forwarded for somebody else, add its recipient under Auto Forward.",
        nameless="the sender's domain",
    ),
    Reason.OUTBOUND_OFF: Entry(
        550,
        "5.7.1",
        "outbound-off: outbound mail is switched off for {context}; switch it on under Outbound Smarthost",
        "Source and domain are known, but the customer's outbound mail is switched off, or the customer's plan does "
        "not include it.",
        "Switch Outbound Status on and save. If the switch cannot be used, the plan has no outbound mail: ask your "
        "provider. Until then let your mail leave without this smarthost.",
        nameless="this customer",
    ),
    Reason.ACTIVATING: Entry(
        451,
        "4.7.1",
        "activating: outbound mail for {context} is just being switched on; try again in a minute",
        "Outbound mail was switched on and not every part of this server has confirmed it yet. That takes a second "
        "or two; mail in between is asked to come again, so that none is refused.",
        "Wait: the sending system tries again by itself. If it lasts longer than some minutes, look at Outbound "
        "Status, which shows what has not confirmed.",
        nameless="this customer",
    ),
    Reason.POLICY_STALE: Entry(
        451,
        "4.7.1",
        "policy-stale: {context} cannot be checked against current settings right now; try again later",
        "By the settings that are in hand this would be refused, but they may be old: their source has not confirmed "
        "them in the last seconds, or they changed during the transaction. Known senders are served all the while.",
        "Wait: the sending system tries again by itself. The operator finds the cause in the health page: the "
        "process that hands out settings, or its database, is away.",
        nameless="this sender",
    ),
    Reason.RECIPIENT_SPLIT: Entry(
        452,
        "4.5.3",
        "recipient-split: send to {context} again in a transaction of its own",
        "Recipients before this one settled which customer the message belongs to, and this one is acceptable only "
        "for another. One message belongs to one customer.",
        "Nothing is to be done: the sending system sends the message to this recipient again by itself.",
        nameless="this recipient",
    ),
    Reason.POSTMASTER_UNSET: Entry(
        550,
        "5.1.1",
        "postmaster-unset: no mailbox is set for the postmaster of this server",
        "Mail came for `postmaster` without a domain. The operator has named no mailbox that it could be sent on to.",
        "Write to the support of your provider. The operator sets `postmaster` in the configuration.",
    ),
    Reason.RANGES_STALE: Entry(
        451,
        "4.7.1",
        "ranges-stale: [{context}] has a name of Microsoft's but is in no range known here; try again later",
        "The message came from an address that nobody has declared, and that is not on the list of Microsoft's "
        "addresses in hand. Its name is Microsoft's, and the list has not been confirmed by its source for weeks, so "
        "that the address may be a new one.",
        "Wait: the sending system tries again by itself. The operator finds out why the list of Microsoft's addresses "
        "cannot be read: `outgate providers` shows when it was last confirmed.",
        nameless="this address",
    ),
    # Limits of a session
    Reason.RECIPIENT_LIMIT: Entry(
        452,
        "4.5.3",
        "recipient-limit: too many recipients; send the rest in another transaction",
        "A transaction has as many recipients as this server takes for one message.",
        "Nothing is to be done: the sending system sends the message to the other recipients by itself, in a "
        "transaction of their own. The operator sets `limits.recipients` in the configuration.",
    ),
    Reason.TLS_UNAVAILABLE: Entry(
        454,
        "4.7.0",
        "tls-unavailable: TLS is not available",
        "The sending system asked for TLS, and this server has no certificate that it can use.",
        "The operator finds the cause in the log (`certificate-unusable`) and mends certificate and key.",
    ),
    Reason.TALKED_EARLY: Entry(
        554,
        "5.5.1",
        "talked-early: protocol error: you talked before the greeting",
        "The sending system sent commands before it was greeted. RFC 5321 forbids it (3.1, 4.3.1); programs that "
        "do so are mostly hijacked ones that do not listen.",
        "Have the sending program wait for the greeting. A mail server does so by itself.",
    ),
    Reason.ERROR_LIMIT: Entry(
        421,
        "4.7.0",
        "error-limit: too many errors",
        "One connection sent more commands in error than this server bears with.",
        "Look into the sending program's log for the commands that were refused first. The operator sets "
        "`limits.errors` in the configuration.",
    ),
    Reason.IDLE_LIMIT: Entry(
        421,
        "4.7.0",
        "idle-limit: too many commands without mail",
        "One connection sent very many commands, such as NOOP, RSET or refused recipients, and no message.",
        "Let the sending program end a connection that it has no mail for. An address list with very many wrong "
        "recipients has the same effect: clean it.",
    ),
    Reason.SENT_AHEAD: Entry(
        421,
        "4.7.0",
        "sent-ahead: too much sent without waiting for replies",
        "The sending system sent very much without waiting for a single reply.",
        "Have the sending program wait for the replies to a group of commands, as PIPELINING demands (RFC 2920, 3.1).",
    ),
    Reason.LINE_LIMIT: Entry(
        421,
        "4.7.0",
        "line-limit: endless command line",
        "A command line had no end within 64 KiB.",
        "Look for a program that sends content where a command is due, or is no mail program.",
    ),
    Reason.NOT_SMTP: Entry(
        421,
        "4.7.0",
        "not-smtp: this is SMTP, and you are speaking something else",
        "What was sent is a request of another protocol, such as HTTP.",
        "Correct address or port in the program that connects here. If nobody knows of one, it is somebody "
        "looking for open doors.",
    ),
    Reason.TIMED_OUT: Entry(
        421,
        "4.4.2",
        "timed-out: waited too long for you",
        "The sending system was silent for longer than this server waits.",
        "Nothing is to be done: the sending system tries again by itself. If it lasts, look for a firewall "
        "between the two that drops connections. The operator sets `limits.idle_seconds` in the configuration.",
    ),
    Reason.TOO_SLOW: Entry(
        421,
        "4.4.2",
        "too-slow: what you send comes in too slowly",
        "The sending system kept the connection busy without getting on: a command line was not complete in the time "
        "that this server waits for a command, or content came in at less than 200 octets a second for ten minutes. An "
        "address that is nobody's declared source has a tenth of these times, and five minutes for everything.",
        "Nothing is to be done: the sending system tries again by itself. If it lasts, look for an overloaded line "
        "or a firewall between the two. The operator sets `limits.idle_seconds` in the configuration.",
    ),
    # Refused for the content
    Reason.BARE_LINE_ENDING: Entry(
        550,
        "5.5.2",
        "bare-line-ending: a CR or LF stands alone in the content; end every line with CR LF or send with BDAT",
        "A line of the content sent with DATA ends in CR or LF alone. RFC 5321 forbids it (2.3.8), and such line "
        "endings are used to smuggle a second, forged message behind the first.",
        "Have the sending program end every line with CR LF. Mail servers that offer CHUNKING on the way may send "
        "the content as it is with BDAT; that is accepted.",
    ),
    Reason.MESSAGE_TOO_LARGE: Entry(
        552,
        "5.3.4",
        "message-too-large: the message exceeds the size that this server announced",
        "The message is larger than the limit that the server announces with SIZE in its answer to EHLO.",
        "Send large files as a link. The operator sets `limits.message_size_octets` in the configuration.",
    ),
    Reason.HEADER_TOO_LARGE: Entry(
        552,
        "5.3.4",
        "header-too-large: the header has no end within 1 MiB",
        "The header, which is everything before the first empty line, is longer than 1 MiB, or it has more than a "
        "thousand places in which a mail program might find a From field. Only broken programs write such headers, or "
        "attackers.",
        "Look for a program that writes content without an empty line behind the header, or adds fields again and "
        "again.",
    ),
    Reason.HOP_LIMIT: Entry(
        554,
        "5.4.6",
        "hop-limit: the message has passed {context} servers and is taken to be in a loop",
        "The header has more Received fields than the hop limit. As a rule two servers send the message to each "
        "other for ever (RFC 5321, 6.3).",
        "Read the Received fields from the bottom up and look for the servers that repeat: a forward that leads "
        "back, or a smarthost that sends to itself.",
        nameless="too many",
    ),
    Reason.FROM_MISSING: Entry(
        550,
        "5.7.1",
        "from-missing: the header has no From field",
        "A message must have exactly one From field (RFC 5322, 3.6). Without one nobody can tell who it is from.",
        "Have the sending program write a From field with an address of your domain.",
    ),
    Reason.FROM_REPEATED: Entry(
        550,
        "5.7.1",
        "from-repeated: the header has more than one From field",
        "A message must have exactly one From field (RFC 5322, 3.6). With several, one program checks the first and "
        "another shows the last: a known way to forge a sender.",
        "Have the sending program write one From field. Several authors stand in one field, separated by commas. In "
        "content with bare CR or LF every line that a lenient reader takes for a From field counts.",
    ),
    Reason.FROM_UNREADABLE: Entry(
        550,
        "5.7.1",
        "from-unreadable: the From field does not read as name <local-part@domain> without doubt",
        "The From field breaks the grammar of RFC 5322, or different programs would read different addresses in it.",
        "Write it as `Name <local-part@domain>`. Put a name that holds a comma, an @ or other special characters in "
        'double quotes: `"Miller, Ann" <ann@example.com>`. Groups, comments inside the address and encoded words in '
        "the address are not accepted.",
    ),
    Reason.FROM_MISMATCH: Entry(
        550,
        "5.7.1",
        "from-mismatch: the From field's domain {context} is not yours; send from a proven domain",
        "The From field, which recipients see, has a domain that does not belong to the customer whose message this "
        "is. Another customer's domain is never accepted; a domain of nobody here only where the customer's settings "
        "allow foreign From domains, or in mail to an Auto Forward destination.",
        "Send with a From address of your own domain, or add that domain and prove that it is yours. If programs of "
        "yours write mail in the name of others, allow foreign From domains in the customer's settings.",
        nameless="there",
    ),
    Reason.CUSTOMER_AMBIGUOUS: Entry(
        550,
        "5.7.1",
        "customer-ambiguous: several customers share the source {context} and nothing tells whose message this is",
        "The message has a null or foreign reverse-path and came from a source that several customers have declared, "
        "and its From field has a domain of none of them.",
        "Send delivery reports and automatic replies with a From address of your own domain. If the host name in it "
        "is a subdomain, have the proof of the domain include its subdomains. Or give each customer a source of its "
        "own.",
        nameless="of this message",
    ),
    # Not for now
    # Not proven to be the customer's, from a provider's addresses
    Reason.TENANT_MISMATCH: Entry(
        550,
        "5.7.1",
        "tenant-mismatch: {context} belongs to another organisation than the sender; correct the tenant ids, names and "
        "domains of this customer if they are yours",
        "The message came from Microsoft's or Google's addresses, which very many organisations share. What it shows "
        "of the organisation that sent it (tenant id, X-OriginatorOrg, verified DKIM signatures) is not, or not all, "
        "of the customer whose mail it claims to be. This is what stops one organisation from sending as another.",
        "If the message is yours, add what the reply names to the settings of the customer: a Microsoft 365 tenant id, "
        "the name under onmicrosoft.com, or a domain of the tenant that is not registered here. If it is not, somebody "
        "tried to send in your name, and nothing is to be done.",
        nameless="what the message shows",
    ),
    Reason.TENANT_UNPROVEN: Entry(
        550,
        "5.7.1",
        "tenant-unproven: nothing in the message proves which organisation sent it; switch DKIM signing on for your "
        "domains",
        "The message came from Microsoft's or Google's addresses, which very many organisations share. It has neither "
        "a tenant id nor a verified DKIM signature, made by the server that sent it, of a domain of the customer.",
        "Switch DKIM signing on for every sending domain in the administration of Microsoft 365 or Google Workspace, "
        "and publish the keys that it names. In Google Workspace mail without a signature passes only if both its "
        "reverse-path and its From field are of the customer's domains.",
    ),
    Reason.TENANT_UNCONFIRMED: Entry(
        451,
        "4.7.1",
        "tenant-unconfirmed: confirm the Microsoft 365 tenant id of this customer first (seen: {context}); mail waits "
        "until then",
        "The customer's mail comes from Microsoft 365, and no tenant id has been confirmed for it yet, or another "
        "customer claims the same tenant. Until that is settled nothing would tell the customer's mail from that of "
        "any other tenant that uses its domains.",
        "Confirm the tenant id under Outbound Smarthost; the ids that were seen are shown there. Mail in between is "
        "tried again by the sending system. If another customer claims the same tenant, the operator settles whose "
        "it is.",
        nameless="none",
    ),
    Reason.KEY_UNAVAILABLE: Entry(
        451,
        "4.7.5",
        "key-unavailable: the DKIM key of {context} cannot be looked up now; try again later",
        "Whose message this is depends on a DKIM signature, and the DNS that has its key does not answer for now.",
        "Wait: the sending system tries again by itself. If it lasts, check the DNS records of the key: its name is "
        "the signature's selector, `_domainkey` and the domain.",
        nameless="the signing domain",
    ),
    Reason.RELAYED_MAIL: Entry(
        550,
        "5.7.1",
        "relayed-mail: this message was not sent by somebody signed in to the tenant (AuthAs {context}); send it with "
        "an account, or allow relayed mail",
        "The customer accepts only mail of people and programs that are signed in to its Microsoft 365 tenant. This "
        "message came into the tenant from elsewhere, such as by a connector, and was passed on.",
        "Have the program that wrote the message sign in, or let the customer allow relayed mail. If nobody knows of "
        "it, look for a connector in the tenant that accepts mail from too many addresses.",
        nameless="missing",
    ),
    Reason.SIGNATURE_REQUIRED: Entry(
        550,
        "5.7.1",
        "signature-required: no verified DKIM signature of the customer's; switch DKIM signing on in Google Workspace",
        "The customer demands that each message from Google's addresses has a verified DKIM signature of one of its "
        "domains, above those of others. This one has none.",
        "Switch DKIM signing on (Authenticate email) for every sending domain in Google Workspace and publish the key "
        "that it names. Google's own signature, made where that is off, proves only a domain with one dot and no dash.",
    ),
    Reason.POOL_CONSUMER: Entry(
        550,
        "5.7.1",
        "pool-consumer: [{context}] sends for private outlook.com users, never for an organisation; send from your "
        "Microsoft 365 tenant",
        "The message came from those of Microsoft's addresses that send for private users of outlook.com. No "
        "organisation's mail comes from there.",
        "Send the message from the organisation's Microsoft 365 account. If you did, tell the operator: Microsoft may "
        "have changed the use of its addresses.",
        nameless="this address",
    ),
    Reason.POOL_HIGH_RISK: Entry(
        550,
        "5.7.1",
        "pool-high-risk: Microsoft sent this by its high-risk pool; see to why it does, or change the setting for this "
        "pool",
        "Microsoft 365 sends by its high-risk pool what it takes for spam, notifications that mail could not be "
        "delivered, and mail of domains without DNS records. Other mail systems often refuse what comes from there, "
        "so that the customer's setting is not to pass it on, or to hold it.",
        "Look in Microsoft 365 for restricted users and outbound spam alerts, and check that the sender's domain has "
        "DNS records. Mail from a system of your own through Microsoft 365 may use this pool without being spam: then "
        "set the high-risk pool to hold or to deliver after scanning.",
    ),
    Reason.POOL_RELAY: Entry(
        550,
        "5.7.1",
        "pool-relay: Microsoft sent this by its relay pool, for it could not prove the sender; see to SPF and DKIM, or "
        "change the setting for this pool",
        "Microsoft 365 sends by its relay pool what was forwarded or relayed through a tenant without proof of its "
        "sender: neither of an accepted domain, nor with SPF or DKIM that passed.",
        "Have the system that the mail comes from sign it with DKIM, or add its domain to the tenant. Forwards to "
        "destinations on the Auto Forward list can be let through with a setting of their own, and the relay pool as "
        "a whole be set to hold or to deliver after scanning.",
    ),
    Reason.OVER_LIMIT: Entry(
        0,
        "",
        "over-limit: the sender has sent more than its limit; the message waits for its turn in the slow lane",
        "The mailbox, domain, customer or source has sent as many messages, or to as many recipients, as its limit "
        "allows in a time. The message is accepted and waits in the customer's slow lane, which sends it as soon as "
        "the limit has room again. As the reason of a lock: the mailbox wanted many times its limit, as happens when "
        "its password was stolen.",
        "Wait, or have an administrator release the message (`outgate queue release`). If the mailbox must send so "
        "much, raise its limit or make it exempt. If it should not, look for what sends in its name.",
    ),
    Reason.SLOW_LANE_FULL: Entry(
        451,
        "4.7.1",
        "slow-lane-full: {context}; more than its limit is waiting already",
        "The sender is over its limit, and the slow lane, in which mail above a limit waits, has as many messages or "
        "octets as it may have. The reply names when the limit has room again.",
        "Nothing need be done: the sending server tries again. An administrator who sees this often raises the limit "
        "or looks for what sends so much.",
        nameless="the sender is over its limit",
    ),
    Reason.SENDER_LOCKED: Entry(
        550,
        "5.7.1",
        "sender-locked: {context}; ask your administrator to unlock it",
        "The mailbox may not send for some time. It wanted many times its limit, or too many of its recipients do not "
        "exist, or a person locked it. Both are what a stolen password looks like. The customer's administrators were "
        "told by mail.",
        "The administrator makes sure that the account is in its owner's hands (new password, no strange rules or "
        "applications), then unlocks it with `outgate sender unlock`. Without that it is unlocked at the time that "
        "the reply names.",
        nameless="this mailbox is locked",
    ),
    Reason.INVALID_RECIPIENTS: Entry(
        0,
        "",
        "invalid-recipients: too many recipients of this mailbox do not exist",
        "The servers of the recipients called too large a share of the mailbox's recipients unknown within an hour. "
        "The mailbox was locked: lists of made-up or bought addresses look like this.",
        "Clean the list of addresses, then unlock the mailbox with `outgate sender unlock`.",
    ),
    Reason.TOO_MANY_FAILURES: Entry(
        451,
        "4.7.1",
        "too-many-failures: too many messages from {context} could not be proven; come again later",
        "This source, or this tenant of a cloud, has lately sent many messages whose sender could not be proven. What "
        "of it would be refused has to come again some minutes later. Its proven mail, and everybody else's, passes.",
        "Look in the record for the refusals of this source and mend their cause; then wait some minutes.",
        nameless="this source",
    ),
    # Content
    Reason.CONTENT_MALWARE: Entry(
        550,
        "5.7.1",
        "content-malware: {context} carries harmful code; the message was not sent",
        "Scanning found a program or document that does harm, in the message or in an archive inside it.",
        "Look at the sender's computer before anything else: who sends this has often been broken into. If the finding "
        "is wrong, an administrator sees it on the message's page and can tell the operator.",
        nameless="the message",
    ),
    Reason.CONTENT_PHISHING: Entry(
        550,
        "5.7.1",
        "content-phishing: {context} leads people to give away secrets; the message was not sent",
        "Scanning found a link or page that pretends to be another's, or hides what it does until it is opened.",
        "Look at the links that the message's page names. If they are your own, an administrator can let such mail "
        "pass by a rule.",
        nameless="the message",
    ),
    Reason.CONTENT_SPAM: Entry(
        550,
        "5.7.1",
        "content-spam: the message reads like spam; it was not sent",
        "The text of the message resembles unsolicited bulk mail more than the customer's policy bears.",
        "Write to fewer people, or in other words. Newsletters are best sent from a service of their own. An "
        "administrator can raise the threshold under Policies.",
    ),
    Reason.CONTENT_ATTACHMENT: Entry(
        550,
        "5.7.1",
        "content-attachment: {context} is of a kind that may not be sent; send it in another way",
        "The policy of the sender's organisation bans this kind of attachment. What counts is what the file is, not "
        "what it is called, and files inside archives count too.",
        "Send the file in another way, such as a link. An administrator can allow the kind under Policies.",
        nameless="an attachment",
    ),
    Reason.CONTENT_IMPERSONATION: Entry(
        550,
        "5.7.1",
        "content-impersonation: the sender's name looks like somebody else's ({context})",
        "The From field shows the name of one of the customer's own people, or a domain that looks like one of the "
        "customer's, with an address that is not theirs.",
        "Use the address that belongs to the name. An administrator can list further addresses of a person under "
        "Policies.",
        nameless="the From field",
    ),
    Reason.CONTENT_DATA_LOSS: Entry(
        550,
        "5.7.1",
        "content-data-loss: the message holds data that may not leave ({context})",
        "The policy of the sender's organisation names data that must not be sent by mail, such as card numbers, "
        "identity numbers, keys or words of its own, and the message holds more of it than is allowed.",
        "Take the data out, or send it in a protected way. An administrator sees on the message's page what was "
        "counted, and can change the rule under Policies.",
        nameless="by the organisation's policy",
    ),
    Reason.CONTENT_UNSCANNABLE: Entry(
        550,
        "5.7.1",
        "content-unscannable: {context} cannot be looked into; send it in another way",
        "Scanning could not look into the whole message: it is nested too deeply, grows too much when it is unpacked, "
        "is damaged, or has too many parts. What cannot be looked into is never taken for clean.",
        "Send fewer and plainer attachments. An administrator decides under Policies what becomes of such mail.",
        nameless="the message",
    ),
    Reason.CONTENT_RULE: Entry(
        550,
        "5.7.1",
        "content-rule: a rule of the sender's organisation decided about the message ({context})",
        "One of the organisation's own rules fits the message, and says what becomes of it.",
        "Ask an administrator of your organisation: the rule and its purpose stand under Policies.",
        nameless="see Policies",
    ),
    Reason.SCANNER_UNAVAILABLE: Entry(
        451,
        "4.7.1",
        "scanner-unavailable: the message could not be scanned now ({context}); try again later",
        "A scanner is down or did not answer in time. The customer's policy says what becomes of mail then: it waits "
        "at the sender (this reply), is held, or goes on unscanned.",
        "Wait: the sending system tries again by itself. The operator finds the scanner in the health page.",
        nameless="scanner",
    ),
    Reason.SPOOL_FULL: Entry(
        452,
        "4.3.1",
        "spool-full: no room for this message now; try again later",
        "The disk that accepted mail is kept on has no room for another message of this size. Nothing that was "
        "accepted before is touched.",
        "Wait: the sending system tries again by itself. The operator makes room on the disk, or finds out why mail "
        "does not leave.",
    ),
    Reason.SPOOL_FAILED: Entry(
        451,
        "4.3.0",
        "spool-failed: the message could not be stored; try again later",
        "The disk reported an error while the message was written, so it was not accepted. The worker starts anew on "
        "what is really on the disk.",
        "Wait: the sending system tries again by itself. The operator looks at the disk at once.",
    ),
    Reason.OVERLOADED: Entry(
        421,
        "4.3.2",
        "overloaded: {context}; try again later",
        "This server, or the share of it that one address may use, is busy to its limit.",
        "Wait: the sending system tries again by itself. If it opens very many connections at a time, limit them. "
        "The operator sets `limits` in the configuration.",
        nameless="too busy now",
    ),
    Reason.SHUTTING_DOWN: Entry(
        421,
        "4.3.2",
        "shutting-down: this server is about to restart; try again in a minute",
        "The server was told to stop or restart. What it accepted is kept and delivered afterwards.",
        "Wait: the sending system tries again by itself.",
    ),
    # Delivery
    Reason.RELAYED: Entry(
        0,
        "",
        "relayed: {context} has taken the message",
        "The next hop answered 250: it has taken responsibility for the message.",
        "Nothing is to be done. What happens from here on is in the next hop's log; its reply often names an id there.",
        nameless="the next hop",
    ),
    Reason.NEXT_HOP_REFUSED: Entry(
        0,
        "",
        "next-hop-refused: {context}",
        "The next hop refused the recipient or the message for good (a reply that begins with 5).",
        "Read the next hop's reply: it says why. Only the recipient's side can change its mind.",
        nameless="the next hop refused the message",
    ),
    Reason.NEXT_HOP_DEFERRED: Entry(
        0,
        "",
        "next-hop-deferred: {context}",
        "The next hop asked to come again later (a reply that begins with 4).",
        "Wait: the message is tried again until it expires. The next hop's reply says why it waits.",
        nameless="the next hop asked to come again",
    ),
    Reason.NEXT_HOP_UNREACHABLE: Entry(
        451,
        "4.4.1",
        "next-hop-unreachable: no connection to {context}",
        "No connection to any host of the next hop came about: refused, no answer, or no greeting in time.",
        "Wait: the message is tried again until it expires. If the next hop is a Sender Relay, check its host, port "
        "and firewall.",
        nameless="the next hop",
    ),
    Reason.NEXT_HOP_FORBIDDEN: Entry(
        550,
        "5.4.4",
        "next-hop-forbidden: {context} is not an address that mail may be sent to",
        "The domain's mail hosts lead to addresses that are not of the public Internet (loopback, private, "
        "reserved), or to this server itself. Mail is never sent there.",
        "The owner of the recipient's domain corrects its MX and address records. For laboratories and inner relays "
        "the operator may set `delivery.allow_private_next_hops`.",
        nameless="the next hop",
    ),
    Reason.NEXT_HOP_LACKS_EXTENSION: Entry(
        550,
        "5.6.3",
        "next-hop-lacks-extension: {context}",
        "The message needs an SMTP extension that the next hop does not offer: 8BITMIME for octets above 127, "
        "SMTPUTF8 for international addresses or header, CHUNKING for content with bare CR or LF or without a last "
        "line end. Outgate never converts a message, since that would break its signatures.",
        "Have the sending program encode the message (quoted-printable or base64, lines that end with CR LF), or ask "
        "the recipient's side for the extension.",
        nameless="the next hop lacks an extension that the message needs",
    ),
    Reason.NEXT_HOP_TLS: Entry(
        451,
        "4.7.5",
        "next-hop-tls: {context}",
        "TLS to the next hop is required and did not come about: it was not offered, the handshake failed, or the "
        "certificate is not trusted or names another host. The message is not sent in clear.",
        "Wait: the message is tried again until it expires. For a Sender Relay check its certificate, or choose "
        "another TLS setting for it.",
        nameless="the TLS that is required did not come about",
    ),
    Reason.RELAY_LOGIN: Entry(
        451,
        "4.7.8",
        "relay-login: the sender relay does not take the login ({context})",
        "A login is set for the sender relay of this domain, and the relay refused it, or offers no way to log in that "
        "is known here (AUTH PLAIN, AUTH LOGIN). The mail waits; a login is a setting to be mended.",
        "Test the connection under Sender Relay, and correct user name and password there. Mail that waits is tried "
        "again by itself, or at once with `outgate queue retry`.",
        nameless="see the relay's reply",
    ),
    Reason.CONNECTION_LOST: Entry(
        451,
        "4.4.2",
        "connection-lost: the connection to {context} ended in the middle",
        "The connection to the next hop ended, or fell silent, before it had answered for the message. If that was "
        "after the whole content, the recipient may get the message twice.",
        "Wait: the message is tried again until it expires.",
        nameless="the next hop",
    ),
    Reason.DOMAIN_NOT_FOUND: Entry(
        550,
        "5.1.2",
        "domain-not-found: there is no mail domain {context}",
        "DNS says that the recipient's domain does not exist, or has neither MX nor address records.",
        "Check the spelling of the address. The owner of the domain checks that it has not expired.",
        nameless="of this name",
    ),
    Reason.DOMAIN_TAKES_NO_MAIL: Entry(
        556,
        "5.1.10",
        "domain-takes-no-mail: {context} says that it takes no mail",
        "The recipient's domain has a Null MX record (RFC 7505): its owner declares that it receives no mail.",
        "Check the spelling of the address; write to an address at another domain.",
        nameless="the recipient's domain",
    ),
    Reason.DNS_TROUBLE: Entry(
        451,
        "4.4.3",
        "dns-trouble: the mail hosts of {context} cannot be looked up now",
        "DNS gave no usable answer: a time-out, SERVFAIL, REFUSED or nonsense. That does not mean that the domain "
        "does not exist.",
        "Wait: the message is tried again until it expires. If many domains are concerned, the operator checks the "
        "resolver.",
        nameless="the recipient's domain",
    ),
    Reason.EXPIRED: Entry(
        550,
        "5.4.7",
        "expired: not delivered in all the time allowed; the last answer was: {context}",
        "The message was tried again and again until its time was over, and is returned.",
        "The last answer says what stood in the way. Send the message again when that is mended.",
        nameless="none",
    ),
    Reason.CONTENT_DAMAGED: Entry(
        554,
        "5.3.0",
        "content-damaged: the stored message no longer has its checksum and cannot be sent",
        "What was read back from the disk is not what was stored, so that sending it would alter the message. It is "
        "held in the queue, since the disk may be mended or a copy of it be at hand.",
        "If it is urgent, send the message again. The operator checks the disk and the machine's memory, then releases "
        "the message or deletes it.",
    ),
    Reason.INTERNAL_ERROR: Entry(
        451,
        "4.3.0",
        "internal-error: a fault in this server; come again later",
        "Outgate's own code failed over this message, in reception or delivery. Nothing is lost: what was not accepted "
        "is with its sender, what was is tried again by the schedule.",
        "The operator finds the place in the log, at `bug`, and reports it to Outgate's makers.",
    ),
    Reason.SET_ASIDE: Entry(
        451,
        "4.3.0",
        "set-aside: the worker ended twice while it tried this message; it is held",
        "A worker process ended, killed or crashed, while it tried this message, and once more when the message was "
        "tried alone. So that it does not stop the mail of others it is held in the queue.",
        "The operator looks for the cause in the log, then releases the message or deletes it. If the worker was "
        "killed by hand or for want of memory the message may be innocent: release it.",
    ),
    Reason.DELETED: Entry(
        0,
        "",
        "deleted: taken out of the queue by {context}",
        "A person with the right to do so deleted the message from the queue. No report is sent.",
        "Ask the person whom the record names.",
        nameless="a person",
    ),
    Reason.HELD: Entry(
        0,
        "",
        "held: waits in the queue for a person",
        "The message is not tried until somebody releases it.",
        "Release or delete it with `outgate queue release` or `outgate queue delete`.",
    ),
}
