"""The built-in scanners, cheap ones first."""

from importlib.resources import files

from outgate.scanning.attachments import Attachments
from outgate.scanning.data_loss import DataLoss
from outgate.scanning.interface import Scanner
from outgate.scanning.office import Office
from outgate.scanning.spam import Spam, SpamModel


def built_in() -> tuple[Scanner, ...]:
    """Those of a scanner process, made anew: loading them takes a moment."""
    weights = files("outgate.app.data").joinpath("spam.weights").read_bytes()
    return Attachments(), Office(), DataLoss(), Spam(SpamModel(weights))
