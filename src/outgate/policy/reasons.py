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
    CONNECTION_LOST = "connection-lost"
    DOMAIN_NOT_FOUND = "domain-not-found"
    DOMAIN_TAKES_NO_MAIL = "domain-takes-no-mail"
    DNS_TROUBLE = "dns-trouble"
    EXPIRED = "expired"
    CONTENT_DAMAGED = "content-damaged"
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
    """What the peer is told of a decision. reference: queue id that the record has it under, or ""."""
    return reply_of(decision.reason, decision.context, reference)


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
        "sources.",
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
        "The header, which is everything before the first empty line, is longer than 1 MiB. Only broken programs "
        "write such headers, or attackers.",
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
