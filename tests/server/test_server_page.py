"""The page in a real browser, on a desk and on a phone."""

import re

import numpy as np
import pytest

from featsr_tf.server import ServerOptions
from featsr_tf.server.app import create_app
from tests.server.browser import CHROMIUM
from tests.server.browser import Browser
from tests.server.running_server import running
from tests.server.toy_export import grey
from tests.server.toy_export import picture

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium is installed")
HAS_RESULTS = "!document.getElementById('results').hidden"
HAS_ERROR = "!document.getElementById('error').hidden"


@pytest.fixture(scope="module")
def address(toy_model, example):
    options = ServerOptions(max_body_mb=0.5)
    with running(create_app(toy_model, options, example)) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture(autouse=True)
def no_complaints(browser):
    browser.events.clear()
    yield
    assert not browser.complaints()


def text(browser, selector):
    return browser.evaluate(
        f"document.querySelector({selector!r}).textContent.trim()"
    )


def set_score(browser, value):
    browser.evaluate(
        "(() => { const slider = document.getElementById('score');"
        f"slider.value = {value};"
        "slider.dispatchEvent(new Event('input')); })()"
    )


def show_example(browser, address, **window):
    browser.open(f"{address}/?example", **window)
    browser.wait_for(HAS_RESULTS)


def test_it_says_what_the_model_looks_for(browser, address):
    browser.open(address)
    browser.wait_for("document.getElementById('classes').textContent")
    assert text(browser, "#model") == "toy, version 3, 2 classes"
    assert text(browser, "#classes") == "It looks for: stop, yield."
    assert not browser.evaluate(HAS_RESULTS)


def test_it_shows_what_both_detectors_find(browser, address):
    show_example(browser, address)
    # 192 / 256 = 0.75, and half of it for the base detector.
    set_score(browser, 0.1)
    for detector in ("base", "super_resolved"):
        found = text(browser, f"#count-{detector}")
        assert re.fullmatch(r"2 objects, 0 small, \d+ ms", found)
    set_score(browser, 0.5)
    assert text(browser, "#count-base").startswith("0 objects")
    assert text(browser, "#count-super_resolved").startswith("1 object,")
    assert text(browser, "#score-value") == "50%"
    assert text(browser, "#status") == (
        "The example. Base detector: 0 objects. Super-resolved: 1 object."
    )


def test_it_begins_at_the_score_of_the_model(browser, address):
    show_example(browser, address)
    assert text(browser, "#score-value") == "70%"
    assert text(browser, "#count-base").startswith("0 objects")
    assert text(browser, "#count-super_resolved").startswith("1 object,")


def test_boxes_are_drawn_where_the_objects_are(browser, address):
    show_example(browser, address)
    set_score(browser, 0.1)
    # The left half of the photo: its lower right corner has a line of the
    # class's colour, #3fc1ff, just outside of it; the inside stays grey.
    colour = (
        "(() => { const canvas = document.getElementById('canvas-base');"
        "const [x, y] = [%s * canvas.width, %s * canvas.height];"
        "return [...canvas.getContext('2d').getImageData("
        "Math.round(x) + 2, Math.round(y), 1, 1).data.slice(0, 3)]; })()"
    )
    assert browser.evaluate(colour % (0.5, 0.8)) == [0x3F, 0xC1, 0xFF]
    np.testing.assert_allclose(
        browser.evaluate(colour % (0.25, 0.8)), 192, atol=2
    )


def test_small_objects_are_enlarged_with_the_scores_of_both(
    browser, address, tmp_path
):
    photo = tmp_path / "small.png"
    photo.write_bytes(picture(grey(192, 50, 100)))
    browser.open(address)
    browser.wait_for("document.getElementById('classes').textContent")
    browser.choose_file("#file", photo)
    browser.wait_for(HAS_RESULTS)
    set_score(browser, 0.3)
    # 20 x 5 px in the middle; the left half has 50 x 50 px.
    assert (
        browser.evaluate("document.querySelectorAll('#small li').length") == 1
    )
    card = text(browser, "#small li")
    assert card == "stop20 x 5 pxBase detector 38%Super-resolved 75%"
    set_score(browser, 0.5)
    assert text(browser, "#small li").endswith(
        "Base detector –Super-resolved 75%"
    )


