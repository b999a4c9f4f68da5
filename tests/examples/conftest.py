"""The servers that most tests share, and factories for those that a test needs for itself."""

import itertools

import pytest

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
