"""Which method is how far ahead: mean rank within a draw of labels, from the tables of docs/RESULTS.md.

    python -m benchmarks.ranks

Reads the accuracies of each seed with two and with four labels per class. Methods are ranked within each draw, ties
share the mean of their ranks; a draw's rank is the mean of its two. Prints the mean over the five draws with its 95 %
interval (Student's t), and the same of the points ahead of the labels alone.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import stats

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "RESULTS.md"
# A table's heading, and the place of the column with each seed's accuracy.
TABLES = (("| method | accuracy | seeds 0 to 4 | training |", 2), ("| method | 1 label | 2 labels | 4 labels |", 4))
Floats = npt.NDArray[np.float64]


def each_seed(text: str, heading: str, column: int) -> dict[str, list[float]]:
    """By method, the accuracies of its seeds in percent."""
    rows = text[text.index(heading) :].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {row[0]: [float(value) for value in re.findall(r"\d+\.\d", row[column])] for row in cells}


def mean_and_interval(values: Floats) -> tuple[float, float]:
    """Of the five draws: mean, and half the width of its 95 % interval."""
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(half)


def main() -> None:
    text = RESULTS.read_text(encoding="utf-8")
    tables = [each_seed(text, *table) for table in TABLES]
    names = [name for name in tables[0] if name in tables[1]]
    accuracies = np.array([[table[name] for name in names] for table in tables])  # [budgets, methods, draws]
    ranks = stats.rankdata(-accuracies, axis=1).mean(0)
    ahead = (accuracies - accuracies[:, [names.index("Supervised")]]).mean(0)
    print("| method | mean rank of " + str(len(names)) + " | ahead of the labels alone |\n| --- | --- | --- |")
    for i in np.argsort(ranks.mean(1), kind="stable"):
        rank, rank_half = mean_and_interval(ranks[i])
        points, points_half = mean_and_interval(ahead[i])
        print(f"| {names[i]} | {rank:.1f} ± {rank_half:.1f} | {points:+.1f} ± {points_half:.1f} points |")


if __name__ == "__main__":
    main()
