"""What a prediction says: words beside the bars, lines of the table and of the CSV."""

from __future__ import annotations

import csv
import io

from engine.csv_text import csv_text
from engine.lab.messages import ImagePrediction
from ui.predict.verdicts import as_csv, note, verdict

SURE = ImagePrediction("a.png", probabilities=(0.1, 0.9), top=(("dog", 0.9), ("cat", 0.1)))
UNSURE = ImagePrediction("b.png", probabilities=(0.4, 0.3, 0.3), top=(("cat", 0.4), ("dog", 0.3), ("owl", 0.3)))
EVEN = ImagePrediction("c.png", probabilities=(0.5, 0.5), top=(("cat", 0.5), ("dog", 0.5)))
REFUSED = ImagePrediction("d.txt", error="'d.txt' is no image.")


def test_a_verdict_names_class_and_probability_and_says_when_it_is_not_sure_or_knows_nothing() -> None:
    assert verdict(SURE) == "**dog** · 90.0 %"
    assert verdict(UNSURE) == "Uncertain, most likely **cat** · 40.0 %"
    assert verdict(EVEN) == "**Unknown**: all classes equally likely"


def test_a_verdict_on_a_known_image_says_whether_it_is_correct() -> None:
    right = ImagePrediction("a", probabilities=(0.1, 0.9), top=SURE.top, truth="dog")
    wrong = ImagePrediction("a", probabilities=(0.1, 0.9), top=SURE.top, truth="cat")
    assert verdict(right).endswith("✓ correct")
    assert verdict(wrong).endswith("✗ true class: cat")


def test_the_note_in_a_table_tells_doubt_and_refusals() -> None:
    assert [note(one) for one in (SURE, UNSURE, EVEN, REFUSED)] == [
        "",
        "uncertain",
        "unknown: all classes equally likely",
        "'d.txt' is no image.",
    ]


def test_the_csv_has_prediction_probability_error_and_every_class_in_its_own_column() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv([SURE, REFUSED], ["cat", "dog"]))))
    assert rows[0] == {
        "image": "a.png",
        "prediction": "dog",
        "probability": "0.9",
        "error": "",
        "cat": "0.1",
        "dog": "0.9",
    }
    assert (rows[1]["prediction"], rows[1]["error"], rows[1]["cat"]) == ("", "'d.txt' is no image.", "")


def test_text_that_a_spreadsheet_would_run_is_marked_as_text_and_numbers_stay_numbers() -> None:
    names = ["=1+1", "+cmd", "-x", "@sum", "\t=1", "plain", "-0.5"]
    rows = list(csv.reader(io.StringIO(csv_text([names, [-1, -0.5, 1e-9, "=HYPERLINK(1)", True, None, ""]]))))
    assert rows == [
        ["'=1+1", "'+cmd", "'-x", "'@sum", "'\t=1", "plain", "-0.5"],
        ["-1", "-0.5", "1e-09", "'=HYPERLINK(1)", "True", "", ""],
    ]


def test_the_csv_of_predictions_runs_no_file_name_and_no_class_name() -> None:
    prediction = ImagePrediction("=cmd.png", probabilities=(0.9, 0.1), top=(("@dog", 0.9), ("-cat", 0.1)))
    rows = list(csv.reader(io.StringIO(as_csv([prediction], ["@dog", "-cat"]))))
    assert rows[0][4:] == ["'@dog", "'-cat"]
    assert rows[1][:3] == ["'=cmd.png", "'@dog", "0.9"]
