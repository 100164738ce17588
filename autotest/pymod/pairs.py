"""Fewer cases than all combinations: every pair of values of two parameters is in one of them."""

import itertools


def _pairs(case):
    return {(i, case[i], j, case[j]) for i, j in itertools.combinations(range(len(case)), 2)}


def pairwise(*parameters, possible=lambda *values: True):
    """A list of tuples with one value of each parameter (a list, or the keys of a dictionary). Always the same.

    possible tells which combinations there can be; pairs that are in none of these are in no case."""
    parameters = [list(values) for values in parameters]
    places = [
        place
        for place in itertools.product(*(range(len(values)) for values in parameters))
        if possible(*(values[i] for values, i in zip(parameters, place)))
    ]
    missing = set().union(*map(_pairs, places))
    chosen = []
    while missing:
        best = max(places, key=lambda place: len(_pairs(place) & missing))
        missing -= _pairs(best)
        chosen.append(tuple(values[i] for values, i in zip(parameters, best)))
    return chosen
