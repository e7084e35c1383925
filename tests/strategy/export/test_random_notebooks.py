"""Random notebooks: constants and functions that use each other, in random cells.

Injected: the order of the cells, cells run twice, names the class does not need.
Checked: the file computes what the notebook computes, has nothing that is not needed,
and is the same however the cells were ordered.
"""

import random
import re

from livekit.strategy.export import exported
from livekit.strategy.loader import load_class

N_ITEMS = 9
N_NOTEBOOKS = 12  # times --scale


class Recipe:
    """Statements of a random notebook, and what each needs when it is run or called."""

    def __init__(self, dice):
        self.texts, self.uses, self.is_function = {}, {}, {}
        for index in range(N_ITEMS):
            self._add(index, dice)
        self.wanted = dice.sample(sorted(self.texts), 3)

    def _add(self, index, dice):
        is_function = dice.random() < 0.5
        name = f"{'f' if is_function else 'K'}{index}"
        known = list(self.texts)
        used = dice.sample(known, min(len(known), dice.randrange(3)))
        terms = [f"{other}({index})" if self.is_function[other] else other for other in used]
        terms.append(str(dice.randrange(100)))
        if is_function:
            text = f"def {name}(x):\n    # of {index}\n    return (x + {' + '.join(terms)}) % 97"
        else:
            text = f"{name} = ({' + '.join(terms)}) % 89  # of {index}"
        self.texts[name], self.uses[name], self.is_function[name] = text, used, is_function

    def needed(self):
        """Return what the class reaches."""
        found, stack = set(), list(self.wanted)
        while stack:
            name = stack.pop()
            if name not in found:
                found.add(name)
                stack += self.uses[name]
        return found

    def cells(self, dice):
        """Return the statements in a random order that runs, in random cells, some twice."""
        order, waiting = [], list(self.texts)
        while waiting:
            ready = [n for n in waiting if self.is_function[n] or self._is_ready(n, order)]
            name = dice.choice(ready)
            waiting.remove(name)
            order.append(name)
        order += dice.sample(order, 3)  # run again: the text is the same, so is the value
        cells = []
        while order:
            size = dice.randrange(1, 4)
            cells.append("\n".join(self.texts[name] for name in order[:size]))
            order = order[size:]
        return cells

    def _is_ready(self, name, done):
        reach, stack = set(), list(self.uses[name])
        while stack:
            used = stack.pop()
            reach.add(used)
            stack += self.uses[used]
        return reach <= set(done)

    def class_text(self):
        terms = [f"{n}(1)" if self.is_function[n] else n for n in self.wanted]
        return (
            "class Mine(lk.Strategy):\n    @staticmethod\n    def value():\n"
            f"        return [{', '.join(terms)}]"
        )


def pytest_generate_tests(metafunc):
    if "seed" in metafunc.fixturenames:
        n = max(1, round(N_NOTEBOOKS * metafunc.config.getoption("--scale")))
        metafunc.parametrize("seed", range(n))


def test_file_of_a_random_notebook_computes_the_same(notebook, seed):
    dice = random.Random(seed)
    recipe = Recipe(dice)
    made = []
    for _ in range(2):
        notebook.shell.reset()
        notebook.run("import livekit as lk", *recipe.cells(dice), recipe.class_text())
        made.append(exported(notebook.names["Mine"]))
    assert made[0] == made[1]
    defined = re.findall(r"^(?:def )?([fK]\d)", made[0].source, re.MULTILINE)
    assert sorted(defined) == sorted(recipe.needed())
    assert load_class(made[0].path).value() == notebook.names["Mine"].value()
