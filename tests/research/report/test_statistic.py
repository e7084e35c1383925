"""What statistics are computed with."""

import ast
from pathlib import Path

import numpy as np
import pytest

from livekit.research.report import statistic
from livekit.research.report.statistic import sum_of_products

PRODUCTS = {"dot", "vdot", "inner", "matmul", "cov", "corrcoef"}


def test_sum_of_products_is_that_of_the_series():
    left, right = np.random.default_rng(1).normal(size=(2, 30_000))
    assert sum_of_products(left, right) == pytest.approx(float(np.sum(left * right)))
    assert sum_of_products(left[:0], right[:0]) == 0.0


@pytest.mark.parametrize(
    "path", sorted(Path(statistic.__file__).parent.glob("*.py")), ids=lambda path: path.stem
)
def test_no_statistic_wakes_the_threads_of_blas(path):
    """They spin for a tenth of a second after a product of two long series."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not isinstance(node, ast.MatMult)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert node.value.id != "np" or node.attr not in PRODUCTS