def test_it_works_with_the_keyboard_alone(browser, address, tmp_path):
    photo = tmp_path / "small.png"
    photo.write_bytes(picture(grey(192, 50, 100)))
    browser.open(address)
    browser.wait_for("document.getElementById('classes').textContent")
    browser.choose_file("#file", photo)
    browser.wait_for(HAS_RESULTS)
    browser.evaluate("document.body.focus()")
    focused = []
    for _ in range(5):
        browser.press("Tab", 9)
        focused.append(
            browser.evaluate(
                "document.activeElement.id || document.activeElement.tagName"
            )
        )
    assert focused == ["file", "example", "score", "BUTTON", "download"]
    browser.evaluate("document.querySelector('#small button').focus()")
    browser.press("Enter", 13)
    pressed = "document.querySelector('#small button[aria-pressed=true]')"
    assert browser.evaluate(f"{pressed} === document.activeElement")


def test_windows_of_a_second_look_can_be_switched_on(
    browser, address, looking_model, example
):
    label = "getComputedStyle(document.getElementById('windows-label')).display"
    show_example(browser, address)
    assert browser.evaluate(label) == "none"
    # The middle of the upper side of the window, #ff5cf4 when it is drawn.
    colour = (
        "(() => { const canvas = document.getElementById('canvas-%s');"
        "return [...canvas.getContext('2d').getImageData(canvas.width / 2,"
        "Math.round(canvas.height / 4), 1, 1).data.slice(0, 3)]; })()"
    )
    with running(create_app(looking_model, ServerOptions(), example)) as port:
        show_example(browser, f"http://127.0.0.1:{port}")
        assert browser.evaluate(label) != "none"
        assert "window" not in text(browser, "#count-super_resolved")
        browser.evaluate("document.getElementById('windows').click()")
        found = text(browser, "#count-super_resolved")
        assert re.fullmatch(r"1 object, 0 small, 1 window, \d+ ms", found)
        assert "window" not in text(browser, "#count-base")
        assert browser.evaluate(colour % "super_resolved") == [255, 92, 244]
        assert browser.evaluate(colour % "base") == [192, 192, 192]
        browser.evaluate("document.getElementById('windows').click()")
        assert browser.evaluate(colour % "super_resolved") == [192, 192, 192]


@pytest.mark.parametrize(
    "content, error",
    [
        (b"no image", "no readable image of 8 bytes"),
        (bytes(600_000), "The photo has 0.6 MB; the server takes up to 0.5 MB"),
    ],
)
def test_errors_are_told_in_words(browser, address, tmp_path, content, error):
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    browser.open(address)
    browser.wait_for("document.getElementById('classes').textContent")
    browser.choose_file("#file", path)
    browser.wait_for(HAS_ERROR)
    assert error in text(browser, "#error")
    # The browser itself notes an answer of 400.
    browser.events.clear()


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_sticks_out_of_the_window(browser, address, width, dark):
    show_example(browser, address, width=width, height=800, dark=dark)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    background = "getComputedStyle(document.body).backgroundColor"
    brightness = browser.evaluate(background) == "rgb(255, 255, 255)"
    assert brightness == (not dark)
    panels = browser.evaluate(
        "[...document.querySelectorAll('#panels canvas')].map("
        "(canvas) => canvas.getBoundingClientRect().top)"
    )
    assert (panels[0] == panels[1]) == (width > 900)


def test_what_was_found_can_be_saved(browser, address, tmp_path):
    browser.call(
        "Browser.setDownloadBehavior",
        behavior="allow",
        downloadPath=str(tmp_path),
    )
    show_example(browser, address)
    browser.evaluate("document.getElementById('download').click()")
    saved = tmp_path / "The example.json"
    browser.wait_for("true")
    for _ in range(100):
        if saved.exists():
            break
        browser.evaluate("new Promise((done) => setTimeout(done, 50))")
    assert '"super_resolved"' in saved.read_text()
