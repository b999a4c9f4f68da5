import pytest
import requests
from support import Api, Server


@pytest.fixture(scope="session")
def server():
    return Server()


@pytest.fixture(scope="session")
def api(server):
    """The address of a resource of an API that takes this server's tokens."""
    with Api(server) as api:
        yield api.url


@pytest.fixture(params=["shop", "shop-post"])
def shop(server, request):
    """A client with a secret: one that sends it in the header, one that sends it in the body."""
    return server.client(request.param)


@pytest.fixture(scope="session")
def introspect(server):
    """What a resource server, which may introspect every token, is told about one."""
    resource_server = server.client("api")

    def introspect(token):
        answer = requests.post(
            server.introspection_endpoint,
            data={"token": token},
            auth=(resource_server.id, resource_server.secret),
            timeout=10,
        )
        answer.raise_for_status()
        return answer.json()

    return introspect
