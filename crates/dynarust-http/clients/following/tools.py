"""What clients run with: what must be on the machine, and what is installed into a folder."""

import shutil
import subprocess
import sys
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent


def is_there(package):
    """Whether the machine has what Debian has in this package."""
    if package == "python3-venv":
        return all(find_spec(module) for module in ["ensurepip", "venv"])
    return shutil.which({"nodejs": "node"}.get(package, package)) is not None


class Tools:
    """Installed by the ordinary clients, as soon as somebody asks."""

    def __init__(self, folder):
        self.folder = folder

    @cached_property
    def python(self):
        """A Python that has the packages of requirements.txt."""
        venv = self.folder / "venv"
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([venv / "bin/pip", "install", "--quiet", "--disable-pip-version-check",
                        "-r", HERE / "requirements.txt"], check=True)
        return venv / "bin/python"

    @cached_property
    def javascript(self):
        """A folder with the packages of package.json, and the programs that use them."""
        folder = self.folder / "javascript"
        folder.mkdir()
        for file in [HERE / "package.json", *HERE.glob("*.mjs")]:
            shutil.copy(file, folder)
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts",
                        "--no-package-lock"], cwd=folder, check=True)
        return folder
