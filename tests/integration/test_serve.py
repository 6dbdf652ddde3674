"""A run's model behind HTTP: what it answers, what it refuses, and how it ends."""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from engine.lab.executors.inline import train
from engine.predictor import Predictor
from engine.runs.store import Run
from engine.serve.limits import Limits
from engine.serve.server import make_server
from tests.integration.command_line import engine

SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"
OCTETS = {"content-type": "application/octet-stream"}


def picture(number: int, side: int = 12) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (side, side, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = {"method": {"name": "supervised"}, "data": {"name": "digits"}, "budget": {"steps": 5, "batch_size": 16}}
    return train(config, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def predictor(run: Run) -> Predictor:
    return Predictor(run.folder)


@pytest.fixture
def client(predictor: Predictor, run: Run) -> Iterator[TestClient]:
    limits = Limits(body=200_000, images=4, pixels=40_000)
    with TestClient(make_server(predictor, run.id, limits)) as made:
        yield made


def test_one_image_and_several_are_answered_as_the_run_answers(client: TestClient, predictor: Predictor) -> None:
    files = [picture(number) for number in range(3)]
    expected = [predictor.said(predictor.predict([predictor.read(data)])[0]) for data in files]
    alone = client.post("/predict", content=files[0], headers=OCTETS).json()
    assert (alone["run"], alone["coverage"]) == (client.get("/model").json()["run"], 0.9)
    form = [("images", (f"{number}.png", data)) for number, data in enumerate(files)]
    together = client.post("/predict", files=form).json()
    assert [one["name"] for one in alone["answers"] + together["answers"]] == ["image", "0.png", "1.png", "2.png"]
    for answer, wanted in zip(alone["answers"] + together["answers"], [expected[0], *expected], strict=True):
        for key in ("sure", "possible", "nearest", "unfamiliar"):
            assert answer[key] == wanted[key]
        assert answer["distance"] == pytest.approx(wanted["distance"], abs=1e-5)
        assert [top["class"] for top in answer["top"]] == [top["class"] for top in wanted["top"]]
        assert [top["probability"] for top in answer["top"]] == pytest.approx(
            [top["probability"] for top in wanted["top"]], abs=1e-5
        )


def test_the_model_says_what_it_is(client: TestClient, predictor: Predictor) -> None:
    told = client.get("/model").json()
    assert told["classes"] == predictor.class_names
    assert (told["size"], told["channels"]) == (8, 1)
    assert told["coverages"] == list(predictor.certainty.coverages)
    assert client.get("/health").json() == {"status": "ok"}


def test_its_page_names_every_operation_and_asks_nobody_else(client: TestClient) -> None:
    page = client.get("/docs").text
    for named in ("POST /predict", "GET /model", "GET /health", "unfamiliar", "coverage", "multipart/form-data"):
        assert named in page
    assert "<script" not in page
    assert set(re.findall(r"https?://[^/\s\"<]+", page)) == {"http://testserver"}


@pytest.mark.parametrize(
    ("request_", "code", "sentence"),
    [
        ({"content": b"", "headers": OCTETS}, 422, "is empty"),
        ({"content": b"Dear diary", "headers": OCTETS}, 422, "looks like text"),
        ({"content": bytes(200_001), "headers": OCTETS}, 413, "at most 0 MB"),
        ({"content": iter([bytes(150_000), bytes(60_000)]), "headers": OCTETS}, 413, "at most 0 MB"),
        ({"content": picture(0, 201), "headers": OCTETS}, 413, "pixels"),
        ({"content": b"{}", "headers": {"content-type": "application/json"}}, 415, "Send an image"),
        ({}, 415, "Send an image"),
        ({"files": [("images", ("a", picture(0)))] * 5}, 422, "at most 4 images"),
        ({"files": [("images", ("good", picture(0))), ("images", ("bad", b"x"))]}, 422, "'bad' is not an image"),
        ({"files": [("photo", ("a", picture(0)))]}, 422, "form fields of this name, and no other fields"),
        ({"data": {"images": "text"}, "files": {"other": b"x"}}, 422, "form fields of this name, and no other fields"),
        ({"content": b"no boundary", "headers": {"content-type": "multipart/form-data"}}, 400, "cannot be read"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data; boundary=a"}}, 400, "cannot be read"),
        ({"content": picture(0), "headers": OCTETS, "params": {"coverage": "half"}}, 422, "coverage"),
        ({"content": picture(0), "headers": OCTETS, "params": {"coverage": 0.5}}, 422, "A coverage is one of"),
        ({"content": picture(0), "headers": OCTETS, "params": {"coverage": "nan"}}, 422, "A coverage is one of"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(
    client: TestClient, request_: dict[str, Any], code: int, sentence: str
) -> None:
    response = client.post("/predict", **request_)
    assert (response.status_code, list(response.json())) == (code, ["detail"]), response.text
    assert sentence in response.json()["detail"]
    assert client.post("/predict", content=picture(0), headers=OCTETS).status_code == 200


def test_where_nothing_can_be_promised_nothing_is_called_sure(predictor: Predictor, run: Run) -> None:
    unsure = Predictor(run.folder)
    unsure.certainty = type(unsure.certainty)()
    with TestClient(make_server(unsure, run.id)) as client:
        (answer,) = client.post("/predict", content=picture(0), headers=OCTETS).json()["answers"]
        assert (answer["sure"], answer["possible"], answer["unfamiliar"]) == (None, None, None)
        refused = client.post("/predict?coverage=0.95", content=picture(0), headers=OCTETS)
        assert refused.json() == {
            "detail": "A coverage of 95% needs 19 labeled validation images, and this model has 0."
        }


@pytest.mark.parametrize(("at_once", "waiting"), [(1, 0), (1, 1), (2, 3)])
def test_as_many_requests_are_taken_as_may_be_answered_and_wait_and_no_more(
    run: Run, monkeypatch: pytest.MonkeyPatch, at_once: int, waiting: int
) -> None:
    goes_on, refused = threading.Event(), 3
    held = Predictor(run.folder)
    usual = held.predict_fitted
    monkeypatch.setattr(held, "predict_fitted", lambda fitted: goes_on.wait(60) and usual(fitted))
    taken = at_once + waiting
    with (
        TestClient(make_server(held, run.id, Limits(at_once=at_once, waiting=waiting))) as client,
        ThreadPoolExecutor(taken + refused) as threads,
    ):

        def ask() -> int:
            return client.post("/predict", content=picture(0), headers=OCTETS).status_code

        asked = [threads.submit(ask) for _ in range(taken + refused)]
        try:
            told = [one.result() for one in islice(as_completed(asked, timeout=20), refused)]
        finally:
            goes_on.set()
        assert told == [503] * refused
        assert sorted(one.result() for one in asked) == [200] * taken + [503] * refused
        assert ask() == 200  # whoever was answered has left


def test_what_the_command_line_allows_is_what_the_server_holds_to(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    held_to: list[Limits] = []
    places: list[tuple[str, int]] = []
    monkeypatch.setattr("engine.serve.server.make_server", lambda predictor, run, limits: held_to.append(limits))
    monkeypatch.setattr("engine.serve.server.listen", lambda app, host, port, told: places.append((host, port)))
    options = {"body-megabytes": 3, "images": 5, "megapixels": 7, "at-once": 9, "waiting": 11, "port": 13}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    engine("serve", run.id, *words, "--host", "::1", "--checkpoints", run.folder.path.parent)
    assert held_to == [Limits(body=3_000_000, images=5, pixels=7_000_000, at_once=9, waiting=11)]
    assert places == [("::1", 13)]


# a process of its own


class Served:
    """`python -m engine serve` in a process, at a port that was free."""

    def __init__(self, run: Run, *options: str) -> None:
        command = [sys.executable, "-m", "engine", "serve", run.id, "--port", "0", *options]
        command += ["--checkpoints", str(run.folder.path.parent)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        match = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/docs", self.address)
        assert match, (self.address, self.process.poll())
        self.port = int(match[1])

    def predict(self, content: bytes, times: int = 1) -> tuple[list[int], dict[str, Any]]:
        """The codes of as many requests through one connection, and the last answer."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            codes: list[int] = []
            for _ in range(times):
                connection.request("POST", "/predict", content, OCTETS)
                with connection.getresponse() as response:
                    codes.append(response.status)
                    answer = json.loads(response.read())
            return codes, answer

    def memory(self) -> int:
        """Bytes that it holds."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize()

    def end(self) -> tuple[int, str]:
        """Its status and what it complained of."""
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors


@pytest.fixture
def serve(run: Run) -> Iterator[Callable[..., Served]]:
    started: list[Served] = []

    def start(*options: str) -> Served:
        started.append(Served(run, *options))
        return started[-1]

    yield start
    for served in started:
        if served.process.poll() is None:
            served.end()


@pytest.mark.slow
def test_schemathesis_finds_nothing_in_it_that_its_description_does_not_say(
    serve: Callable[..., Served], tmp_path: Path
) -> None:
    """All of its phases, with images where the description says binary: of other bytes no schema can say that they are
    none.
    """
    served = serve()
    hooks = {"SCHEMATHESIS_HOOKS": "tests.integration.schemathesis_images", "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(
        [SCHEMATHESIS, "run", served.address.replace("docs", "openapi.json"), "--max-examples", "60", "--seed", "1"],
        capture_output=True,
        text=True,
        env={**os.environ, **hooks},
        cwd=tmp_path,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    assert "Tested: 3" in done.stdout


@pytest.mark.slow
def test_eight_clients_at_once_are_all_answered_in_flat_memory_and_the_end_is_graceful(
    serve: Callable[..., Served],
) -> None:
    served = serve("--waiting", "16")
    files = [picture(number, 400) for number in range(8)]

    def together() -> list[int]:
        with ThreadPoolExecutor(8) as threads:
            return [code for codes, _ in threads.map(lambda file: served.predict(file, 25), files) for code in codes]

    assert together() == [200] * 200
    before = served.memory()
    assert together() == [200] * 200
    assert served.memory() - before < 30_000_000
    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(served.predict, picture(9, 3_000)) for _ in range(4)]
        time.sleep(0.3)
        code, errors = served.end()
        answers = [code for one in asked for code in one.result()[0]]
    assert (code, errors) == (-signal.SIGTERM, "")
    assert answers == [200] * 4


@pytest.mark.slow
def test_one_too_many_at_once_is_told_to_come_back(serve: Callable[..., Served]) -> None:
    served = serve("--at-once", "1", "--waiting", "0")
    large = picture(0, 3_000)
    with ThreadPoolExecutor(6) as threads:
        answers = [one.result() for one in [threads.submit(served.predict, large) for _ in range(6)]]
    assert {code for codes, _ in answers for code in codes} == {200, 503}
    refused = [answer for codes, answer in answers if codes == [503]]
    assert refused == [{"detail": "The server is busy: try again after a second."}] * len(refused)
    assert served.predict(picture(1))[0] == [200]
    assert served.end() == (-signal.SIGTERM, "")


def test_an_address_that_cannot_be_had_is_one_sentence(run: Run) -> None:
    command = [sys.executable, "-m", "engine", "serve", run.id, "--checkpoints", str(run.folder.path.parent)]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run([*command, "--port", port], capture_output=True, text=True)
    assert done.returncode == 1
    said = (
        f"The server cannot listen at 127.0.0.1 port {port} (Address already in use): choose another --port or --host."
    )
    assert done.stderr == f"{said}\n"
