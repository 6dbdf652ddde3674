"""The mistakes a person can make, one class each, all under FewLabError: pages and the command line print exactly their
sentence.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable

# How torch and the C++ below it say on a CPU, where they have no error of its own for it, that memory ran out.
_NO_MEMORY = ("can't allocate memory", "defaultcpuallocator", "out of memory", "bad_alloc", "alloc_failed")
_LISTED = 12  # names in a sentence; a list of all runs would be a page


class FewLabError(Exception):
    """A user-correctable error. The message is one sentence: what was wrong, what is allowed, what to do."""


class ConfigError(FewLabError):
    """A run was described in a way that cannot be run."""


class UnknownName(ConfigError):
    """A data set, backbone, method, recipe, preset or run that does not exist."""

    def __init__(self, kind: str, name: object, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
        some = ", ".join(names[:_LISTED]) + (f" ... ({len(names)} in all)" if len(names) > _LISTED else "")
        hint = f"did you mean {near[0]!r}?" if near else f"choose one of {some}." if names else "there is none yet."
        super().__init__(f"There is no {kind} named {str(name)[:80]!r}: {hint}")


class ShapeError(FewLabError, ValueError):
    """Tensors that must agree in a dimension do not."""


class ImageError(FewLabError):
    """A file that cannot be read as one image. `reason` is the same for all files with the same trouble, so that many
    can be counted.
    """

    def __init__(self, sentence: str, reason: str = "not an image") -> None:
        super().__init__(sentence)
        self.reason = reason


class DataError(FewLabError):
    """Images of a data set that are not where they should be, or not what they should be."""


class ImportCancelled(FewLabError):
    """A person stopped an import; nothing of it is kept."""


class LabelError(FewLabError):
    """Labels given inside FewLab that cannot be read or written."""


class ProjectionError(FewLabError):
    """Features that cannot be laid out on a plane."""


class ProjectionCancelled(FewLabError):
    """A person stopped a projection; nothing of it is kept."""


class RunError(FewLabError):
    """A run folder that cannot be read, resumed or changed as asked."""


class LabError(FewLabError):
    """The training process or the queue could not do what was asked."""


class NonFiniteOutput(FewLabError):
    """A network whose features or class probabilities are not numbers."""

    def __init__(self) -> None:
        super().__init__("The network's answers are not finite numbers: train it again with a lower learning rate.")


class NonFiniteLoss(FewLabError):
    """The loss stopped being a number."""

    def __init__(self, step: int, lr: float) -> None:
        super().__init__(
            f"The loss is not a finite number at step {step} (learning rate {lr:.3g}): lower the learning rate or the"
            " loss weights and start again."
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of whatever type says that memory ran out."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _NO_MEMORY)
    )
