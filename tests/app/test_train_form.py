"""The form of Train: what it is made from, what it keeps, and what it refuses."""

from __future__ import annotations

import pytest

from engine.catalog import catalog
from engine.lab.lab import Lab
from tests.app.app_helpers import Open, words
from ui.shell.page import escape_markdown

pytestmark = pytest.mark.slow  # several seconds each


def test_the_form_is_made_from_the_schemas(open_page: Open) -> None:
    app = open_page("train")
    assert app.slider(key="train_0_fixmatch_digits_method_threshold").label == "Threshold τ"
    assert app.slider(key="train_0_fixmatch_digits_method_threshold").value == 0.9
    assert (
        app.slider(key="train_0_fixmatch_digits_method_threshold").help
        == "Keep a pseudo-label only at or above this confidence."
    )
    app.selectbox(key="train_0_few_method").select("supervised").run()
    assert not app.exception
    assert not [slider for slider in app.slider if slider.label.startswith("Threshold")]


def test_another_method_keeps_what_was_set_by_hand_and_takes_its_own_defaults_for_the_rest(open_page: Open) -> None:
    app = open_page("train")
    app.session_state["train_0_budget_more"] = True
    app.run()
    app.number_input(key="train_0_fixmatch_digits_optimizer_sgd_lr").set_value(0.05).run()
    app.text_input(key="train_0_fixmatch_digits_name").set_value("mine").run()
    app.selectbox(key="train_0_few_method").select("pseudo_label").run()
    assert not app.exception
    assert app.number_input(key="train_0_pseudo_label_digits_optimizer_sgd_lr").value == 0.05
    assert app.text_input(key="train_0_pseudo_label_digits_name").value == "mine"
    assert (
        app.text_input(key="train_0_pseudo_label_digits_name").placeholder
        == "Pseudo-labels on handwritten digits, 2 labels per class"
    )


def test_a_method_without_labels_can_be_chosen_and_left_again(open_page: Open) -> None:
    app = open_page("train")
    app.selectbox(key="train_0_have").select("none").run()
    assert not app.exception
    assert not app.error
    assert app.session_state["train_config"]["data"]["labels"] == {"kind": "none"}
    assert "1,295 unlabeled, 143 held out for validation, 359 test images." in words(app)
    app.selectbox(key="train_0_have").select("few").run()
    assert not app.exception
    assert app.session_state["train_config"]["data"]["labels"] == {"kind": "few", "per_class": 2}


def test_of_candidates_only_what_their_generator_reads_is_asked(open_page: Open) -> None:
    app = open_page("train")
    app.session_state["train_0_data_more"] = True
    app.selectbox(key="train_0_have").select("partial").run()
    (generator,) = (box for box in app.selectbox if box.label == "Generator")

    def asked() -> set[str]:
        assert not app.exception
        widgets = [*app.selectbox, *app.slider, *app.toggle, *app.text_input]
        return {widget.label for widget in widgets} & {"Rate q", "Repair", "Run", "Rule"}

    assert asked() == {"Rate q", "Repair"}
    generator.select("instance").run()
    assert asked() == {"Rate q", "Repair", "Run", "Rule"}
    (run,) = (box for box in app.text_input if box.label == "Run")
    run.set_value("some-run").run()
    assert app.session_state["train_config"]["data"]["labels"]["run"] == "some-run"
    next(box for box in app.selectbox if box.label == "Generator").select("confusable").run()
    assert asked() == {"Rate q", "Repair"}
    labels = app.session_state["train_config"]["data"]["labels"]
    assert labels == {"kind": "partial", "generator": "confusable", "rate": 0.3, "repair": True}
    next(box for box in app.selectbox if box.label == "Generator").select("given").run()
    assert asked() == set()


def test_a_fitted_method_is_not_given_the_optimizer_that_was_set_for_another(lab: Lab, open_page: Open) -> None:
    app = open_page("train")
    app.session_state["train_0_budget_more"] = True
    app.run()
    app.number_input(key="train_0_fixmatch_digits_optimizer_sgd_lr").set_value(0.05).run()
    app.selectbox(key="train_0_few_method").select("label_spreading").run()
    assert not app.exception
    config = app.session_state["train_config"]
    assert config["optimizer"] == catalog()["defaults"]["label_spreading/digits"]["optimizer"]
    assert lab.check(config)["method"]["name"] == "label_spreading"


