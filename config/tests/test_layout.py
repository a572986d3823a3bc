"""Who may import whom, read from the sources. There are no cycles, not even for types."""

import ast

import pytest
from django.conf import settings

APPS = ("users", "tasks")
OURS = {"config", *APPS}
# None of these names answers "where is the rule about X?".
NAMELESS = {"common", "core", "helpers", "selectors", "services", "utils", "api"}
# What the apps may import of config.
SHARED = ("config.rest", "config.db", "config.admin")
# The one module that imports from app to app: tasks take part in changes to an account.
EXCEPTION = ("tasks/apps.py", "users.deletion", "users.time_zones")


class Imports(ast.NodeVisitor):
    """Collects the modules that a source imports: at run time, and for its types alone."""

    def __init__(self, source):
        self.at_run_time = set()
        self.for_types = set()
        self.found = self.at_run_time
        self.visit(ast.parse(source))

    def visit_If(self, node):
        outer, name = self.found, ast.unparse(node.test)
        self.found = self.for_types if name in {"TYPE_CHECKING", "typing.TYPE_CHECKING"} else outer
        for child in node.body:
            self.visit(child)
        self.found = outer
        for child in node.orelse:
            self.visit(child)

    def visit_Import(self, node):
        self.found.update(alias.name for alias in node.names)

    def visit_ImportFrom(self, node):
        module = "." * node.level + (node.module or "")
        self.found.update(f"{module}.{alias.name}" for alias in node.names)

    def visit_Call(self, node):
        called = ast.unparse(node.func).rpartition(".")[2]
        if called in {"import_module", "__import__"} and node.args:
            self.found.add(ast.literal_eval(node.args[0]))
        self.generic_visit(node)


def is_of(module, *packages):
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def is_forbidden(path, module, *, for_types):
    """Return whether the module at this path must not import that one."""
    if module.startswith(".") or (NAMELESS & set(module.split(".")) and is_of(module, *OURS)):
        return True
    if path.startswith(("config/rest/", "config/db/", "config/admin.py")):
        return is_of(module, *OURS) and not is_of(module, *SHARED)
    home = path.partition("/")[0]
    if home not in APPS or not is_of(module, *OURS - {home}):
        return False
    if is_of(module, "config"):
        return not is_of(module, *SHARED)
    return not (home == "tasks" and (for_types or (is_of(module, *EXCEPTION[1:]) and path == EXCEPTION[0])))


def faults_of(path, source):
    """Return what is wrong with the product module at this path."""
    imports = Imports(source)
    named = [path] if NAMELESS & set(path.removesuffix(".py").split("/")) else []
    return named + sorted(
        [name for name in imports.at_run_time if is_forbidden(path, name, for_types=False)]
        + [name for name in imports.for_types if is_forbidden(path, name, for_types=True)]
    )


def product_modules():
    for package in sorted(OURS):
        for file in sorted((settings.BASE_DIR / package).rglob("*.py")):
            path = file.relative_to(settings.BASE_DIR)
            if "tests" not in path.parts:
                yield path.as_posix(), file.read_text()


