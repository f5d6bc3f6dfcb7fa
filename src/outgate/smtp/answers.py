"""The replies that the server session gives by itself: made once, sent often.

Every one has an enhanced status code (RFC 2034 §4) but the greeting, what answers HELO and EHLO, and 354. Where a text
begins with a reason code, it is that of the catalogue in `policy.reasons`.
"""

from functools import lru_cache
from typing import Final

from outgate.mail.reply import Reply

# Everything in order
BYE: Final = Reply(221, "2.0.0", "goodbye")
RESET: Final = Reply(250, "2.0.0", "reset")
NOTHING_DONE: Final = Reply(250, "2.0.0", "fine")
NOT_VERIFIED: Final = Reply(252, "2.5.0", "addresses are not verified here; send, and see")  # RFC 5321 §3.5.3
HELP: Final = Reply(
    214,
    "2.0.0",
    "This is Outgate, which relays mail for the senders that it knows.",
    "EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP STARTTLS QUIT",
)

# Commands that cannot be read. RFC 5321 §4.2.4, §4.3.2
UNKNOWN: Final = Reply(500, "5.5.1", "no such command")
LINE_TOO_LONG: Final = Reply(500, "5.5.2", "command line too long")
LINE_OCTETS: Final = Reply(500, "5.5.2", "a command line is printable characters, and ends with CR LF")
NOT_UTF8: Final = Reply(501, "5.5.2", "a command line is ASCII, or UTF-8 in addresses")
NO_ARGUMENT: Final = Reply(501, "5.5.4", "this command takes no argument")
VRFY_SHAPE: Final = Reply(501, "5.5.4", "write VRFY address")
HELLO_SHAPE: Final = Reply(501, "", "write EHLO and the name of your host")
MAIL_SHAPE: Final = Reply(501, "5.5.2", "write MAIL FROM:<reverse-path>")
RCPT_SHAPE: Final = Reply(501, "5.5.2", "write RCPT TO:<forward-path>")
REVERSE_PATH_SHAPE: Final = Reply(501, "5.1.7", "this is no reverse-path")
FORWARD_PATH_SHAPE: Final = Reply(501, "5.1.3", "this is no forward-path")
REVERSE_PATH_NEEDS_SMTPUTF8: Final = Reply(550, "5.6.7", "this reverse-path needs SMTPUTF8")  # RFC 6531 §3.5
FORWARD_PATH_NEEDS_SMTPUTF8: Final = Reply(553, "5.6.7", "this forward-path needs MAIL with SMTPUTF8")
PARAMETER_SHAPE: Final = Reply(501, "5.5.4", "a parameter cannot be read")
PARAMETER_REPEATED: Final = Reply(501, "5.5.4", "a parameter is given twice")
PARAMETER_UNKNOWN: Final = Reply(555, "5.5.4", "a parameter is not known here")
PARAMETERS_NEED_EHLO: Final = Reply(555, "5.5.4", "parameters need EHLO")
RCPT_PARAMETERS: Final = Reply(555, "5.5.4", "RCPT takes no parameters here")
SIZE_SHAPE: Final = Reply(501, "5.5.4", "SIZE is a number of octets")
BODY_UNKNOWN: Final = Reply(555, "5.5.4", "BODY is 7BIT or 8BITMIME")
CHUNK_SHAPE: Final = Reply(501, "5.5.4", "no size in BDAT: what follows cannot be told from commands; closing")

# Commands out of order. RFC 5321 §4.1.4
HELLO_FIRST: Final = Reply(503, "5.5.1", "EHLO first")
MAIL_FIRST: Final = Reply(503, "5.5.1", "MAIL first")
RCPT_FIRST: Final = Reply(503, "5.5.1", "RCPT first")
NESTED_MAIL: Final = Reply(503, "5.5.1", "a transaction is under way already")
CHUNKS_BEGUN: Final = Reply(503, "5.5.1", "only BDAT or RSET after BDAT")  # RFC 3030 §2
TLS_ACTIVE: Final = Reply(503, "5.5.1", "TLS is active already")
QUIT_ONLY: Final = Reply(503, "5.5.1", "no service for you here; only QUIT")  # RFC 5321 §3.1
NO_VALID_RECIPIENTS: Final = Reply(554, "5.5.1", "no valid recipients")  # RFC 5321 §3.3

# Limits
TLS_UNAVAILABLE: Final = Reply(454, "4.7.0", "tls-unavailable: TLS is not available")  # RFC 3207 §4
TOO_MANY_RECIPIENTS: Final = Reply(
    452, "4.5.3", "recipient-limit: too many recipients; send the rest in another transaction"
)
TOO_LARGE: Final = Reply(552, "5.3.4", "message-too-large: the message exceeds the size that this server announced")
BARE_LINE_ENDING: Final = Reply(
    550,
    "5.5.2",
    "bare-line-ending: a CR or LF stands alone in the content; end every line with CR LF or send with BDAT",
)

# The end. RFC 5321 §3.8
TALKED_EARLY: Final = Reply(554, "5.5.1", "talked-early: protocol error: you talked before the greeting")
TOO_MANY_ERRORS: Final = Reply(421, "4.7.0", "error-limit: too many errors")
TOO_MANY_IDLE: Final = Reply(421, "4.7.0", "idle-limit: too many commands without mail")
TOO_MUCH_AHEAD: Final = Reply(421, "4.7.0", "sent-ahead: too much sent without waiting for replies")
ENDLESS_LINE: Final = Reply(421, "4.7.0", "line-limit: endless command line")
NOT_SMTP: Final = Reply(421, "4.7.0", "not-smtp: this is SMTP, and you are speaking something else")
TIMED_OUT: Final = Reply(421, "4.4.2", "timed-out: waited too long for you")
TOO_SLOW: Final = Reply(421, "4.4.2", "too-slow: what you send comes in too slowly")
OVERLOADED: Final = Reply(421, "4.3.2", "overloaded: too busy now; try again later")
SHUTTING_DOWN: Final = Reply(421, "4.3.2", "shutting-down: this server is about to restart; try again in a minute")


def greeting(host_name: str) -> Reply:
    return Reply(220, "", f"{host_name} ESMTP Outgate")


@lru_cache(maxsize=64)
def extensions(host_name: str, size_max_octets: int, *, offers_tls: bool) -> Reply:
    """The reply to EHLO: nothing is offered that is not kept to the end. RFC 5321 §4.1.1.1."""
    return Reply(
        250,
        "",
        host_name,
        "PIPELINING",
        f"SIZE {size_max_octets}",
        "8BITMIME",
        "SMTPUTF8",
        "CHUNKING",
        "ENHANCEDSTATUSCODES",
        *(["STARTTLS"] if offers_tls else []),
    )


@lru_cache(maxsize=64)
def not_offered(verb: str) -> Reply:
    """A command that exists, but not here. `verb` is one of a fixed set."""
    return Reply(502, "5.5.1", f"{verb} is not offered here")


def chunk_received(size_octets: int) -> Reply:
    """RFC 3030 §4.2 has the count in the text."""
    return Reply(250, "2.0.0", f"{size_octets} octets received")
