"""What a person says of a run beside its name: a note and tags. They decide nothing."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Any, NamedTuple

from engine.errors import RunError

LONGEST_NOTE, LONGEST_TAG, MOST_TAGS = 500, 30, 10  # characters, characters, tags of a run
_SHOWN = 40  # characters of a tag in a sentence


class Notes(NamedTuple):
    """note: plain text. tags: words."""

    note: str = ""
    tags: tuple[str, ...] = ()


NO_NOTES = Notes()


def checked_notes(note: str, tags: Iterable[str]) -> Notes:
    """As they are kept: without spaces around them, each tag once. Raises RunError for what is too long, and for
    characters that nobody can see or type.
    """
    note, tags = note.strip(), tuple(dict.fromkeys(filter(None, (tag.strip() for tag in tags))))
    if len(note) > LONGEST_NOTE:
        raise RunError(f"A note may have at most {LONGEST_NOTE} characters, but this one has {len(note):,}.")
    if not all(character.isprintable() or character in "\n\t" or _joins(character) for character in note):
        raise RunError("The note holds characters that are no text: type it again.")
    if len(tags) > MOST_TAGS:
        raise RunError(f"A run may have at most {MOST_TAGS} tags, but these are {len(tags):,}.")
    for tag in tags:
        if len(tag) > LONGEST_TAG or not tag.isprintable() or "," in tag or len(tag.split()) != 1:
            shown = "".join(character if character.isprintable() else " " for character in tag[:_SHOWN])
            raise RunError(
                f"A tag is one word of at most {LONGEST_TAG} characters, without a comma: {shown!r} is none."
            )
    return Notes(note, tags)


def read_notes(plain: dict[str, Any]) -> Notes:
    """From what `plain_notes` wrote. Raises RunError, also for what it never writes."""
    note, tags = plain.get("note", ""), plain.get("tags", [])
    if not isinstance(note, str) or not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise RunError("A note is a text, and tags are a list of words.")
    notes = checked_notes(note, tags)
    if (notes.note, notes.tags) != (note, tuple(tags)):
        raise RunError("A note and tags have no spaces around them, and no tag stands twice.")
    return notes


def plain_notes(notes: Notes) -> dict[str, Any]:
    """For JSON."""
    return {"note": notes.note, "tags": list(notes.tags)}


def _joins(character: str) -> bool:
    """Unseen, but a part of writing: what joins letters or turns their direction."""
    return unicodedata.category(character) == "Cf"
