"""The page and the dashboard in a browser: no errors on the console, marks in every figure."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from search.dashboard import make_dashboard
from search.reporting.search_result import read_result
from search.storage.storage import load_study, open_storage
from search.terminal.search_summary import update_notes
from tests.search.reporting import studies

pytestmark = pytest.mark.slow
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1280,1000",
)
# What is drawn in a plot, by the elements that plotly makes of it.
MARKS = ".scatterlayer path, .barlayer path, .heatmaplayer image, .hm image"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no browser: chromium and chromedriver must be on the PATH")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)) as chrome:
        chrome.set_page_load_timeout(60)
        yield chrome


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with one study of many trials."""
    folder = tmp_path_factory.mktemp("results")
    study = studies.usual_study(folder, storage=f"sqlite:///{folder}/studies.db")
    more = [
        studies.trial(number, [40.0, 50.0, 60.0 + number, 61.0 + number], lr=0.01 * number)
        for number in range(6, 14)
    ]
    study.add_trials(more)
    return folder


@pytest.fixture(scope="module")
def page(results: Path) -> Path:
    storage = f"sqlite:///{results}/studies.db"
    return read_result("study", storage, results).report("html")[0].absolute()


@pytest.fixture(scope="module")
def dashboard(results: Path) -> Iterator[str]:
    """The address of a dashboard at work."""
    storage = open_storage(f"sqlite:///{results}/studies.db", create=False)
    server = make_dashboard(storage, results, "127.0.0.1", 0)
    update_notes(load_study("study", f"sqlite:///{results}/studies.db"), results)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def wait_for(browser: Any, script: str, seconds: float = 60) -> Any:
    """The value of ``script``, once it is neither empty nor false."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, seconds).until(lambda b: b.execute_script(f"return {script}"))


def errors(browser: Any) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def open_page(browser: Any, page: Path, width: int = 1280, dark: bool = False) -> None:
    value = "dark" if dark else "light"
    media = {"features": [{"name": "prefers-color-scheme", "value": value}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get_log("browser")
    browser.get(page.as_uri())
    wait_for(browser, "window.Plotly")
    browser.execute_script(
        "document.querySelectorAll('details').forEach(d => { d.open = true; });"
        "dispatchEvent(new Event('beforeprint'))"  # draws all
    )
    wait_for(browser, "document.querySelectorAll('.plot').length && [...document."
             "querySelectorAll('.plot')].every(p => p.querySelector('.main-svg'))")  # fmt: skip


def test_every_figure_of_the_page_has_marks(browser: Any, page: Path) -> None:
    open_page(browser, page)
    marks = browser.execute_script(
        f"return Object.fromEntries([...document.querySelectorAll('.plot')].map("
        f"p => [p.id, p.querySelectorAll('{MARKS}').length]))"
    )
    assert len(marks) > 10
    assert [name for name, count in marks.items() if count == 0] == []
    assert errors(browser) == []


def test_the_page_asks_the_network_for_nothing(browser: Any, page: Path) -> None:
    open_page(browser, page)
    asked = browser.execute_script(
        "return performance.getEntriesByType('resource').map(e => e.name)"
    )
    assert [name for name in asked if not name.startswith(("data:", "blob:"))] == []


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_screen_and_nothing_overlaps(
    browser: Any, page: Path, width: int
) -> None:
    open_page(browser, page, width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    overlaps = browser.execute_script("""
        const boxes = [...document.querySelectorAll('.card, .tiles div')].map(
            e => e.getBoundingClientRect());
        let found = 0;
        boxes.forEach((a, i) => boxes.slice(i + 1).forEach(b => {
            const x = Math.min(a.right, b.right) - Math.max(a.left, b.left);
            const y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
            if (x > 1 && y > 1) found += 1;
        }));
        return found;
    """)
    assert overlaps == 0


def test_the_page_is_dark_where_the_reader_is(browser: Any, page: Path) -> None:
    colours = []
    for dark in (False, True):
        open_page(browser, page, dark=dark)
        colours.append(
            browser.execute_script(
                "return [getComputedStyle(document.body).backgroundColor,"
                "document.querySelector('.plot .xtick text').style.fill]"
            )
        )
    (light_ground, light_ink), (dark_ground, dark_ink) = colours
    assert brightness(light_ground) > 200 > 60 > brightness(dark_ground)
    assert brightness(light_ink) < 100 < 200 < brightness(dark_ink)


TRIALS = "#trials table"


def names_of(browser: Any, table: str = TRIALS) -> list[str]:
    """The first cells of the rows that are shown."""
    return browser.execute_script(
        f"return [...document.querySelectorAll('{table} tbody tr')]"
        ".filter(row => row.offsetParent).map(row => row.cells[0].textContent)"
    )


def test_tables_sort_and_filter(browser: Any, page: Path) -> None:
    open_page(browser, page)
    browser.find_element("xpath", "//section[@id='trials']//th/button[.='trial']").click()
    assert names_of(browser) == ["published", *map(str, range(14))]
    heading = "//section[@id='trials']//th/button[contains(., 'validation top-1')]"
    browser.find_element("xpath", heading).click()  # the best first
    assert names_of(browser)[:3] == ["published", "2", "5"]
    assert names_of(browser)[-1] == "4"  # it has no value
    field = browser.find_element("css selector", "#trials input")
    field.send_keys("complete lr >= 0.1")
    assert sorted(names_of(browser)[1:], key=int) == ["0", "2", "5", "10", "11", "12", "13"]
    assert "7 of 14 rows" in browser.find_element("css selector", "#trials .filter").text


def bring_up_to_date(browser: Any, plot: str, numbers: list[str]) -> None:
    """A figure is drawn again when it is seen."""
    element = f"document.getElementById('{plot}')"
    browser.execute_script(f"{element}.scrollIntoView()")
    shown = f"{element}.dataset.selected.split(' ').sort().join()"
    wait_for(browser, f"{shown} == {','.join(sorted(numbers))!r}")


def chosen(browser: Any) -> tuple[list[str], list[int]]:
    """Trials that are marked in the table, and in the figure of cost."""
    marked = browser.execute_script(
        f"return [...document.querySelectorAll('{TRIALS} tr.chosen')].map(r => r.dataset.trial)"
    )
    bring_up_to_date(browser, "cost-0", marked)
    points = browser.execute_script(
        "return document.getElementById('cost-0').data"
        ".flatMap(t => (t.selectedpoints ?? []).map(i => t.customdata[i]))"
    )
    return sorted(marked), sorted(set(points))


def test_trials_chosen_in_a_table_or_a_figure_are_marked_in_all(browser: Any, page: Path) -> None:
    open_page(browser, page)
    browser.find_element("css selector", f"{TRIALS} tr[data-trial='5'] button").click()
    assert chosen(browser) == (["5"], [5])
    browser.execute_script("""
        const plot = document.getElementById('history-0');
        const points = [2, 3].map(i => ({data: plot.data[i], pointNumber: 0}));
        plot.emit('plotly_selected', {points});
    """)
    assert chosen(browser) == (["0", "2"], [0, 2])
    bring_up_to_date(browser, "curves-0", ["0", "2"])
    lines = browser.execute_script(
        "return document.getElementById('curves-0').data"
        ".filter(t => t.opacity === 1).map(t => t.meta)"
    )
    assert set(lines) == {0, 2}  # drawn again over the faded ones
    browser.find_element("css selector", "#panel .close").click()
    assert chosen(browser) == ([], [])
    assert errors(browser) == []


def test_a_click_on_a_point_opens_its_trial(browser: Any, page: Path) -> None:
    from selenium.webdriver import ActionChains

    open_page(browser, page)
    points = browser.find_elements("css selector", "#history-0 .scatterlayer .points path")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", points[-1])
    ActionChains(browser).move_to_element(points[-1]).perform()
    wait_for(browser, "document.querySelector('#history-0 .hovertext')")
    ActionChains(browser).click().perform()
    wait_for(browser, "!document.getElementById('panel').hidden")
    panel = browser.find_element("id", "panel")
    assert "Trial 2" in panel.text
    assert "completed" in panel.text
    rows = [row.text for row in panel.find_elements("css selector", "tbody tr")]
    assert rows == ["lr 0.1 0.2", "width 2 3", "augment none crop"]
    drawn = "[...document.querySelector('#panel .curve').data].map(t => [t.name, t.y])"
    assert wait_for(browser, drawn) == [
        ["baseline", [40, 60, 70, 69]],
        ["trial 2", [50, 70, 80, 82]],
    ]
    panel.find_element("css selector", ".replay button").click()
    button = "document.querySelector('#panel .replay button')"
    assert wait_for(browser, f"{button}.textContent == 'Copied'")
    assert browser.execute_script("return String(getSelection())").strip().endswith("--trial 2")
    assert errors(browser) == []


def brightness(colour: str) -> float:
    """Of ``rgb(r, g, b)``, from 0 to 255."""
    parts = colour[colour.index("(") + 1 : -1].split(",")
    return sum(map(float, parts[:3])) / 3


def test_the_dashboard_lists_the_study(browser: Any, dashboard: str) -> None:
    browser.get_log("browser")
    browser.get(f"{dashboard}/dashboard")
    wait_for(browser, "document.body.innerText.includes('study')")
    assert errors(browser) == []


def test_the_dashboard_draws_history_intermediate_values_and_our_plots(
    browser: Any, dashboard: str
) -> None:
    browser.get_log("browser")
    browser.get(f"{dashboard}/dashboard/studies/1")
    drawn = (
        "(t => [...document.querySelectorAll('.js-plotly-plot')].some(p =>"
        " p.innerHTML.includes(t) && p.querySelectorAll('.scatterlayer path').length > 0))"
    )
    titles = ("Best so far", "Training curves", "CPU time (s)", "Pruning")
    for text in titles:
        assert wait_for(browser, f"{drawn}({text!r})"), text
    lines = "document.querySelectorAll('#graph-intermediate-values .scatterlayer .js-line').length"
    assert wait_for(browser, f"{lines} > 10")
    assert errors(browser) == []


def test_the_dashboard_shows_a_trials_note(browser: Any, dashboard: str) -> None:
    browser.get_log("browser")
    browser.get(f"{dashboard}/dashboard/studies/1/trials?numbers=2")
    assert wait_for(browser, "document.body.innerText.includes('changed from baseline')")
    assert errors(browser) == []
