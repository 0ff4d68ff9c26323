"""What can go wrong, as a tree.

::

    process_anatomy.errors.Error
    +-- ImageError           the image cannot be analysed
    |   +-- NotWindows       nothing in it looks like a Windows kernel
    |   +-- NotYet           Windows, but of a kind that is not supported yet
    +-- RequestError         the image is fine, the question is not (no such process, no such structure)
    +-- SampleError          a public image cannot be fetched, unpacked or checked
    +-- CatalogueError       the catalogue of public images is malformed
    +-- ScenarioError        a scenario is malformed, or this Windows cannot show it
    +-- LabError             a lab cannot be made, opened or graded

Memory that cannot be read is not an error: it is a value (:class:`process_anatomy.absent.Absent`).
"""

from __future__ import annotations


class Error(Exception):
    """Base of all errors that the engine raises on purpose; the message is one line for a reader."""


class ImageError(Error):
    """The image cannot be analysed."""


class NotWindows(ImageError):
    """No Windows kernel was found; the message says what was tried."""


class NotYet(ImageError):
    """A Windows that is recognised but not supported yet."""


class RequestError(Error):
    """The image has no answer to the question: no such process, no such structure, a malformed option."""


class SampleError(Error):
    """A public image cannot be fetched, unpacked or checked; the message says what to do about it."""


class CatalogueError(Error):
    """The catalogue of public images is malformed; the message says where."""


class ScenarioError(Error):
    """A scenario is malformed, or the chosen Windows cannot show it; the message says in which file and line."""


class LabError(Error):
    """A lab cannot be made, opened or graded; the message says what to do about it."""
