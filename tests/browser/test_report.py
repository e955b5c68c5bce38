"""The page of `allennlp explain-report` in a real browser: its filters against a recount, and how long it takes."""

import time
from typing import Any, Dict, List

import pytest

from allennlp_graphmask.explanation import write_explanations
from allennlp_graphmask.report import build_report, parse_runs, write_report
from allennlp_graphmask.report.tables import FORMS
from tests.browser.test_views import check
from tests.report.random_explanations import TASKS, explanations
from tests.report.recount import recount

FILTERS = {"correct": "wrong", "relation": None, "layer": "1", "predicate": "nominal", "label": None}


@pytest.fixture()
def open_report(open_file, tmp_path):
    def open_it(*sources, **options):
        paths = []
        for number, (name, made) in enumerate(sources):
            write_explanations(tmp_path / f"{number}.jsonl", made)
            paths.append(f"{name}={tmp_path / f'{number}.jsonl'}")
        write_report(build_report(parse_runs(paths), num_examples=3), tmp_path / "report")
        return open_file(tmp_path / "report" / "index.html", **options)

    return open_it


def read_tables(page) -> Dict[str, List[List[str]]]:
    """The rows that are shown, or would be if all were, as texts of their cells, by the name of the table."""
    return page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll("section")].map((section) => [
            section.querySelector("h2").id,
            [...section.querySelectorAll("tbody tr:not(.empty)")].map((row) => [...row.cells].map((cell) => cell.innerText.trim())),
        ]))"""
    )


def choose(page, dimension: str, value: str) -> float:
    """Milliseconds until the tables are there."""
    return page.evaluate(
        """([dimension, value]) => {
            const select = document.querySelector(`[data-filter=${dimension}]`);
            select.value = value;
            const start = performance.now();
            select.dispatchEvent(new Event("change"));
            document.body.getBoundingClientRect();
            return performance.now() - start;
        }""",
        [dimension, value],
    )


def format_share(share: float) -> str:
    return f"{100 * share:.0f} %" if 100 * share >= 10 else f"{100 * share:.2g} %"


@pytest.mark.parametrize("task", TASKS)
def test_filters_give_what_a_recount_of_the_rest_gives(open_report, task):
    made = explanations(task)
    page = open_report(("one", made)).page
    for box in page.locator(".all-rows").all():
        box.check()
    unfiltered = read_tables(page)
    records: List[Any] = [record for explanation in made for record in recount(explanation)]
    groups = {(record["focus"], record["verified"]) for _, record in records}
    forms = {form.name: form for form in FORMS}
    for dimension, value in FILTERS.items():
        select = page.locator(f"[data-filter={dimension}]")
        if not select.count():
            continue
        value = value or select.locator("option").nth(1).get_attribute("value")
        choose(page, dimension, value)
        for name, rows in read_tables(page).items():
            form = forms[name]
            of_form = [record for cube, record in records if cube == form.cube]
            is_filtered = dimension in of_form[0]
            if not is_filtered:
                assert rows == unfiltered[name] or dimension in form.keys
            left = [one for one in of_form if not is_filtered or str(one[dimension]) == value]
            keys = {tuple(str(one[key]) or "none" for key in form.keys) for one in left}
            assert {tuple(row[: len(form.keys)]) for row in rows} == keys, (dimension, name)
            # The count and the first share of every series; which is which is known by both.
            for row in rows:
                of_row = [
                    one for one in left if [str(one[key]) or "none" for key in form.keys] == row[: len(form.keys)]
                ]
                expected = []
                for group in groups:
                    own = [one for one in of_row if (one["focus"], one["verified"]) == group]
                    of_group = [one for one in left if (one["focus"], one["verified"]) == group]
                    total = sum(one[form.ratios[0].denominator] for one in (of_group if form.ratios[0].of_all else own))
                    count = sum(one[form.counts[0]] for one in own)
                    share = sum(one[form.ratios[0].numerator] for one in own) / total if count and total else None
                    expected.append((f"{count:,}" if count else "–", "–" if share is None else format_share(share)))
                shown = row[len(form.keys) :]
                width = len(shown) // len(groups)
                assert sorted(zip(shown[::width], shown[1::width])) == sorted(expected), (dimension, name)
        page.get_by_role("button", name="Show all").click()
        assert read_tables(page) == unfiltered


@pytest.mark.parametrize("task", TASKS)
def test_is_quiet_and_accessible(open_report, task):
    opened = open_report(("one", explanations(task)), ("two", explanations(task, seed=1)))
    check(opened)
    choose(opened.page, "correct", "wrong")
    check(opened)


def test_the_first_rows_that_a_filter_leaves_are_shown(open_report):
    page = open_report(("one", explanations("roles", 400))).page
    rows = page.locator("#path_shapes ~ .scroll tbody tr:visible")
    assert rows.count() == 12
    first = rows.first.inner_text()
    choose(page, "label", "AM-TMP")
    choose(page, "correct", "wrong")
    assert rows.count() == 12 and rows.first.inner_text() != first
    page.locator("section", has=page.locator("#path_shapes")).get_by_role("checkbox").check()
    assert rows.count() > 12


def test_usable_on_a_small_screen(open_report):
    opened = open_report(("one", explanations("roles")), viewport={"width": 360, "height": 640})
    check(opened)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_without_a_filter_the_script_gives_what_was_there(open_report):
    runs = [(name, explanations("roles", seed=seed)) for seed, name in enumerate(["one", "one", "one", "two"])]
    page = open_report(*runs).page
    before = read_tables(page)
    assert " to " in before["relations"][0][2]
    page.evaluate("refresh()")
    assert read_tables(page) == before


def test_five_thousand_explanations(open_report):
    made = explanations("roles", 5000)
    start = time.monotonic()
    opened = open_report(("one", made))
    assert time.monotonic() - start < 60
    page = opened.page
    loading = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    assert 0 < loading < 2000
    for dimension, value in {"correct": "wrong", "relation": "nsubj", "predicate": "nominal"}.items():
        assert choose(page, dimension, value) < 200
