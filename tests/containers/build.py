"""Runs by hand what the Dockerfile's build stage runs, from the files that .dockerignore lets through."""

import os
import shutil
import subprocess
import sys

from docker.utils.build import exclude_paths
from files import ROOT, SOURCE, copy, stages

LARGEST = 25_000_000


def empty():
    """Only what cargo has built is kept, which an image builder would have as layers."""
    SOURCE.mkdir(parents=True, exist_ok=True)
    for path in SOURCE.iterdir():
        if path.name != "target":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def main():
    lines = [line.strip() for line in (ROOT / ".dockerignore").read_text().splitlines()]
    context = exclude_paths(str(ROOT), [line for line in lines if line and not line.startswith("#")])
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CARGO_TARGET")}
    empty()
    for name, text in stages()[0]:
        if name == "COPY":
            _, sources, _ = copy(text)
            for path in sorted(context):
                if sources == ["."] or path in sources:
                    target = SOURCE / path
                    if (ROOT / path).is_dir():
                        target.mkdir(parents=True, exist_ok=True)
                    else:
                        target.parent.mkdir(parents=True, exist_ok=True)
                        shutil.copy2(ROOT / path, target)
        elif name == "RUN":
            print(f"containers: RUN {text}", flush=True)
            subprocess.run(["sh", "-c", text], cwd=SOURCE, env=environment, check=True)
        elif name not in ("FROM", "WORKDIR"):
            sys.exit(f"containers: this check does not know the instruction {name}")
    size = (SOURCE / "target/dist/jeton").stat().st_size
    print(f"containers: jeton has {size} bytes")
    if size > LARGEST:
        sys.exit(f"containers: that is more than {LARGEST}")


main()
