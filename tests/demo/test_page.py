"""The page in a headless Chromium: a picture goes in, classes and attention come out, or one clear error.

Needs Gradio, Playwright and Chromium (`apt-get install chromium`); skipped where one of them is missing.
"""

import gc
import shutil

import pytest
from PIL import Image

from keras_vit import demo

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # of Gradio's and its server's

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def address():
    """Where the page of vit_digits is served."""
    gradio = pytest.importorskip("gradio")
    yield demo.launch("vit_digits", waits=False)
    gradio.close_all()
    gc.collect()  # here, where the warnings of what Gradio and Playwright leave open are ignored


@pytest.fixture
def page(address):
    api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    with api.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 1100, "height": 1500})
        opened.set_default_timeout(30_000)
        asked = []
        opened.on("request", lambda request: asked.append(request.url))
        opened.goto(address)
        opened.asked = asked
        yield opened
        browser.close()


def drop(page, path):
    page.locator("input[type=file]").first.set_input_files(str(path))


@pytest.fixture
def seven(tmp_path):
    """A handwritten digit, as a file of usual size."""
    digits = pytest.importorskip("sklearn.datasets").load_digits()
    pixels = (digits.images[7] * 255 / 16).astype("uint8")
    Image.fromarray(pixels).resize((160, 160), Image.Resampling.NEAREST).save(tmp_path / "seven.png")
    return tmp_path / "seven.png"


def test_a_picture_gets_classes_and_a_picture_of_each_head(page, seven):
    drop(page, seven)
    page.get_by_text("mean of all heads").first.wait_for()
    assert page.get_by_test_id("label-output-value").inner_text() == "7"
    assert page.locator(".grid-container img, .gallery img").count() >= 5
    before = page.locator(".grid-container img").first.get_attribute("src")
    page.get_by_label("number input for Encoder layer").fill("0")
    page.get_by_label("number input for Encoder layer").press("Enter")
    page.wait_for_function("before => document.querySelector('.grid-container img').src != before", arg=before)


def test_an_unreadable_picture_is_one_clear_error(page, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    drop(page, tmp_path / "broken.png")
    page.get_by_text("broken.png").last.wait_for()
    text = page.get_by_test_id("toast-body").inner_text()
    assert "broken.png" in text
    assert "/tmp" not in text


def test_nothing_is_fetched_from_elsewhere(page, address):
    assert {url for url in page.asked if not url.startswith((address, "data:", "blob:"))} == set()
