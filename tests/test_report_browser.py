"""The report in a real browser: it draws, finds words, shows neighbours, and asks for nothing."""

import os
import shutil

import numpy as np
import pytest

from w2v_sparseadam import Vectors, save_report
from w2v_sparseadam.report import word_map
from w2v_sparseadam.report.history import History
from w2v_sparseadam.report.subject import Subject

api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's package chromium")

N_WORDS = 300
HOSTILE = ["</script><script>document.title='taken'</script>", "<b>bold</b>", "\"'&amp;"]
PATIENCE = 120_000  # milliseconds: the machine may be busy


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "page.html"
    rng = np.random.default_rng(1)
    words = [*HOSTILE, *(f"word{k}" for k in range(N_WORDS - 1)), "king"]
    matrix = rng.normal(size=(len(words), 10))
    matrix[-1] = matrix[3] + 0.1  # so that the first neighbour is known
    counts = np.arange(len(words), 0, -1)
    history = History()
    history({"event": "start", "done_tokens": 0, "threads": 1})
    for k in range(1, 20):
        event = {"event": "progress", "tokens": 100 * k, "loss": 3 - k / 20, "lr": 0.1, "pairs": 9}
        history(event)
    history({"event": "epoch", "epoch": 1, "tokens": 1900, "loss": 2.5})
    score = {"event": "score", "epoch": 1, "dataset": "a<b>.txt", "score": 40.0}
    history({**score, "low": 35.0, "high": 45.0})
    history(
        {
            "event": "best",
            "epoch": 1,
            "dataset": "a<b>.txt",
            "score": 40.0,
            "first_epoch": 1,
            "last_epoch": 2,
        }
    )
    vectors = Vectors(words, matrix, counts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(word_map, "has_umap", lambda: False)
        other = Vectors(words, matrix + 0.3 * rng.normal(size=matrix.shape))
        save_report(Subject("sample.vec", vectors, history), path, others=[other])
    return path


@pytest.fixture(scope="module")
def browser():
    options = ["--enable-unsafe-swiftshader"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--no-sandbox")  # which root cannot have
    with api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=options, timeout=PATIENCE)
        yield found
        found.close()


@pytest.fixture(params=[1280, 390])
def page(browser, page_file, request):
    context = browser.new_context(viewport={"width": request.param, "height": 900})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.errors, page.requests = [], []
    page.on("console", lambda m: page.errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("request", lambda sent: page.requests.append(sent.url))
    page.goto(page_file.as_uri(), wait_until="commit")
    page.wait_for_selector("#map[data-ready]")
    yield page
    context.close()


def center(page):
    return page.evaluate(
        "(() => { const l = document.getElementById('map')._fullLayout;"
        " return [l.xaxis, l.yaxis].map((a) => (a.range[0] + a.range[1]) / 2) })()"
    )


def neighbours_shown(page):
    return page.locator("#panel li .word").all_inner_texts()


def test_the_page_draws_and_asks_for_nothing(page, page_file):
    for chart in ("loss", "lr", "scores", "zipf", "coverage", "norms", "agreement"):
        drawn = f"#{chart} .js-line, #{chart} .bars .point path"
        page.wait_for_selector(drawn, state="attached")
    assert page.evaluate("document.querySelector('#map').data[0].x.length") == N_WORDS + 3
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.title() == "sample.vec: word vectors"
    assert page.inner_text("#training-note") == "The best epoch on a<b>.txt is 1, with 40.0."
    assert page.errors == []
    assert page.requests == [page_file.as_uri()]


def test_the_search_finds_and_centers_a_word(page):
    page.fill("#search", "KING")
    page.press("#search", "Enter")
    assert page.inner_text("#panel h3") == "king"
    assert neighbours_shown(page)[0] == "word0"
    at = page.evaluate(
        "(() => { const c = JSON.parse(document.getElementById('content').textContent).map;"
        " const k = c.words.indexOf('king'); return [c.x[k], c.y[k]] })()"
    )
    page.wait_for_function(
        "([x]) => { const a = document.getElementById('map')._fullLayout.xaxis;"
        " return Math.abs((a.range[0] + a.range[1]) / 2 - x) < 1e-3 }",
        arg=at,
    )
    np.testing.assert_allclose(center(page), at, atol=1e-3)
    page.fill("#search", "word29")
    page.press("#search", "Enter")
    assert page.inner_text("#panel h3") == "word29"
    page.locator("#found button").first.click()
    assert page.inner_text("#panel h3") == "word290"
    page.fill("#search", "nothing")
    page.press("#search", "Enter")
    assert "'nothing' is not among the 303 words of the map" in page.inner_text("#found")
    assert page.errors == []


def test_to_hover_shows_neighbours(page):
    page.fill("#search", "king")
    page.press("#search", "Enter")
    page.wait_for_timeout(500)
    page.evaluate(
        "document.getElementById('map').scrollIntoView({block: 'center', behavior: 'instant'})"
    )
    page.click("#found", position={"x": 1, "y": 1})
    # At another word than that of the search.
    x, y, word = page.evaluate(
        "(() => { const gd = document.getElementById('map'), l = gd._fullLayout, d = gd.data[0];"
        " const box = gd.getBoundingClientRect(), c = [l.xaxis._length / 2, l.yaxis._length / 2];"
        " const at = d.x.map((x, k) => [l.xaxis.l2p(x), l.yaxis.l2p(d.y[k]), k]).filter("
        " ([px, py]) => px > 9 && py > 9 && px < l.xaxis._length - 9 && py < l.yaxis._length - 9);"
        " const apart = (a) => Math.min(...at.filter((b) => b !== a).map("
        " (b) => Math.hypot(a[0] - b[0], a[1] - b[1])));"
        " const best = at.map((a) => [apart(a), a]).sort((a, b) => b[0] - a[0])[0][1];"
        " return [box.left + l._size.l + best[0], box.top + l._size.t + best[1],"
        " JSON.parse(document.getElementById('content').textContent).map.words[best[2]]] })()"
    )
    page.mouse.move(x - 3, y)
    page.mouse.move(x, y, steps=3)
    page.wait_for_function(
        "(word) => document.querySelector('#panel h3').textContent === word", arg=word
    )
    assert len(neighbours_shown(page)) == 10
    assert page.errors == []


def test_hostile_words_are_shown_as_text(page):
    for word in HOSTILE:
        page.fill("#search", word)
        page.press("#search", "Enter")
        assert page.inner_text("#panel h3") == word
    page.wait_for_timeout(300)
    assert page.evaluate("document.querySelectorAll('#panel b b, #map script').length") == 0
    assert page.title() == "sample.vec: word vectors"
    assert page.errors == []


def test_the_keyboard_reaches_everything(page):
    page.focus("#map")
    before = page.evaluate("document.getElementById('map')._fullLayout.xaxis.range[1]")
    page.keyboard.press("+")
    page.wait_for_function(
        "(x) => document.getElementById('map')._fullLayout.xaxis.range[1] < x", arg=before
    )
    reached = set()
    page.evaluate("document.activeElement.blur()")
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
    assert {"search", "color", "zoom-in", "zoom-out", "zoom-all", "save", "map"} <= reached
    page.select_option("#color", "agreement")
    assert "80 % and more" in page.inner_text("#legend")
    assert page.errors == []
