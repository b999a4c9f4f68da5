"""The servers that most tests share, and factories for those that a test needs for itself."""

import itertools
import shutil
import tempfile
from pathlib import Path

import pytest

from mcp_stage import Stage
from support import LANGUAGES, Api, Jeton, Process, command


class Started:
    """Starts things, and stops them in reverse order."""

    def __init__(self, folders):
        self.folders, self.running, self.numbers = folders, [], itertools.count()

    def folder(self):
        return self.folders.mktemp(f"started-{next(self.numbers)}")

    def keep(self, thing):
        self.running.append(thing)
        return thing

    def jeton(self, **environment) -> Jeton:
        return self.keep(Jeton(self.folder(), **environment))

    def api(self, language, issuer, **environment) -> Api:
        return self.keep(Api(language, issuer, self.folder(), **environment))

    def client(self, language, **environment) -> Process:
        return self.keep(Process(command(language, "client"), environment, self.folder()))

    def stop(self):
        for thing in reversed(self.running):
            thing.stop()


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    started = Started(tmp_path_factory)
    yield started
    started.stop()


@pytest.fixture
def start(tmp_path_factory):
    started = Started(tmp_path_factory)
    yield started
    started.stop()


@pytest.fixture(scope="session")
def jeton(shared):
    return shared.jeton()


@pytest.fixture(scope="session", params=LANGUAGES)
def language(request):
    return request.param


@pytest.fixture(scope="session")
def api(shared, jeton, language):
    """Checks JWTs by the published keys."""
    return shared.api(language, jeton.url)


@pytest.fixture(scope="session")
def strict(shared, jeton, language):
    """Asks Jeton about every token."""
    return shared.api(language, jeton.url, INTROSPECT="always")


@pytest.fixture(scope="session")
def opaque_client(jeton):
    return jeton.client(access_token_format="opaque")


@pytest.fixture(scope="session")
def open_folder():
    """Open to the workers of nginx, which may be another user's, to whom pytest's folders are closed."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def mcp(shared, open_folder):
    """The MCP server of the examples, which agents call."""
    return Stage(shared, open_folder)
