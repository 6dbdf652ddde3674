"""The application: `/predict`, `/model`, `/health`, and the page of its OpenAPI description at `/docs`."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated, Any

import anyio
import uvicorn
from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.formparsers import MultiPartException

from engine.analysis.conformal import COVERAGES, USUAL
from engine.errors import ImageError, LabError
from engine.images.decode import image_size, short_name
from engine.predictor import Prediction, Predictor
from engine.serve.description import description_page
from engine.serve.limits import BodyLimit, Limits
from engine.serve.schema import Answers, Health, Model, Refusal

_REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": Refusal, "description": said}
    for code, said in {
        400: "The request cannot be read.",
        408: "It did not arrive in time.",
        413: "More bytes or pixels than are taken.",
        415: "Neither an image nor a form.",
        422: "A file is no image that can be read, there are too many, or a parameter is not valid.",
        503: "Too many requests at once: try again after a second.",
    }.items()
}
_BINARY = {"type": "string", "format": "binary"}


def make_server(predictor: Predictor, run: str, limits: Limits = Limits()) -> FastAPI:  # noqa: B008  it is immutable
    """An ASGI application that answers with this model. It keeps nothing of what it is sent."""
    turns, inside = anyio.Semaphore(limits.at_once), 0

    @asynccontextmanager
    async def admitted() -> AsyncIterator[None]:
        nonlocal inside
        if inside >= limits.at_once + limits.waiting:
            raise HTTPException(503, "The server is busy: try again after a second.", {"Retry-After": "1"})
        inside += 1
        try:
            yield
        finally:
            inside -= 1

    images = {"type": "array", "items": _BINARY, "minItems": 1, "maxItems": limits.images}
    form = {"type": "object", "required": ["images"], "properties": {"images": images}, "additionalProperties": False}
    body = {"multipart/form-data": {"schema": form}, "application/octet-stream": {"schema": _BINARY}}
    app = FastAPI(
        title="FewLab model",
        description=f"Answers of run {run}. An image is prepared as the run's own were.",
        version="1",
        docs_url=None,  # FastAPI's own pages load their script from elsewhere
        redoc_url=None,
    )
    app.add_middleware(BodyLimit, limit=limits.body)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return JSONResponse({"detail": f"{first['loc'][-1]}: {first['msg']}."}, 422)

    @app.get("/docs", include_in_schema=False, response_class=HTMLResponse)
    async def docs(request: Request) -> str:
        return description_page(app.openapi(), str(request.base_url).rstrip("/"))

    @app.get("/health")
    async def health() -> Health:
        """Whether it can answer."""
        return Health(status="ok")

    @app.get("/model")
    async def model() -> Model:
        """What is served."""
        return Model(
            run=run,
            classes=predictor.class_names,
            size=predictor.size,
            channels=predictor.channels,
            temperature=predictor.temperature,
            coverages=list(predictor.certainty.coverages),
            held_out_labels=predictor.certainty.labels,
            usual_distance=predictor.certainty.usual,
            metrics=predictor.metrics,
        )

    @app.post("/predict", responses=_REFUSALS, openapi_extra={"requestBody": {"required": True, "content": body}})
    async def predict(
        request: Request,
        coverage: Annotated[
            float, Query(description="Of the possible classes.", json_schema_extra={"enum": list(COVERAGES)})
        ] = USUAL,
    ) -> Answers:
        """Classify one image, sent as it is, or several, sent as files of a form in fields named `images`. If one of
        them cannot be read, the request is refused.
        """
        said = predictor.certainty.too_few(coverage)
        if coverage not in COVERAGES or (said and coverage != USUAL):
            raise HTTPException(422, said or "")
        async with admitted(), AsyncExitStack() as stack:
            files = await _files(request, stack, limits)
            async with turns:
                answers = await anyio.to_thread.run_sync(lambda: _answers(predictor, files, limits, coverage))
        return Answers.model_validate({"run": run, "coverage": coverage, "answers": answers})

    return app


_Read = Callable[[], bytes]


async def _files(request: Request, stack: AsyncExitStack, limits: Limits) -> list[tuple[str, _Read]]:
    """Names, and what reads each; large files of a form lie on the disk until the stack is closed. Raises
    HTTPException.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        with anyio.fail_after(limits.seconds):
            if kind == "application/octet-stream" or kind.startswith("image/"):
                body = await request.body()
                return [("image", lambda: body)]
            if kind == "multipart/form-data":
                form = request.form(max_files=limits.images, max_fields=limits.images)
                return _images_of(await stack.enter_async_context(form))
    except TimeoutError:
        raise HTTPException(408, f"The request did not arrive within {limits.seconds:.0f} s: try again.") from None
    except (MultiPartException, StarletteHTTPException) as error:
        if "Too many" in str(getattr(error, "detail", error)):
            raise HTTPException(422, f"A request may have at most {limits.images} images: send fewer.") from None
        raise HTTPException(400, "The form cannot be read: send it as multipart/form-data with its boundary.") from None
    raise HTTPException(
        415, "Send an image as application/octet-stream, or several as multipart/form-data in fields named images."
    )


def _images_of(form: FormData) -> list[tuple[str, _Read]]:
    fields = form.multi_items()
    files = [value for name, value in fields if name == "images" and isinstance(value, UploadFile)]
    if len(files) < len(fields) or not files:
        raise RequestValidationError(
            [{"loc": ["images"], "msg": "Send files in form fields of this name, and no other fields"}]
        )
    return [(file.filename or "image", file.file.read) for file in files]


def _answers(
    predictor: Predictor, files: list[tuple[str, _Read]], limits: Limits, coverage: float
) -> list[dict[str, Any]]:
    """Raises HTTPException for the first file that is no image."""
    fitted = []
    for name, read in files:
        content = read()
        try:
            width, height = image_size(content, name) if content else (0, 0)
            if width * height > limits.pixels:
                raise HTTPException(
                    413,
                    f"{short_name(name)} has {width * height / 1e6:,.0f} million pixels, but at most"
                    f" {limits.pixels / 1e6:,.0f} million are taken: send it smaller.",
                )
            fitted.append(predictor.preparation.fitted(predictor.read(content, name)))
        except ImageError as error:
            raise HTTPException(422, str(error)) from None
    predictions: list[Prediction] = predictor.predict_fitted(fitted)
    return [
        {"name": name, **predictor.said(prediction, coverage)}
        for (name, _), prediction in zip(files, predictions, strict=True)
    ]


def listen(app: FastAPI, host: str, port: int, told: Callable[[str], None]) -> None:
    """Answer until the process is told to end; requests that are being answered then are answered. told: hears the
    address. Raises LabError if it cannot be had.
    """
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        # Python adds the address to the system's words; of a name that is none the system has no number.
        words = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise LabError(
            f"The server cannot listen at {host} port {port} ({words}): choose another --port or --host."
        ) from None
    bound = listener.getsockname()[1]
    told(f"http://{f'[{host}]' if ':' in host else host}:{bound}/docs")
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=30, access_log=False)
    uvicorn.Server(config).run(sockets=[listener])
