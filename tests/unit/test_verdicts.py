"""What a prediction says: words beside the bars, lines of the table and of the CSV."""

from __future__ import annotations

import csv
import io

import pytest

from engine.analysis.certainty import Certainty
from engine.analysis.conformal import Conformal
from engine.csv_text import cell_as_it_was, csv_text
from engine.lab.prediction_messages import ImagePrediction
from ui.predict.verdicts import Judged, as_csv, judge, note, verdict

SURE = ImagePrediction("a.png", probabilities=(0.1, 0.9), top=(("dog", 0.9), ("cat", 0.1)))
UNSURE = ImagePrediction("b.png", probabilities=(0.4, 0.3, 0.3), top=(("cat", 0.4), ("dog", 0.3), ("owl", 0.3)))
EVEN = ImagePrediction("c.png", probabilities=(0.5, 0.5), top=(("cat", 0.5), ("dog", 0.5)))
REFUSED = ImagePrediction("d.txt", error="'d.txt' is no image.")
CLASSES = ["cat", "dog", "owl"]
UNKNOWN = Certainty()
FROM_VALIDATION = Certainty(Conformal(50, {0.9: 0.3}), usual=0.5)


def judged(prediction: ImagePrediction, certainty: Certainty = UNKNOWN) -> Judged:
    return judge(prediction, certainty, 0.9, CLASSES)


def test_a_verdict_names_class_and_probability_and_says_when_it_is_not_sure_or_knows_nothing() -> None:
    assert verdict(judged(SURE)) == "**dog** · 90.0 %"
    assert verdict(judged(UNSURE)) == "Uncertain, most likely **cat** · 40.0 %"
    assert verdict(judged(EVEN)) == "**Unknown**: all classes equally likely"


def test_a_verdict_on_a_known_image_says_whether_it_is_correct() -> None:
    right = ImagePrediction("a", probabilities=(0.1, 0.9), top=SURE.top, truth="dog")
    wrong = ImagePrediction("a", probabilities=(0.1, 0.9), top=SURE.top, truth="cat")
    assert verdict(judged(right)).endswith("✓ correct")
    assert verdict(judged(wrong)).endswith("✗ true class: cat")


def test_the_note_in_a_table_tells_doubt_and_refusals() -> None:
    assert note(judged(REFUSED, FROM_VALIDATION)) == "'d.txt' is no image."
    assert [note(judged(one)) for one in (SURE, UNSURE, EVEN, REFUSED)] == [
        "",
        "not sure",
        "unknown: all classes equally likely",
        "'d.txt' is no image.",
    ]


def test_a_class_and_its_probability_stand_apart_in_words_and_in_a_table() -> None:
    """A class may be called "3"."""
    digits = ImagePrediction("a", probabilities=(0.4, 0.35, 0.25), top=(("3", 0.4), ("8", 0.35), ("5", 0.25)))
    unsure = judge(digits, FROM_VALIDATION, 0.9, ["3", "8", "5"])
    assert note(unsure) == "not sure: 3 · 40.0 % or 8 · 35.0 %"
    assert verdict(unsure) == "Not sure: **3** · 40.0 % or **8** · 35.0 %"


def test_the_csv_has_prediction_probability_error_and_every_class_in_its_own_column() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv([judged(SURE), judged(REFUSED)], ["cat", "dog"], None))))
    assert rows[0] == {
        "image": "a.png",
        "prediction": "dog",
        "probability": "0.9",
        "sure": "",
        "possible classes": "",
        "nearest labeled image": "",
        "distance": "",
        "unfamiliar": "",
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
    judgement = judge(prediction, UNKNOWN, 0.9, ["@dog", "-cat"])
    rows = list(csv.reader(io.StringIO(as_csv([judgement], ["@dog", "-cat"], None))))
    assert rows[0][9:] == ["'@dog", "'-cat"]
    assert rows[1][:3] == ["'=cmd.png", "'@dog", "0.9"]


def test_with_a_coverage_a_verdict_names_the_possible_classes_and_doubts_an_image_unlike_all_labeled_ones() -> None:
    near = ImagePrediction("a", probabilities=(0.1, 0.6, 0.3), top=(("dog", 0.6), ("owl", 0.3)), distance=0.2)
    far = ImagePrediction("b", probabilities=(0.1, 0.7, 0.2), top=(("dog", 0.7), ("owl", 0.2)), distance=0.6)
    thin = ImagePrediction("c", probabilities=(0.28, 0.45, 0.27), top=(("dog", 0.45), ("cat", 0.28)), distance=0.2)
    read = [judged(one, FROM_VALIDATION) for one in (near, far, thin)]
    assert [one.decision.sure for one in read] == [False, False, False]
    assert verdict(read[0]) == "Not sure: **dog** · 60.0 % or **owl** · 30.0 %"
    assert verdict(read[1]) == "**dog** · 70.0 %  \nMaybe none of these: it is unlike every labeled image."
    assert verdict(read[2]) == "Not sure, most likely **dog** · 45.0 %"
    assert [note(one) for one in read] == ["not sure: dog · 60.0 % or owl · 30.0 %", "maybe none of these", "not sure"]
    rows = list(csv.DictReader(io.StringIO(as_csv([*read, judged(SURE, FROM_VALIDATION)], CLASSES, 0.9))))
    assert [(row["sure at 90%"], row["possible classes"], row["unfamiliar"]) for row in rows] == [
        ("no", "dog; owl", "no"),
        ("no", "dog", "yes"),
        ("no", "dog", "no"),
        ("yes", "dog", ""),
    ]


def test_of_many_possible_classes_the_most_probable_ones_are_named_and_the_others_counted() -> None:
    names = [f"class {k}" for k in range(20)]
    even = ImagePrediction("a", probabilities=(*[0.06] * 10, *[0.04] * 10), top=(("class 0", 0.06),))
    certainty = Certainty(Conformal(50, {0.9: 0.05}))
    assert verdict(judge(even, certainty, 0.9, names)) == (
        "Not sure: **class 0** · 6.0 %, **class 1** · 6.0 %, **class 2** · 6.0 %, **class 3** · 6.0 % or 6 more"
    )


@pytest.mark.parametrize("text", ["=1+1", "'=1+1", "''=x", "'plain", "-5", "'-5", "- a", "@x", "\tb", "a=b", "'", ""])
def test_a_cell_that_would_be_a_formula_is_none_and_can_be_read_as_it_was(text: str) -> None:
    ((cell,),) = csv.reader(io.StringIO(csv_text([[text]]), newline=""))
    assert text == "-5" or not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert cell_as_it_was(cell) == text
