"""The built-in readers and scanners, cheap ones first."""

import logging
from importlib.resources import files

from outgate.scanning.attachments import Attachments
from outgate.scanning.codes import Codes
from outgate.scanning.data_loss import DataLoss
from outgate.scanning.impersonation import Impersonation
from outgate.scanning.interface import Reader, Scanner
from outgate.scanning.links import Links
from outgate.scanning.office import Office
from outgate.scanning.pages import Pages
from outgate.scanning.pdf import Pdf
from outgate.scanning.spam import Spam, SpamModel


def built_in() -> tuple[Scanner, ...]:
    """Those of a scanner process, made anew: loading them takes a moment."""
    weights = files("outgate.app.data").joinpath("spam.weights").read_bytes()
    return Attachments(), Office(), Pages(), Links(), Impersonation(), DataLoss(), Spam(SpamModel(weights))


def readers() -> tuple[Reader, ...]:
    """Those of a scanner process."""
    for name in ("pypdf", "PIL"):  # they would say of somebody's mail what is wrong with it
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return Pdf(), Codes()
