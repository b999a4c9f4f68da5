"""What must hold for the files themselves."""

import base64
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

from files import ROOT, command, compose, stages, texts

failures = []


def rule(holds, sentence):
    if not holds:
        failures.append(sentence)


def tool(*words):
    rule(subprocess.run(words, cwd=ROOT).returncode == 0, f"passes: {' '.join(map(str, words))}")


def tools():
    tool("hadolint", "Dockerfile")
    tool("check-jsonschema", "--quiet", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")
    scripts = ["deploy/make-secrets", ".ci/run", "tests/containers/check"]
    tool("shellcheck", *[script for script in scripts if (ROOT / script).exists()])


def dockerfile():
    build, final = stages()
    rule(re.fullmatch(r"[1-9]\d*:[1-9]\d*", texts(final, "USER")[-1]), "the image's user is a number and not root")
    rule(command(texts(final, "ENTRYPOINT")[-1]) == ["jeton"], "the image runs jeton")
    rule(command(texts(final, "CMD")[-1]) == ["serve"], "the image serves if nothing else is asked")
    rule(texts(final, "EXPOSE") == ["8080"], "the image exposes 8080 and nothing else")
    health = texts(final, "HEALTHCHECK")[-1].split("CMD ")[-1]
    rule(command(health) == ["jeton", "health"], "the image's health is what `jeton health` says")
    rule(not texts(final, "RUN"), "the final image has no shell that could run something")
    rule(all("--locked" in run for run in texts(build, "RUN") if "cargo" in run), "cargo builds what Cargo.lock says")


def services():
    file = compose()
    jeton, postgres = file["services"]["jeton"], file["services"]["postgres"]
    for name, service in file["services"].items():
        rule(service.get("read_only") is True, f"{name}: read_only")
        rule(service.get("cap_drop") == ["ALL"] and "cap_add" not in service, f"{name}: no capabilities")
        rule("no-new-privileges:true" in service.get("security_opt", []), f"{name}: no-new-privileges")
        rule("/tmp" in service.get("tmpfs", []), f"{name}: /tmp is a tmpfs")
        rule("healthcheck" in service, f"{name}: a health check")
        rule("privileged" not in service and service.get("network_mode") is None, f"{name}: contained")
        for value in service["environment"].values():
            rule("://" not in value or "@" not in value, f"{name}: no secret in the environment")
        for secret in service["secrets"]:
            used = [key for key, value in service["environment"].items() if value == f"/run/secrets/{secret}"]
            rule(used and used[0].endswith("_FILE"), f"{name}: the secret {secret} is used by a _FILE setting")
    rule(jeton["healthcheck"]["test"] == ["CMD", "jeton", "health"], "jeton: health by `jeton health`")
    rule(jeton["ports"] == ["127.0.0.1:8080:8080"], "jeton: only 8080 is published, on loopback")
    rule(jeton["environment"]["JETON_ISSUER"].startswith("${JETON_ISSUER:?"), "jeton: the issuer is required")
    rule(jeton["depends_on"]["postgres"]["condition"] == "service_healthy", "jeton: waits for Postgres")
    rule("ports" not in postgres, "postgres: not published")
    rule(postgres["image"] == "postgres:17", "postgres: version 17")
    outside = [entry["subnet"] for entry in file["networks"]["default"]["ipam"]["config"]]
    rule(outside == [jeton["environment"]["JETON_TRUSTED_PROXIES"]], "jeton: trusts the proxy, which its network's gateway is")
    internal = {name for name, network in file["networks"].items() if network.get("internal") is True}
    rule(internal >= set(postgres["networks"]), "postgres: an internal network only")


def secrets():
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "deploy").mkdir()
        script = Path(scratch) / "deploy/make-secrets"
        shutil.copy(ROOT / "deploy/make-secrets", script)
        folder = Path(scratch) / "secrets"

        def make():
            return subprocess.run([script], capture_output=True, cwd="/").returncode == 0

        def read():
            return {path.name: path.read_text() for path in folder.iterdir()}

        rule(make(), "make-secrets works")
        first = read()
        wanted = {name: Path(value["file"]).name for name, value in compose()["secrets"].items()}
        rule(set(first) == set(wanted.values()), "make-secrets: what docker-compose.yml mounts, nothing else")
        rule(stat.S_IMODE(folder.stat().st_mode) == 0o700, "make-secrets: only the owner can enter the folder")
        modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
        rule(modes == {0o444}, "make-secrets: a container's user can read the files")
        key = first["master_key"]
        rule(len(key) == 43 and len(base64.urlsafe_b64decode(key + "=")) == 32, "make-secrets: a key of 32 bytes")
        password = first["postgres_password"]
        rule(len(password) == 43 and password != key, "make-secrets: a password of 32 other bytes")
        rule(first["database_url"] == f"postgres://jeton:{password}@postgres:5432/jeton", "make-secrets: the URL")
        rule(make() and read() == first, "make-secrets: a second run changes nothing")
        os.remove(folder / "database_url")
        rule(make() and read() == first, "make-secrets: a missing URL is made from the password that is there")
        os.remove(folder / "postgres_password")
        rule(not make(), "make-secrets: a URL whose password is missing is refused")
    private = ["secrets/master_key", ".env"]
    ignored = subprocess.run(["git", "check-ignore", *private], cwd=ROOT, capture_output=True, text=True).stdout
    rule(ignored.split() == private, "git ignores the secrets")


for check in [tools, dockerfile, services, secrets]:
    check()
for sentence in failures:
    print(f"containers: does not hold: {sentence}", file=sys.stderr)
sys.exit(bool(failures))
