from benchmarks.tables import markdown_table, mean_and_range


def test_markdown_table():
    assert markdown_table(["a", "b"], [[1, "x"], [2, "y"]]) == "| a | b |\n| --- | --- |\n| 1 | x |\n| 2 | y |"


def test_mean_and_range():
    assert mean_and_range([0.5, 0.25, 0.75]) == "50.0 [25.0, 75.0]"
    assert mean_and_range([1, 2], number="{:.3f}", factor=1) == "1.500 [1.000, 2.000]"
