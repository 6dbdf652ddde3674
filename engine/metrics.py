"""Every metric declared once: its name in the run folder, title, help, unit, which way is better, which chart.

The trainer writes numbers under these names, the command line prints them, and the screens iterate over the
declarations: nothing in `ui/` knows a metric that is not declared here or by a method (`Method.metrics`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Chart = Literal["loss", "accuracy", "share", "value"]
Unit = Literal["share", "nats", "number"]


@dataclass(frozen=True)
class Metric:
    """One scalar of a run, by the name under which metrics.jsonl and status.json keep it.

    title: in headings and tables. legend: beside a curve; empty: the title with a small letter. note:
    how to read it, in a few words, in the heading of its chart. help: one sentence.
    unit: "share" is 0 to 1 and shown in percent. better: which way it should move; None: neither. chart: the one of the
    Train page in which it is drawn over the steps ("value" charts hold what has an axis of its own); None: it is no
    curve. compare: whether Compare offers it as a curve. final: whether it stands among the final metrics.
    """

    name: str
    title: str
    help: str = ""
    unit: Unit = "share"
    better: Literal["higher", "lower"] | None = "higher"
    chart: Chart | None = None
    legend: str = ""
    note: str = ""
    compare: bool = True
    final: bool = False

    @property
    def heading(self) -> str:
        """The title of its chart."""
        return f"{self.title} ({self.note})" if self.note else self.title

    @property
    def label(self) -> str:
        """What stands beside its curve."""
        return self.legend or (self.title[0].lower() + self.title[1:] if self.title[1:2].islower() else self.title)


_PROBE_LABELS = {1: "1 label per class", 5: "5 labels per class", 10: "10 labels per class"}
_KNN_HELP = (
    "Each test image gets the label of its nearest labeled image, with {}; mean over five fixed draws of the labels."
)

STANDARD: tuple[Metric, ...] = (
    Metric(
        "test/accuracy",
        "Test accuracy",
        "Share of the test images that the averaged network classifies correctly. Test images are never trained on; do"
        " not choose settings by them.",
        chart="accuracy",
        final=True,
    ),
    Metric(
        "validation/accuracy",
        "Validation accuracy",
        "Share of the validation images classified correctly: the number to choose settings by.",
        chart="accuracy",
    ),
    Metric(
        "pseudo_label/accuracy",
        "Pseudo-label accuracy",
        "Of the pseudo-labels that were used, the share that is correct. The method itself never sees this.",
        chart="accuracy",
    ),
    Metric(
        "candidates/identified",
        "True label ranked first",
        "Share of the images with several candidates whose heaviest one is the true label. The method itself never sees"
        " this.",
        chart="accuracy",
    ),
    Metric(
        "test/knn_1_per_class",
        "1-NN, 1 label per class",
        _KNN_HELP.format("one label per class"),
        chart="accuracy",
    ),
    Metric(
        "test/knn_5_per_class",
        "1-NN, 5 labels per class",
        _KNN_HELP.format("five labels per class"),
        chart="accuracy",
    ),
    Metric(
        "test/knn_full",
        "20-NN, all labels",
        "Twenty nearest training images vote, all labels known. With so many labels even poor features look good.",
        chart="accuracy",
    ),
    Metric(
        "loss/labeled",
        "Labeled loss",
        "Loss on labeled images, averaged over the steps between two points.",
        unit="nats",
        better="lower",
        chart="loss",
        legend="labeled",
    ),
    Metric(
        "loss/unlabeled",
        "Unlabeled loss",
        "Loss on unlabeled images, averaged over the steps between two points.",
        unit="nats",
        better="lower",
        chart="loss",
        legend="unlabeled",
    ),
    Metric(
        "change",
        "Residual",
        "What is left of the residual, as a share of where it began.",
        better="lower",
        chart="loss",
        note="0 = converged",
    ),
    Metric(
        "mask_rate",
        "Mask rate",
        "Share of the unlabeled predictions of a step that reach the threshold and are used as pseudo-labels.",
        better=None,
        chart="share",
        legend="above threshold",
    ),
    Metric(
        "candidates/ambiguity",
        "Candidate entropy",
        "How undecided the candidate weights still are: 100 % all candidates alike, 0 % one candidate left.",
        better="lower",
        chart="share",
        note="normalized",
    ),
    Metric(
        "candidates/survivors",
        "Wrong survivors",
        "Share of the images with several candidates in which a wrong one holds more than 0.9 of the weight.",
        better="lower",
    ),
    Metric(
        "embedding/spread",
        "Embedding std",
        "Standard deviation of the normalized embedding, times √D: 1 where directions are spread evenly, 0 where all"
        " images have the same embedding (Chen & He 2021, arXiv:2011.10566).",
        chart="share",
        note="near 0 = collapse",
    ),
    Metric(
        "embedding/rank",
        "Effective rank (RankMe)",
        "Dimensions of the embedding in use (Garrido et al. 2023, arXiv:2210.02885).",
        unit="number",
        chart="value",
        legend="effective rank",
    ),
    Metric(
        "embedding/alignment",
        "Alignment",
        "Mean squared distance of the two views of an image, 0 to 4 (Wang & Isola 2020, arXiv:2005.10242).",
        unit="number",
        better="lower",
    ),
    Metric(
        "embedding/uniformity",
        "Uniformity",
        "How evenly embeddings cover the sphere, 0 where all are equal (Wang & Isola 2020, arXiv:2005.10242).",
        unit="number",
        better="lower",
    ),
    Metric(
        "unknown",
        "Not connected",
        "Share of the images that no chain of neighbors connects to a labeled image.",
        better="lower",
        compare=False,
    ),
    Metric("test/macro_f1", "Macro F1", "F1 averaged over classes, each counted alike.", compare=False, final=True),
    Metric(
        "test/auc_roc",
        "AUC-ROC",
        "Area under the ROC curve, one class against the rest, averaged over classes: 1 is perfect, 0.5 is chance.",
        unit="number",
        compare=False,
        final=True,
    ),
    Metric(
        "test/ece",
        "Calibration error (ECE)",
        "Mean gap between confidence and accuracy over 15 bins of confidence.",
        better="lower",
        compare=False,
        final=True,
    ),
    *(
        Metric(
            f"test/linear_{count}_per_class",
            f"Linear probe, {words}",
            f"Logistic regression on the features, given {words}; mean over five fixed draws of the labels.",
            compare=False,
        )
        for count, words in _PROBE_LABELS.items()
    ),
    Metric(
        "test/linear_full",
        "Linear probe, all labels",
        "Logistic regression on the features, given every label of the training images.",
        compare=False,
    ),
)


def declared(own: tuple[Metric, ...] = ()) -> dict[str, Metric]:
    """The standard metrics, then methods' own, by name. A standard name means the same for every method."""
    metrics = {metric.name: metric for metric in STANDARD}
    for metric in own:
        metrics.setdefault(metric.name, metric)
    return metrics


def declaration_of(name: str, metrics: dict[str, Metric]) -> Metric:
    """The declaration of `name`, or a stand-in for a scalar that nobody declared: drawn under its own name."""
    words = name.split("/")[-1].replace("_", " ")
    return metrics.get(name) or Metric(name, words[:1].upper() + words[1:], unit="number", better=None, chart="value")


def plain(metrics: dict[str, Metric]) -> dict[str, dict[str, Any]]:
    """As JSON, for the catalog; `from_plain` reads it."""
    return {name: asdict(metric) for name, metric in metrics.items()}


def from_plain(value: dict[str, dict[str, Any]]) -> dict[str, Metric]:
    return {name: Metric(**fields) for name, fields in value.items()}
