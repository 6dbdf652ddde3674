"""Uploads that no server should take: each of over 200 gets a 4xx and a sentence, and the next good one an answer."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from engine.predictor import Predictor
from engine.runs.store import Run
from engine.serve.limits import Limits
from engine.serve.server import make_server
from tests.hostile.image_files import encoded, png_chunk, png_header

OCTETS = {"content-type": "application/octet-stream"}
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF")
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def client(trained: Callable[..., Run]) -> Iterator[TestClient]:
    run = trained(method={"name": "supervised"})
    with TestClient(make_server(Predictor(run.folder), run.id, Limits(body=3_000_000))) as made:
        yield made


def cut_off() -> Iterator[tuple[str, bytes]]:
    for format in FORMATS:
        whole = encoded(NOISE, format)
        for tenths in range(1, 9):
            yield f"{format} cut off after {tenths} tenths", whole[: len(whole) * tenths // 10]
        for length in (1, 2, 4, 8, 12, 16, 24):
            yield f"{format} cut off after {length} bytes", whole[:length]


def false_headers() -> Iterator[tuple[str, bytes]]:
    for width, height in ((0, 0), (0, 5), (1, 0), (2**31 - 1, 1), (2**31, 2**31), (20_000, 20_000), (100_000, 100_000)):
        body = png_chunk(b"IDAT", zlib.compress(bytes(64))) + png_chunk(b"IEND", b"")
        yield f"PNG that claims {width} x {height}", png_header(width, height) + body
    for depth, color in ((3, 0), (16, 3), (8, 5), (0, 2), (255, 255)):
        body = png_chunk(b"IDAT", zlib.compress(bytes(64))) + png_chunk(b"IEND", b"")
        yield f"PNG of depth {depth} and color {color}", png_header(8, 8, depth, color) + body
    for format, magic in (
        ("PNG", b"\x89PNG\r\n\x1a\n"),
        ("JPEG", b"\xff\xd8\xff\xe0"),
        ("GIF", b"GIF89a"),
        ("BMP", b"BM"),
    ):
        for seed in range(8):
            noise = np.random.default_rng(seed).integers(0, 256, 300, dtype=np.uint8).tobytes()
            yield f"{format} in its first bytes only, {seed}", magic + noise


def no_images() -> Iterator[tuple[str, bytes]]:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("cat.png", encoded(NOISE, "PNG"))
    yield "a zip archive", packed.getvalue()
    yield from {
        "nothing": b"",
        "a page": b"<html><script>alert(1)</script></html>",
        "an SVG": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "a PDF": b"%PDF-1.7\n%\xe2\xe3",
        "a program": b"\x7fELF\x02\x01\x01",
        "a pickle": b"\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
        "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n(x) run\n",
        "NUL": bytes(1_000),
        "an icon": encoded(Image.new("RGB", (8, 8)), "ICO"),
    }.items()
    for seed in range(40):
        draws = np.random.default_rng(seed)
        yield f"noise {seed}", draws.integers(0, 256, int(draws.integers(1, 5_000)), dtype=np.uint8).tobytes()


UPLOADS = {name: data for kind in (cut_off, false_headers, no_images) for name, data in kind()}


def test_each_upload_gets_a_4xx_and_a_sentence_alone_and_in_a_form(client: TestClient) -> None:
    assert len(UPLOADS) >= 180  # and as forms, twice as many
    good = encoded(NOISE, "PNG")
    for name, data in UPLOADS.items():
        alone = client.post("/predict", content=data, headers=OCTETS)
        beside = client.post(
            "/predict", files=[("images", ("good.png", good)), ("images", ("../../bad\r\n.png", data))]
        )
        for response in (alone, beside):
            assert 400 <= response.status_code < 500, (name, response.text)
            assert list(response.json()) == ["detail"], name
            sentence = response.json()["detail"]
            assert re.fullmatch(r"[^\n]{20,300}\.", sentence), (name, sentence)
    assert client.post("/predict", content=good, headers=OCTETS).status_code == 200


# Starlette leaves the file of a part that never ends to the garbage collector.
LEFT_TO_THE_COLLECTOR = "ignore:.*SpooledTemporaryFile:pytest.PytestUnraisableExceptionWarning"
BOUNDARY = {"content-type": "multipart/form-data; boundary=b"}
PART = b'--b\r\nContent-Disposition: form-data; name="images"; filename="a.png"\r\n\r\n'


@pytest.mark.filterwarnings(LEFT_TO_THE_COLLECTOR)
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (BOUNDARY, b""),
        (BOUNDARY, b"--b"),
        (BOUNDARY, b"--b--\r\n"),
        (BOUNDARY, PART),
        (BOUNDARY, PART + b"\x89PNG"),
        (BOUNDARY, PART + b"\x89PNG\r\n--b--\r\n"),
        (BOUNDARY, b"--c\r\n\r\nx\r\n--c--\r\n"),
        (BOUNDARY, b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n"),
        (BOUNDARY, b"--b\r\n" + b"X: y\r\n" * 5_000 + b"\r\nx\r\n--b--\r\n"),
        (BOUNDARY, b'--b\r\nContent-Disposition: form-data; name="' + b"n" * 100_000 + b'"\r\n\r\nx\r\n--b--\r\n'),
        (BOUNDARY, b'--b\r\nContent-Disposition: form-data; name="images"\r\n\r\nno file\r\n--b--\r\n'),
        (BOUNDARY, (PART + b"x\r\n") * 200 + b"--b--\r\n"),
        ({"content-type": "multipart/form-data; boundary="}, PART),
        ({"content-type": "multipart/form-data; boundary=\xff"}, PART),
        ({"content-type": "text/html"}, b"<b>"),
        ({"content-type": "application/x-www-form-urlencoded"}, b"images=x"),
        ({"content-type": "application/octet-stream;;;"}, b""),
        ({**OCTETS, "content-encoding": "gzip"}, b"\x1f\x8b"),
    ],
)
def test_a_form_that_is_none_gets_a_4xx_and_a_sentence(
    client: TestClient, headers: dict[str, str], body: bytes
) -> None:
    sent = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    response = client.post("/predict", content=body, headers=sent)
    assert 400 <= response.status_code < 500, response.text
    assert response.json()["detail"].endswith(".")


def test_paths_and_methods_that_are_not_there_are_4xx(client: TestClient) -> None:
    for method, path in (("GET", "/predict"), ("POST", "/model"), ("GET", "/../../etc/passwd"), ("DELETE", "/health")):
        assert 400 <= client.request(method, path).status_code < 500