def test_every_module_imports_the_right_way():
    modules = dict(product_modules())
    assert {"users/views.py", "tasks/views.py", "config/rest/problems.py"} <= modules.keys()
    faults = {path: faults_of(path, source) for path, source in modules.items()}
    assert {path: found for path, found in faults.items() if found} == {}


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("users/views.py", "import tasks"),
        ("users/views.py", "import tasks.models as models"),
        ("users/views.py", "from tasks.models import Task"),
        ("users/views.py", "def late():\n    from tasks import models"),
        ("users/views.py", "if TYPE_CHECKING:\n    from tasks.models import Task"),
        ("users/apps.py", "import_module('tasks.models')"),
        ("users/apps.py", "importlib.import_module('config.middleware')"),
        ("users/migrations/0002.py", "from tasks.models import Task"),
        ("users/management/commands/x.py", "from config import settings"),
        ("tasks/models.py", "from users.models import User"),
        ("tasks/models.py", "from users.deletion import account_deletion"),
        ("tasks/apps.py", "from users.models import User"),
        ("tasks/models.py", "try:\n    import users\nexcept ImportError:\n    pass"),
        ("tasks/models.py", "if TYPE_CHECKING:\n    pass\nelse:\n    import users"),
        ("tasks/models.py", "if not TYPE_CHECKING:\n    import users"),
        ("tasks/views.py", "from config.request_log import log"),
        ("tasks/views.py", "from config import middleware, rest"),
        ("tasks/views.py", "from config.restless import view"),
        ("tasks/views.py", "from .models import Task"),
        ("tasks/views.py", "from tasks.services import complete"),
        ("tasks/services.py", ""),
        ("config/utils/dates.py", ""),
        ("config/health.py", "from config.core import x"),
        ("config/rest/strict.py", "from users.models import User"),
        ("config/rest/strict.py", "from config import settings"),
        ("config/db/prepared.py", "if TYPE_CHECKING:\n    from tasks.models import Task"),
        ("config/admin.py", "from users.models import User"),
        ("tasks/admin.py", "from config.administration import BoundedAdmin"),
    ],
)
def test_an_import_the_wrong_way_is_found(path, source):
    assert len(faults_of(path, source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("users/views.py", "from config.rest.problems import Problem"),
        ("users/models.py", "from config.db.prepared import prepared"),
        ("users/admin.py", "from config.admin import BoundedAdmin"),
        ("users/views.py", "from django.core import checks\nimport rest_framework.utils.urls"),
        ("tasks/models.py", "if TYPE_CHECKING:\n    from users.models import User"),
        ("tasks/models.py", "import tasks_of_somebody_else\nimport user_agents"),
        ("tasks/apps.py", "from users.deletion import account_deletion"),
        ("config/urls.py", "from users import urls\nfrom tasks.models import Task"),
        ("config/rest/strict.py", "from config.rest.fields import TextField"),
    ],
)
def test_an_import_the_right_way_is_not(path, source):
    assert faults_of(path, source) == []


def test_no_product_module_imports_a_test():
    found = {
        path: [name for name in Imports(source).at_run_time if ".tests" in name or is_of(name, "conftest")]
        for path, source in product_modules()
    }
    assert not any(found.values())


# --- cycles ------------------------------------------------------------------


def imported_modules(sources):
    """Return the product modules that each one imports, at run time or for its types."""
    modules = {path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in sources}
    graph = {}
    for module, path in modules.items():
        imports = Imports(sources[path])
        names = {name for found in (imports.at_run_time, imports.for_types) for name in found}
        graph[module] = {
            prefix for name in names for prefix in (name, name.rpartition(".")[0]) if prefix in modules
        } - {module}
    return graph


def cycle_in(graph):
    """Return the modules of a cycle, or nothing."""
    done, path = set(), []

    def visit(module):
        if module in path:
            return path[path.index(module) :]
        if module in done:
            return []
        path.append(module)
        for imported in sorted(graph[module]):
            if found := visit(imported):
                return found
        done.add(path.pop())
        return []

    return next((found for module in sorted(graph) if (found := visit(module))), [])


def test_no_imports_go_round_in_a_circle():
    graph = imported_modules(dict(product_modules()))
    assert "tasks.sql" in graph["tasks.models"]
    assert cycle_in(graph) == []


@pytest.mark.parametrize("circle", ["from a.two import y", "if TYPE_CHECKING:\n    from a import two"])
def test_a_circle_is_found_even_for_types(circle):
    sources = {
        "a/__init__.py": "",
        "a/one.py": circle,
        "a/two.py": "import a.one",
        "a/three.py": "import a.one",
    }
    assert cycle_in(imported_modules(sources)) == ["a.one", "a.two"]
    assert cycle_in(imported_modules({**sources, "a/one.py": ""})) == []
