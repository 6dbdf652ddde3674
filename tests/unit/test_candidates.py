"""Candidate sets as drawn, and the figures that say how far the true labels have been found."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from engine import Predictor, resume, train
from engine.analysis.candidates import ambiguity_left, identified, survivors
from engine.config.parts import PartialLabels
from engine.config.run_config import RunConfig
from engine.data.candidate_labels import (
    drawn_candidates,
    instance_inclusion,
    neighbor_matrix,
    uniform_candidates,
)
from engine.data.split import make_split
from engine.errors import ConfigError
from engine.id_positions import positions_of
from engine.lab.messages import MeasureSpeed
from engine.lab.workers.requests import measure_speed
from engine.runs.store import Store
from engine.training.assemble import load_images
from engine.training.commands import Command, Control
from engine.training.trainer import Trainer

LABELS = np.arange(20_000) % 10


def drawn(rate: float, repair: bool, seed: int = 0) -> np.ndarray:
    return uniform_candidates(LABELS, 10, rate, np.random.default_rng(seed), repair)


# Closed forms for K = 10: mean size 1 + 9q, and with repair (1 - q)^9 more; each mean has the standard deviation sqrt(9
# q (1 - q) / n).
@pytest.mark.parametrize(
    ("rate", "plain", "repaired", "alone"),
    [
        (0.1, 1.9, 2.28742, 0.38742),
        (0.3, 3.7, 3.74035, 0.04035),
        (0.5, 5.5, 5.50195, 0.00195),
        (0.7, 7.3, 7.30002, 0.0),
    ],
)
def test_sets_have_the_sizes_that_follow_from_the_rate(
    rate: float, plain: float, repaired: float, alone: float
) -> None:
    tolerance = 4 * math.sqrt(9 * rate * (1 - rate) / len(LABELS))
    assert drawn(rate, False).sum(1).mean() == pytest.approx(plain, abs=tolerance)
    assert drawn(rate, True).sum(1).mean() == pytest.approx(repaired, abs=tolerance)
    assert (drawn(rate, False).sum(1) == 1).mean() == pytest.approx(alone, abs=0.015)
    assert drawn(rate, True).sum(1).min() >= 2


@pytest.mark.parametrize("repair", [True, False])
def test_the_true_label_is_always_inside_and_every_wrong_one_equally_often(repair: bool) -> None:
    sets = drawn(0.3, repair)
    assert sets[np.arange(len(LABELS)), LABELS].all()
    wrong = sets[LABELS == 3].mean(0)
    expected = 0.304484 if repair else 0.3
    assert np.delete(wrong, 3) == pytest.approx(expected, abs=4 * math.sqrt(0.21 / 2000))


def test_repair_changes_only_the_sets_of_one() -> None:
    plain, repaired = drawn(0.1, False), drawn(0.1, True)
    assert np.array_equal(plain[plain.sum(1) > 1], repaired[plain.sum(1) > 1])
    assert (repaired[plain.sum(1) == 1].sum(1) == 2).all()


def config(rate: float, seed: int = 0, kind: str = "partial") -> RunConfig:
    labels = {"kind": "partial", "rate": rate} if kind == "partial" else {"kind": "all"}
    return RunConfig.parse(
        {
            "method": "proden" if kind == "partial" else "supervised",
            "seed": seed,
            "data": {"name": "digits", "labels": labels},
        }
    )


def test_the_rate_changes_the_sets_and_never_the_split() -> None:
    images = load_images(config(0.3))
    splits = [make_split(images, config(rate).data) for rate in (0.3, 0.3, 0.7)] + [
        make_split(images, config(0.3, kind="all").data)
    ]
    for part in ("pool", "validation", "test"):
        assert all(np.array_equal(getattr(splits[0], part), getattr(split, part)) for split in splits)
    assert splits[3].candidates is None
    sets = [split.candidates for split in splits[:3] if split.candidates is not None]
    assert len(sets) == 3
    assert np.array_equal(sets[0], sets[1])
    assert not np.array_equal(sets[0], sets[2])
    other = make_split(images, config(0.3, seed=1).data)
    assert other.candidates is not None
    assert not np.array_equal(sets[0], other.candidates)
    assert len(splits[0].labeled) == 0
    assert sets[0].shape == (len(splits[0].pool), 10)


OLD = np.array([[0.5, 0.3, 0, 0.2], [0, 0.4, 0.6, 0], [0, 1, 0, 0]], np.float32)
NEW = np.array(
    [[0.7361247243, 0.1642516276, 0, 0.0996236481], [0, 0.6899744811, 0.3100255189, 0], [0, 1, 0, 0]], np.float32
)
SETS = np.array([[1, 1, 0, 1], [0, 1, 1, 0], [0, 1, 0, 0]], bool)
TRUTH = np.array([0, 1, 1])


def test_ambiguity_is_entropy_relative_to_the_size_of_the_set() -> None:
    assert ambiguity_left(OLD, SETS) == pytest.approx((0.9372305632 + 0.9709505945) / 2, abs=1e-6)
    assert ambiguity_left(NEW, SETS) == pytest.approx((0.6844821031 + 0.8932029133) / 2, abs=1e-6)
    assert ambiguity_left(SETS / SETS.sum(1, keepdims=True), SETS) == pytest.approx(1)


def test_an_image_with_one_candidate_counts_nowhere() -> None:
    assert identified(OLD, SETS, TRUTH) == 0.5
    assert identified(NEW, SETS, TRUTH) == 1.0
    assert ambiguity_left(OLD[2:], SETS[2:]) is None
    assert identified(OLD[2:], SETS[2:], TRUTH[2:]) is None
    assert survivors(OLD[2:], SETS[2:], TRUTH[2:]) is None


def test_a_survivor_is_wrong_and_sure() -> None:
    weights = np.array([[0.95, 0.05], [0.05, 0.95], [0.6, 0.4]], np.float32)
    assert survivors(weights, np.ones((3, 2), bool), np.array([1, 1, 1])) == pytest.approx(1 / 3)


# other generators


def test_the_confusable_labels_are_the_two_beside_the_true_one_around_the_end() -> None:
    """Wen et al. 2021, case 2: both neighbors with 0.3, so 1.6 labels on average."""
    matrix = neighbor_matrix(10, 0.3)
    assert matrix[0].tolist() == [1, 0.3, 0, 0, 0, 0, 0, 0, 0, 0.3]
    assert matrix.sum(1) == pytest.approx(1.6)
    assert (matrix == matrix.T).all()
    assert neighbor_matrix(2, 0.3).tolist() == [[1, 0.3], [0.3, 1]]
    sets = drawn_candidates(LABELS, matrix[LABELS], np.random.default_rng(0), repair=False)
    assert sets.sum(1).mean() == pytest.approx(1.6, abs=4 * math.sqrt(2 * 0.21 / len(LABELS)))
    assert sets[LABELS == 3].mean(0)[[2, 4]] == pytest.approx(0.3, abs=4 * math.sqrt(0.21 / 2000))
    assert not sets[LABELS == 3][:, [0, 1, 5, 6, 7, 8, 9]].any()
    assert sets[np.arange(len(LABELS)), LABELS].all()


def test_repair_draws_among_the_labels_that_could_have_joined() -> None:
    inclusion = np.array([[1, 0.1, 0.3, 0.0]] * 20_000)
    labels = np.zeros(20_000, np.int64)
    plain, repaired = (
        drawn_candidates(labels, inclusion, np.random.default_rng(0), repair) for repair in (False, True)
    )
    alone = plain.sum(1) == 1
    assert np.array_equal(plain[~alone], repaired[~alone])
    assert (repaired[alone].sum(1) == 2).all()
    assert repaired[alone].mean(0)[1:] == pytest.approx([0.25, 0.75, 0], abs=0.02)
    never = drawn_candidates(labels, np.zeros((20_000, 4)), np.random.default_rng(0), True)
    assert never.mean(0) == pytest.approx([1, 1 / 3, 1 / 3, 1 / 3], abs=0.02)


def test_labels_that_a_network_finds_likely_join_by_the_rule_of_the_paper_or_of_its_code() -> None:
    """VALEN: logits [2, .5, -1, 0], of which class 0 is the true one."""
    logits = np.array([[2, 0.5, -1, 0]])
    log_p = logits - np.log(np.exp(logits).sum())
    truth = np.array([0])
    paper, code = (instance_inclusion(log_p, truth, rule, 0.4)[0] for rule in ("paper", "code"))
    assert paper == pytest.approx([1, 1, 0.2231301601, 0.6065306597], abs=1e-10)
    assert code == pytest.approx([1, 0.8744790196, 0.1951226437, 0.5303983367], abs=1e-10)
    sure = instance_inclusion(np.array([[0.0, -900.0, -1000.0]]), truth, "paper", 0.4)[0]
    assert sure == pytest.approx([1, 1, np.exp(-100)])


def test_uniform_candidates_are_the_bits_that_they_always_were() -> None:
    """Of runs that were made before there were other generators."""
    sets = uniform_candidates(np.arange(6) % 3, 3, 0.3, np.random.default_rng(1), True)
    assert np.packbits(sets).tolist() == [173, 230, 192]
    assert PartialLabels().model_dump() == {"kind": "partial", "generator": "uniform", "rate": 0.3, "repair": True}


def partial(**labels: object) -> RunConfig:
    return RunConfig.parse(
        {"method": "cc", "data": {"name": "digits", "labels": {"kind": "partial", **labels}}, "budget": {"steps": 2}}
    )


def test_an_earlier_run_is_named_where_it_is_asked_and_nowhere_else() -> None:
    with pytest.raises(ConfigError, match="name it in"):
        partial(generator="instance")
    with pytest.raises(ConfigError, match="run would do nothing"):
        partial(generator="confusable", run="20260101-000000-x")
    asked = partial(generator="instance", run="a")
    assert asked.fingerprint("sets") == partial(generator="instance", run="b").fingerprint("sets")
    assert asked.fingerprint("sets") != asked.fingerprint("other sets")


def test_candidates_come_from_an_earlier_run_and_stay_when_it_is_gone(tmp_path: Path) -> None:
    teacher = train(
        RunConfig.parse(
            {"method": "supervised", "data": {"name": "digits", "labels": {"kind": "all"}}, "budget": {"steps": 30}}
        ),
        tmp_path,
    )
    plain = partial(generator="instance", run=teacher.id, repair=False)
    store = Store(tmp_path)
    folder = store.create(plain.model_dump(mode="json"))

    class OneStep(Control):
        polls = 0

        def poll(self) -> Command | None:
            OneStep.polls += 1
            return Command("interrupt") if OneStep.polls == 2 else None

    Trainer(folder, OneStep()).run()
    assert store.run(folder.id).status.step == 1
    sets = folder.candidates()
    assert sets is not None
    images = load_images(plain)
    positions = positions_of(folder.split()["pool"], images.ids)
    truth = images.labels[positions]
    probabilities = Predictor(teacher.folder).probabilities(images.images[positions])
    probabilities[np.arange(len(truth)), truth] = -1
    # The likeliest wrong label is always among them; the others are the rarer the less likely they are.
    assert sets[np.arange(len(truth)), truth].all()
    assert sets[np.arange(len(truth)), probabilities.argmax(1)].all()
    likely = probabilities > 0.1 * probabilities.max(1, keepdims=True)
    wrong = probabilities >= 0
    assert sets[wrong & likely].mean() > 3 * sets[wrong & ~likely].mean()
    store.delete(teacher.id)
    assert resume(folder.id, tmp_path).status.state == "finished"
    with pytest.raises(ConfigError, match="run cannot be asked for candidates"):
        train(plain, tmp_path)


def test_a_run_on_other_classes_is_not_asked(tmp_path: Path) -> None:
    teacher = train(
        RunConfig.parse({"method": "supervised", "data": {"name": "shapes"}, "budget": {"steps": 1}}), tmp_path
    )
    with pytest.raises(ConfigError, match="choose a run on the same data"):
        train(partial(generator="instance", run=teacher.id), tmp_path)


@pytest.mark.parametrize("name", ["20260101-000000-nobody", "../elsewhere", "a b"])
def test_a_run_that_is_not_here_is_refused_by_its_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        train(partial(generator="instance", run=name), tmp_path)
    assert str(refused.value) == (
        f"data.labels.run cannot be asked for candidates: There is no run named {name!r}: there is none yet."
    )


def test_the_time_of_a_run_is_estimated_without_the_run_that_makes_its_candidates() -> None:
    plain = partial(generator="instance", run="in-another-folder", rule="code").model_dump(mode="json")
    times = measure_speed(MeasureSpeed(plain, 0.0))
    assert times["step"] > 0
