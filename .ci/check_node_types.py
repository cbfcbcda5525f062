"""Check the types of the node pack.

    python .ci/check_node_types.py

The host loads the checkout as a package, whatever the folder is called. For mypy it becomes the
package ``pack`` in a temporary folder, so that ``nodes`` finds ``read_core``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """mypy's exit status."""
    with tempfile.TemporaryDirectory() as folder:
        pack = Path(folder) / "pack"
        pack.mkdir()
        (pack / "__init__.py").touch()
        for name in ("nodes", "read_core"):
            (pack / name).symlink_to(ROOT / name, target_is_directory=True)
        config = [
            "--config-file",
            str(ROOT / "pyproject.toml"),
            "--cache-dir",
            str(ROOT / ".mypy_cache" / "pack"),
        ]
        command = [sys.executable, "-m", "mypy", *config, "-p", "pack.nodes"]
        return subprocess.run(command, cwd=folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