def test_a_small_weight_decay_is_shown_as_it_is(open_page: Open) -> None:
    app = open_page("train")
    app.session_state["train_0_budget_more"] = True
    app.run()
    # A slider in hundredths would show 0.00.
    field = app.number_input(key="train_0_fixmatch_digits_optimizer_sgd_weight_decay")
    assert field.value == catalog()["defaults"]["fixmatch/digits"]["optimizer"]["weight_decay"]
    assert field.value == 0.0005


def test_every_method_is_offered_with_an_image_of_its_idea_and_its_paper(open_page: Open) -> None:
    methods = catalog()["methods"]
    seen = set()
    for have in ("few", "none", "partial", "model"):
        app = open_page("train")
        app.selectbox(key="train_0_have").select(have).run()
        for name in app.selectbox(key=f"train_0_{have}_method").options:
            app.selectbox(key=f"train_0_{have}_method").select(name).run()
            assert not app.exception
            chosen = next(method for method in methods.values() if method["title"] == name)
            seen.add(chosen["title"])
            assert f"Paper: {escape_markdown(chosen['paper'])}" in words(app)
    assert seen == {method["title"] for method in methods.values()}


def test_a_network_of_timm_is_chosen_among_good_ones_or_typed_in(lab: Lab, open_page: Open) -> None:
    app = open_page("train")
    app.selectbox(key="train_0_fixmatch_digits_backbone").select("timm").run()
    key = "train_0_fixmatch_digits_backbone_timm_model"
    model = app.selectbox(key=key)
    assert model.value == "mobilenetv4_conv_small.e2400_r224_in1k"
    assert "vit_small_patch14_dinov2.lvd142m (22.1 M, 518 px, apache-2.0)" in model.options
    assert "- resnet50.a1_in1k: 23.5 M, 224 px, apache-2.0" in model.help
    assert model.proto.accept_new_options
    # Another name comes back as it is.
    config = {**app.session_state["train_config"], "backbone": {"name": "timm", "model": "test_vit.r160_in1k"}}
    assert lab.check(config)["backbone"]["name"] == "timm"
    app.session_state["train_config"], app.session_state["train_generation"] = config, 1
    app.run()
    model = app.selectbox(key=key.replace("train_0", "train_1"))
    assert (model.value, model.options[0]) == ("test_vit.r160_in1k", "test_vit.r160_in1k")
    assert app.session_state["train_config"]["backbone"]["model"] == "test_vit.r160_in1k"


def test_a_choice_in_the_form_survives_a_change_of_page(open_page: Open) -> None:
    app = open_page("train")
    app.number_input(key="train_0_fixmatch_digits_budget_steps").set_value(321).run()
    app.switch_page("pages/runs.py").run()
    app.switch_page("pages/train.py").run()
    assert app.number_input(key="train_0_fixmatch_digits_budget_steps").value == 321


def test_a_budget_that_the_data_cannot_fill_is_one_sentence_and_no_run(lab: Lab, open_page: Open) -> None:
    before = [run.id for run in lab.store.runs()]
    app = open_page("train")
    app.number_input(key="train_0_fixmatch_digits_data_few_per_class").set_value(5000).run()
    app.button(key="train_start").click().run()
    assert not app.exception
    assert any("5000 labels per class are asked for" in error.value.replace("\\", "") for error in app.error)
    assert [run.id for run in lab.store.runs()] == before


@pytest.mark.parametrize(("have", "method"), [("none", "simclr"), ("partial", "proden"), ("few", "fixmatch")])
def test_what_somebody_has_begins_with_the_method_that_start_tries_first(
    have: str, method: str, open_page: Open
) -> None:
    app = open_page("train")
    (situation,) = [box for box in app.selectbox if box.label == "What do you have?"]
    situation.set_value(have).run()
    assert not app.exception
    assert app.session_state["train_config"]["method"]["name"] == method
