"""Quantiles of a histogram on an OpenMetrics page."""

import collections
import re

# The bucket that holds the quantile: more than `low`, at most `high` seconds.
Range = collections.namedtuple("Range", "low high")


def buckets(page, name, before=""):
    """(upper bound in seconds, observations up to it), rising. The metric may have a prefix.

    What the page `before` has observed already is left out.
    """
    pattern = re.compile(rf'^(?:\w+_)?{name}_bucket{{[^}}]*le="([^"]+)"[^}}]*}} (\S+)', re.MULTILINE)
    earlier = dict(pattern.findall(before))
    found = pattern.findall(page)
    return sorted((float(bound), float(count) - float(earlier.get(bound, 0))) for bound, count in found)


def count(page, name, before=""):
    found = buckets(page, name, before)
    return int(found[-1][1]) if found else 0


def quantile(page, name, q, before=""):
    low = 0.0
    found = buckets(page, name, before)
    for bound, below in found:
        if below >= q * found[-1][1]:
            return Range(low, bound)
        low = bound
    raise ValueError(f"{name} is empty")


def show(quantile_range):
    low, high = (f"{1e3 * bound:g}" for bound in quantile_range)
    return f"{low} to {high} ms"
