"""What every request to a worker process is: its arguments, its reply, and how both travel as JSON.

No torch: the server imports this.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar, Generic, Self, TypeVar, get_args

Plain = dict[str, Any]
R = TypeVar("R")


class Request(Generic[R]):
    """Base of all requests: a frozen dataclass of plain values, under a name. R: what the reply is.

    slow: it can take minutes and is answered in a thread of its own, so that nothing short waits for it. patience:
    seconds after which an answer is given up, and with it the process that does not give it.
    """

    name: ClassVar[str]
    slow: ClassVar[bool] = False
    patience: ClassVar[float] = 60.0

    def write(self) -> Plain:
        """The arguments as JSON."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]  # every request is a dataclass

    @classmethod
    def read(cls, arguments: Plain) -> Self:
        return cls(**arguments)

    @staticmethod
    def write_reply(reply: Any) -> Any:
        """The reply as JSON; by default it is plain already."""
        return reply

    @classmethod
    def read_reply(cls, value: Any) -> Any:
        return value


class Answered(Request[R]):
    """Base of requests whose reply is a NamedTuple of plain values: the type that stands in the brackets."""

    reply: ClassVar[type[Any]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        (cls.reply,) = get_args(cls.__orig_bases__[0])  # type: ignore[attr-defined]  # every generic class has them

    @staticmethod
    def write_reply(reply: Any) -> Plain:
        plain: Plain = reply._asdict()
        return plain

    @classmethod
    def read_reply(cls, value: Plain) -> Any:
        return cls.reply(**value)
