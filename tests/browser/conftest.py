"""A real browser and real Streamlit servers. Tests are skipped where no Chromium is found, unless
FEWLAB_REQUIRE_BROWSER=1 makes that a failure.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from engine.lab.executors.inline import train
from engine.runs.store import Run
from tests.waiting import PATIENCE

REPOSITORY = Path(__file__).resolve().parents[2]
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")

expect.set_options(timeout=1000 * PATIENCE)

Serve = Callable[..., str]

_STANDS = "() => !document.querySelector('[data-testid=stApp]:not([data-test-script-state=notRunning])')"
_DRAWN_WITHIN = 10.0  # seconds; what is meant for a page that is busy for longer comes then


@pytest.fixture(scope="session", autouse=True)
def _acts_once_drawn() -> Iterator[None]:
    """A click or a typed letter comes once the page is drawn, as a person's does. While it is being drawn, what a run
    takes away at its end moves the rest between press and release, a field may be there twice, and a file that is made
    on demand is refused. Where being quicker than the page is the point, a test sends the event itself.
    """

    def patient(act: Callable[..., None]) -> Callable[..., None]:
        def acted(locator: Locator, *arguments: Any, **options: Any) -> None:
            locator.first.wait_for(state="attached")
            with suppress(PlaywrightTimeout):
                locator.page.wait_for_function(_STANDS, timeout=1000 * _DRAWN_WITHIN)
            act(locator, *arguments, **options)

        return acted

    with pytest.MonkeyPatch.context() as patch:
        for name in ("click", "fill", "press", "set_input_files"):
            patch.setattr(Locator, name, patient(getattr(Locator, name)))
        yield


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for the session: $FEWLAB_CHROMIUM, else the first installed one, else the one playwright brought."""
    with sync_playwright() as playwright:
        found = os.environ.get("FEWLAB_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
        found = found or (
            playwright.chromium.executable_path if Path(playwright.chromium.executable_path).exists() else None
        )
        if found is None:
            reason = "no Chromium found: install one, or name it in FEWLAB_CHROMIUM"
            if os.environ.get("FEWLAB_REQUIRE_BROWSER") == "1":
                pytest.fail(reason)
            pytest.skip(reason)
        arguments = [
            *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
            # Neither shows in a test, and together they are a quarter of what a page costs without a graphics card.
            *("--disable-gpu-rasterization", "--disable-features=SpareRendererForSitePerProcess"),
        ]
        launched = playwright.chromium.launch(executable_path=found, args=arguments)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def visitor(browser: Browser) -> Iterator[BrowserContext]:
    """Who has been here before: the browser keeps the app's scripts, which take seconds to read for every new one."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(1000 * PATIENCE)
    yield context
    context.close()


@pytest.fixture
def page(visitor: BrowserContext) -> Iterator[Page]:
    """A fresh tab, 1280 x 800, of a visitor without cookies or anything else in store. The test fails if a script on
    the page threw, or if anything was asked of another machine.
    """
    tab = visitor.new_page()
    thrown: list[str] = []
    elsewhere: list[str] = []
    tab.on("pageerror", lambda error: thrown.append(str(error)))
    tab.on(
        "request",
        lambda request: (
            elsewhere.append(request.url) if urlsplit(request.url).hostname not in ("127.0.0.1", None, "") else None
        ),
    )
    yield tab
    forget(tab)
    for opened in visitor.pages:
        opened.close()
    assert thrown == []
    assert elsewhere == []


def forget(tab: Page) -> None:
    """All that the visitor has in store, except the scripts."""
    tab.context.clear_cookies()
    tab.context.clear_permissions()
    where = urlsplit(tab.url)
    if where.scheme == "http" and not tab.is_closed():
        tab.context.new_cdp_session(tab).send(
            "Storage.clearDataForOrigin",
            {"origin": f"{where.scheme}://{where.netloc}", "storageTypes": "local_storage,indexeddb,cache_storage"},
        )


@contextmanager
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """serve(app, cwd=None, env=None) starts `streamlit run app` in `cwd` (default: the app's folder) and returns its
    URL once it answers.

    The app can import what the repository holds. All servers end with the block.
    """
    running: list[subprocess.Popen[bytes]] = []

    def start(app: Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        options = {
            "server.port": port,
            "server.address": "127.0.0.1",
            "server.headless": "true",
            "browser.gatherUsageStats": "false",
        }
        command = [
            sys.executable,
            "-m",
            "streamlit",
            "run",
            str(app),
            *(f"--{name}={value}" for name, value in options.items()),
        ]
        paths = [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
        log = tmp_path_factory.mktemp("server") / "log"
        with log.open("wb") as output:
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **(env or {})}
            server = subprocess.Popen(
                command, cwd=cwd or app.parent, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        running.append(server)
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and server.poll() is None:
            try:
                with urllib.request.urlopen(f"{url}/_stcore/health", timeout=5):
                    return url
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        pytest.fail(f"the server did not start:\n{log.read_text(errors='replace')[-3000:]}")

    yield start
    for server in running:
        server.terminate()
    for server in running:
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """As `serving` says; the servers end with the test module."""
    with serving(tmp_path_factory) as start:
        yield start


@pytest.fixture(scope="module")
def components(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of `components_app`, which writes plotly's script beside itself: hence a copy."""
    app = shutil.copy(Path(__file__).with_name("components_app.py"), tmp_path_factory.mktemp("app") / "app.py")
    serving_options = {"STREAMLIT_SERVER_ENABLE_STATIC_SERVING": "true", "STREAMLIT_SERVER_FILE_WATCHER_TYPE": "none"}
    return serve(app, env=serving_options)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("browser") / "checkpoints"


@pytest.fixture(scope="module")
def url(serve: Callable[..., str], visitor: BrowserContext, checkpoints: Path) -> str:
    return warm(serve(REPOSITORY / "app.py", cwd=REPOSITORY, env={"FEWLAB_CHECKPOINTS": str(checkpoints)}), visitor)


def warm(address: str, visitor: BrowserContext) -> str:
    """The same address, once the Lab, which starts with the first visit, has made the catalog."""
    visit = visitor.new_page()
    visit.goto(f"{address}/train")
    expect(visit.get_by_role("button", name="Start", exact=True)).to_be_visible()
    forget(visit)
    visit.close()
    return address


class Studied(NamedTuple):
    """A finished FixMatch run on digits with five evaluations, its checkpoints folder, and the URL of a server that
    shows it.
    """

    run: Run
    checkpoints: Path
    url: str


@pytest.fixture(scope="session")
def studied(tmp_path_factory: pytest.TempPathFactory, visitor: BrowserContext) -> Iterator[Studied]:
    """For all tests that only look at a run."""
    checkpoints = tmp_path_factory.mktemp("studied") / "checkpoints"
    settings = {
        "data": {"name": "digits"},
        "method": {"name": "fixmatch", "threshold": 0.9, "unlabeled_ratio": 2},
        "budget": {"steps": 150, "batch_size": 16, "evaluate_every": 30},
        "hardware": {"device": "cpu", "threads": 1},
    }
    run = train(settings, checkpoints)
    with serving(tmp_path_factory) as start:
        address = start(REPOSITORY / "app.py", cwd=REPOSITORY, env={"FEWLAB_CHECKPOINTS": str(checkpoints)})
        yield Studied(run, checkpoints, warm(address, visitor))


@pytest.fixture
def run(studied: Studied) -> Run:
    return studied.run
