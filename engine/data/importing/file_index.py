"""Which listed file a label table or an export means by a name: nothing is ever opened under such a name."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from urllib.parse import parse_qs, unquote, urlsplit

from engine.data.importing.folder_layout import SPLIT

_UPLOADED = re.compile(r"^[0-9a-f]{8}-")  # Label Studio puts it before the name of a file that was uploaded
_LONGEST = 4_096  # characters of a name that is looked up


class FileIndex:
    """Names, or the ends of longer paths, to rows of the listing. In any case, with / or \\, with an ending or without:
    tables come from other machines, where the images lay in other folders.
    """

    def __init__(self, names: Sequence[str], rows: Iterable[int]) -> None:
        """names: all of the listing, parts joined by /. rows: those that can be meant."""
        self._names = names
        self._by_name: defaultdict[str, list[int]] = defaultdict(list)
        self._by_stem: defaultdict[str, list[int]] = defaultdict(list)
        self.count = 0  # of the files that can be meant
        for row in rows:
            self.count += 1
            last = names[row].rpartition("/")[2].casefold()
            self._by_name[last].append(row)
            self._by_stem[last.rpartition(".")[0] or last].append(row)

    def find(self, text: str, beside: str = "") -> list[int]:
        """The rows that `text` can mean: none, one, or several that it does not tell apart.

        beside: the folder of the table, whose own images come first. A name that leads out of its folder means none. An
        address, as annotation tools write it, means the file it ends in; where an upload put a number before the name,
        the file of that name.
        """
        if len(text) > _LONGEST:
            return []
        rows = self._find(text, beside)
        if not rows and ("%" in text or "?" in text or "://" in text):
            text = _path_in(text)
            rows = self._find(text, beside)
        folder, slash, last = text.rpartition("/")
        if not rows and _UPLOADED.match(last):
            rows = self._find(folder + slash + _UPLOADED.sub("", last), beside)
        return rows

    def _find(self, text: str, beside: str) -> list[int]:
        parts = [part for part in _normal(text).split("/") if part not in ("", ".")]
        if not parts or ".." in parts:
            return []
        last = parts[-1].casefold()
        rows = self._by_name.get(last) or self._by_stem.get(last) or []
        rows = [row for row in rows if not self._is_of_another_part(row, parts)]
        if len(rows) < 2:
            return rows
        whole = [part for part in beside.split("/") if part] + parts
        agreement = {row: self._agreement(row, whole) for row in rows}
        best = max(agreement.values())
        rows = [row for row in rows if agreement[row] == best]
        exact = [row for row in rows if self._names[row].endswith(parts[-1])]
        return exact if len(exact) == 1 else rows

    def _folders(self, row: int) -> list[str]:
        return [part.casefold() for part in self._names[row].split("/")[:-1]]

    def _agreement(self, row: int, parts: Sequence[str]) -> int:
        """How many folders above the file are the same, from the file upwards; one more where there are no others."""
        wanted, folders = [part.casefold() for part in parts[:-1]], self._folders(row)
        same = 0
        while same < min(len(wanted), len(folders)) and wanted[-1 - same] == folders[-1 - same]:
            same += 1
        return 2 * same + (same == len(folders))

    def _is_of_another_part(self, row: int, parts: Sequence[str]) -> bool:
        """train/1.jpg is never test/1.jpg, whatever folders lie around them."""
        wanted = [SPLIT[part.casefold()] for part in parts[:-1] if part.casefold() in SPLIT]
        its = [SPLIT[part] for part in self._folders(row) if part in SPLIT]
        return bool(wanted and its) and wanted[-1] != its[-1]


def _path_in(address: str) -> str:
    """Of an upload, a local file (?d=...) or a bucket."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    local = parse_qs(parts.query).get("d")
    return unquote(local[0] if local else parts.path)


def _normal(text: str) -> str:
    return unicodedata.normalize("NFC", text.strip().replace("\\", "/"))
