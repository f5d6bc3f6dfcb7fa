"""How mail stands, in a word and in a sentence."""

from typing import Final

# By status of a message, outcome of a recipient or DKIM verdict: the badge's class, and a word or two.
BADGES: Final = {
    "queued": ("busy", "Queued"),
    "held": ("busy", "Held"),
    "slow": ("busy", "Slow lane"),
    "deferred": ("busy", "Deferred"),
    "relayed": ("on", "Relayed"),
    "partly-relayed": ("bad", "Partly relayed"),
    "failed": ("bad", "Failed"),
    "deleted": ("off", "Deleted"),
    "refused": ("bad", "Refused"),
    "postponed": ("busy", "Postponed"),
    "pending": ("busy", "Waiting"),
    "pass": ("on", "Pass"),
    "fail": ("bad", "Fail"),
    "temperror": ("busy", "Temporary error"),
    "permerror": ("bad", "Permanent error"),
}
SENTENCES: Final = {
    "queued": "It was accepted and is about to be tried",
    "held": "It was accepted and waits until a person decides",
    "slow": "It was accepted; its sender is over a limit, so that it leaves more slowly",
    "deferred": "Not everybody has it yet: it is tried again",
    "relayed": "The next hop has taken it for every recipient",
    "partly-relayed": "Some recipients have it, for others it failed",
    "failed": "It could not be delivered",
    "deleted": "It was taken out of the queue, and its sender was not told",
    "refused": "It was not accepted",
    "postponed": "It was not accepted; the sending system was told to come again",
}


def word_of(name: str) -> str:
    return BADGES[name][1] if name in BADGES else name


DONE: Final = {"deliver": "delivered", "hold": "held", "reject": "rejected", "defer": "told to come again"}
# By action on a waiting message: its button, and what is asked before.
ACTIONS: Final = {
    "release": ("Release", "Release this message? It is delivered at once."),
    "retry": ("Try now", "Try to deliver this message now?"),
    "delete": ("Delete", "Delete this message? Nobody gets it, and its sender is not told."),
}
ORDERED: Final = {"release": "Release ordered", "retry": "Another try ordered", "delete": "Deletion ordered"}
