"""What features tell of images: wrong labels and outliers that were planted are found, exactly those."""

from __future__ import annotations

import numpy as np
import pytest
from cleanlab.filter import find_label_issues
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from engine.analysis.labeling.label_head import unit_features
from engine.data.image_set import ImageSet
from engine.data.importing.feature_checks import check_features
from engine.data.importing.image_checks import Issue

COUNT, CLASSES, DIMENSIONS = 240, 3, 16
WRONG, FAR = [5, 60, 130], [17, 200]


def planted(labels_known: bool = True) -> tuple[ImageSet, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """Three clusters of features; three images have another's label, two lie far from everything."""
    rng = np.random.default_rng(4)
    true = np.arange(COUNT) % CLASSES
    features = 4 * np.eye(DIMENSIONS)[true] + 0.5 * rng.normal(size=(COUNT, DIMENSIONS))
    features[FAR] = -6 * np.eye(DIMENSIONS)[[9, 11]]
    labels = true.copy()
    labels[WRONG] = (labels[WRONG] + 1) % CLASSES
    images = ImageSet(
        "planted",
        np.zeros((COUNT, 1, 4, 4), np.uint8),
        labels if labels_known else np.full(COUNT, -1),
        np.arange(COUNT),
        np.zeros(COUNT, bool),
        ("a", "b", "c"),
        frozenset(),
        file_names=tuple(f"{row}.png" for row in range(COUNT)),
    )
    return images, features.astype(np.float32)


@pytest.fixture(scope="module")
def found() -> dict[str, Issue]:
    return {issue.name: issue for issue in check_features(*planted())}


def test_the_planted_wrong_labels_are_found_and_can_be_left_out(found: dict[str, Issue]) -> None:
    issue = found["likely_wrong_labels"]
    assert {name for (name,) in issue.files} >= {f"{row}.png" for row in WRONG}
    # An outlier may be called wrong as well: nothing else is.
    assert set(issue.exclude) <= {f"{row}.png" for row in WRONG + FAR}
    assert issue.count == len(issue.exclude)
    assert "likely wrong" in issue.sentence


def test_they_are_those_of_cleanlab_on_the_same_features() -> None:
    images, features = planted()
    unit = unit_features(features)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    probabilities = cross_val_predict(
        LogisticRegression(C=10.0, max_iter=500), unit, images.labels, cv=folds, method="predict_proba"
    )
    expected = find_label_issues(images.labels, probabilities, filter_by="confident_learning")
    ours = {issue.name: issue for issue in check_features(images, features)}["likely_wrong_labels"]
    assert {f"{row}.png" for row in np.flatnonzero(expected)} == set(ours.exclude)


def test_a_network_that_agrees_with_few_labels_leaves_none_out() -> None:
    images, features = planted()
    random = np.random.default_rng(0).normal(size=features.shape).astype(np.float32)
    (issue,) = [found for found in check_features(images, random) if found.name == "likely_wrong_labels"]
    assert "so most of these doubts are its own mistakes" in issue.sentence
    assert issue.exclude == []
    assert issue.count >= sum(map(len, issue.files)) > 0


def test_the_planted_outliers_are_found(found: dict[str, Issue]) -> None:
    assert {name for (name,) in found["outliers"].files} == {f"{row}.png" for row in FAR}


def test_without_labels_outliers_alone_can_be_found() -> None:
    assert [issue.name for issue in check_features(*planted(labels_known=False))] == ["outliers"]
