import numpy
from hypothesis import example, given
from hypothesis import strategies as st

from allennlp_graphmask.explanation.serialization import round_number, round_numbers


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.floats(width=32, allow_nan=False)))
@example([0.0, -0.0, 1.0, 2.0**-10, 0.5 + 2.0**-8, 999999.5, 9999995.0, 1000.0, 1e-5, 1e22, 1e300, 5e-324])
def test_numbers_are_rounded_as_each_one_is(values):
    finite = [value for value in values if abs(value) < 1e308]
    rounded = round_numbers(numpy.array([finite, finite])).tolist()
    assert list(map(repr, rounded[0])) == list(map(repr, map(round_number, finite))) == list(map(repr, rounded[1]))
