"""What the server answers, as a fixed schema."""

from __future__ import annotations

from pydantic import BaseModel, Field


class Top(BaseModel):
    """A class and how probable it is."""

    name: str = Field(alias="class")
    probability: float = Field(ge=0, le=1)


class Answer(BaseModel):
    """What the model says of one image."""

    name: str = Field(description="As it was sent.")
    top: list[Top] = Field(description="The five most probable classes, best first.")
    sure: bool | None = Field(
        description="One class is possible and the image is not unfamiliar; null where the model cannot say."
    )
    possible: list[str] | None = Field(
        description="Classes that hold the true one with the stated coverage; null with too few held-out labels."
    )
    nearest: str | None = Field(description="The nearest labeled image of the run.")
    distance: float | None = Field(description="To it in the network's features: 1 - cosine.")
    unfamiliar: bool | None = Field(description="Farther from every labeled image than is usual.")


class Answers(BaseModel):
    """One answer an image, in the order in which they were sent."""

    run: str
    coverage: float
    answers: list[Answer]


class Model(BaseModel):
    """What is served."""

    run: str
    classes: list[str]
    size: int = Field(description="Pixels of a side that an image is brought to.")
    channels: int
    temperature: float | None
    coverages: list[float] = Field(description="Those that can be asked for.")
    held_out_labels: int
    usual_distance: float | None
    metrics: dict[str, float]


class Health(BaseModel):
    status: str


class Refusal(BaseModel):
    """Why a request is not answered, in a sentence."""

    detail: str
