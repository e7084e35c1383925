"""The size of things, and that everything public is documented and listed.

Limits: a module has 400 lines, a function 60, its docstring included. A reader who
meets a longer one should find it split where the idea splits.
"""

import ast

import pytest
import source

MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DEFINITIONS = (*FUNCTIONS, ast.ClassDef)

MODULES = sorted(source.modules())


def test_the_package_was_found():
    assert len(MODULES) > 50


@pytest.mark.parametrize("name", MODULES)
def test_module_is_not_too_long(name):
    n_lines = len(source.modules()[name].read_text(encoding="utf-8").splitlines())
    assert n_lines <= MAX_MODULE_LINES, f"{name} has {n_lines} lines; split it"


@pytest.mark.parametrize("name", MODULES)
def test_functions_are_not_too_long(name):
    too_long = {
        node.name: length
        for node in ast.walk(source.tree(name))
        if isinstance(node, FUNCTIONS)
        and (length := node.end_lineno - node.lineno + 1) > MAX_FUNCTION_LINES
    }
    assert too_long == {}


@pytest.mark.parametrize("name", MODULES)
def test_everything_public_has_a_docstring(name):
    tree = source.tree(name)
    missing = [] if ast.get_docstring(tree) else ["the module"]
    missing += [path for path, node in public_definitions(tree) if not ast.get_docstring(node)]
    assert missing == []


def public_definitions(node, path=""):
    """Yield (dotted name, node) of the public classes, functions and methods of a module."""
    for child in getattr(node, "body", ()):
        if not isinstance(child, DEFINITIONS) or child.name.startswith("_"):
            continue
        if any(ast.unparse(d).endswith((".setter", "overload")) for d in child.decorator_list):
            continue
        yield path + child.name, child
        if isinstance(child, ast.ClassDef):
            yield from public_definitions(child, f"{path}{child.name}.")


def listed(tree):
    """Return a module's `__all__`, or None."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    return None


def bound(tree):
    """Return every name that stands at the top of a module, imports included."""
    names = set()
    for node in ast.walk(ast.Module(tree.body, [])):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
    for node in tree.body:
        names |= defined_by(node)
    return names


def defined_by(node):
    """Return the names that one statement defines, without imports."""
    if isinstance(node, DEFINITIONS):
        return {node.name}
    targets = []
    if isinstance(node, ast.Assign) and not says_what_a_field_holds(node.value):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    return {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}


def says_what_a_field_holds(value):
    """Tell an alias such as `Price = Annotated[float, Meta(gt=0)]`, of its module's records."""
    return any(word in ast.unparse(value) for word in ("Annotated[", "Literal["))


def order(name):
    """Return the sorting key of `__all__`: CONSTANTS, then Classes, then functions."""
    if name.isupper():
        return 0, name
    return (1 if name[0].isupper() else 2), name


@pytest.mark.parametrize("name", MODULES)
def test_all_is_sorted_and_names_what_exists(name):
    names = listed(source.tree(name))
    if names is None:
        pytest.skip("has no __all__")
    assert names == sorted(names, key=order)
    assert len(names) == len(set(names))
    assert set(names) - bound(source.tree(name)) == set()


@pytest.mark.parametrize("name", MODULES)
def test_all_names_every_public_definition(name):
    tree = source.tree(name)
    public = set()
    for node in tree.body:
        public |= {item for item in defined_by(node) if not item.startswith("_")}
    assert public - set(listed(tree) or ()) == set(), "list it in __all__, or make it private"


def test_modules_take_only_what_others_list():
    facades = {"livekit", "livekit.trading"}
    wrong = []
    for name in MODULES:
        for item in source.imports_of(name):
            if item.imported in source.modules() and item.imported not in facades:
                names = set(listed(source.tree(item.imported)) or ())
                wrong += [
                    f"{name}:{item.line} takes {taken} from {item.imported}"
                    for taken in item.names
                    if taken not in names
                ]
    assert wrong == []
