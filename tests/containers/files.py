"""Reads Dockerfile and docker-compose.yml."""

import json
import shlex
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "target/containers"
# WORKDIR of the build stage, on this machine.
SOURCE = CACHE / "src"


def compose():
    return YAML(typ="safe").load(ROOT / "docker-compose.yml")


def stages():
    """For each FROM the list of its instructions: (name, text)."""
    found = []
    for line in (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines():
        name, _, text = line.strip().partition(" ")
        if name == "FROM":
            found.append([])
        if name and not name.startswith("#"):
            found[-1].append((name, text.strip()))
    return found


def texts(stage, wanted):
    return [text for name, text in stage if name == wanted]


def command(text):
    """A command in its exec form, the only one that works without a shell."""
    return json.loads(text)


def copy(text):
    """Options, sources and destination of a COPY."""
    words = shlex.split(text)
    options = dict(word[2:].split("=", 1) for word in words if word.startswith("--"))
    *sources, destination = [word for word in words if not word.startswith("--")]
    return options, sources, destination
