"""Clients in Java and Go, by the recipes of docs/frameworks.md and by libraries alone. Some prove who they are by keys."""

import json
import os
import re
import subprocess

import pytest

from recipes import JAVA, behind, compile_go, compile_java
from support import AUDIENCE, CACHE, GUIDE, HERE, IDP, ISSUER, ROOT, recipe, sections


def introspect(jeton, token):
    return json.loads(jeton.post("introspect", "api", token=token))


def test_the_sdk_of_nimbus(jeton, tmp_path):
    classpath = compile_java(tmp_path, {"Nimbus.java": (HERE / "spring/Nimbus.java").read_text()})
    command = [*JAVA, "-cp", classpath, "Nimbus", jeton.issuer, AUDIENCE, str(jeton.folder / "worker.jwk.json")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = introspect(jeton, done.stdout.strip())
    assert (found["sub"], found["act"], found["scope"]) == ("worker", {"sub": "worker"}, "read")


def test_the_clients_of_go(jeton):
    program = compile_go("clients", (HERE / "go/clients.go").read_text())
    command = [program, jeton.issuer, str(jeton.folder), jeton.secrets["portal"]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    worker, portal = introspect(jeton, said["worker"]), introspect(jeton, said["portal"])
    assert (worker["sub"], worker["scope"]) == ("worker", "read")
    assert (portal["sub"], portal["sub_iss"], portal["client_id"]) == ("ann", IDP, "portal")
    assert json.loads(said["mallory"])["error"] == "invalid_grant"


@pytest.mark.parametrize(("heading", "client"), [("Spring: a client", "service"), ("Spring: a client with a key", "worker")])
def test_the_client_of_spring_gets_a_token_and_sends_it(heading, client, jeton, tmp_path):
    (tmp_path / "application.yaml").write_text(recipe(heading, "yaml").replace(ISSUER, jeton.issuer))
    with behind() as api:
        program = recipe("Spring: a client", "java").replace(AUDIENCE, f"http://127.0.0.1:{api.server_port}")
        programs = {"Caller.java": program} | ({"Keys.java": recipe(heading, "java")} if client == "worker" else {})
        command = [*JAVA, "-cp", compile_java(tmp_path, programs), "com.example.Caller"]
        environment = os.environ | {"SERVICE_SECRET": jeton.secrets["service"]}
        environment["WORKER_KEY"] = (jeton.folder / "worker.jwk.json").read_text()
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0 and f'{{"subject": "{client}"}}' in done.stdout, done
    answer = json.loads(jeton.post("introspect", "api", token=api.token))
    assert answer["active"] and answer["scope"] == "read", answer


def test_the_guide_names_the_versions_of_the_client_libraries():
    pins = [*ROOT.glob("tests/*/requirements.txt"), *ROOT.glob("tests/*/js/package.json"), *ROOT.glob("examples/mcp/[pr]*")]
    pins = [file.read_text() for file in (*pins, HERE / "go/go.mod", CACHE / "spring/classpath") if file.is_file()]
    rows = re.findall(r"^\| `([^`]+)` \| ([^ ]+) \|", sections(GUIDE)["Client libraries"], re.MULTILINE)
    assert len(rows) > 10
    for name, version in rows:
        pinned = rf"(?m)(^|[\"/\s]){re.escape(name)}(==|\": \"| v|-){re.escape(version)}(\.jar|\"|$)"
        assert any(re.search(pinned, text) for text in pins), (name, version)
