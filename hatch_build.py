"""The hooks of the wheel: the C++ library, the platform tag, and the description's links.

The environment variable SEQSWEEP_WHEEL selects another wheel than that of this machine. It is a
platform of `TARGETS` in src/seqsweep/native/build.py, for which ziglang compiles, or `any` for a
wheel without a library.
"""

import importlib.util
import os
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface
from packaging.tags import platform_tags


class NativeLibrary(BuildHookInterface[Any]):
    """Puts the library into the wheel or, for an editable install, into the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        platform = os.environ.get("SEQSWEEP_WHEEL")
        if platform == "any":
            return
        native = _load(Path(self.root) / "src/seqsweep/native/build.py")
        if platform is not None:
            target, folder = native.TARGETS[platform], Path(self.root) / "build" / platform
            native.build(folder, native.zig(), target)
        else:
            target, folder = native.HERE, native.LIB
            try:
                native.build()
            except (native.BuildError, OSError) as error:
                self.app.display_warning(f"no native engine in this wheel: {error}")
                return
            platform = _platform()
        if version == "editable":
            return
        names = [target.file_name(variant) for variant in target.variants]
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"
        build_data["force_include"] |= {
            str(folder / name): f"seqsweep/native/lib/{name}" for name in names
        }


class Description(MetadataHookInterface):
    """Makes the links of the description addresses, or texts while the repository has none."""

    def update(self, metadata: dict[str, Any]) -> None:
        root = Path(self.root)
        links = _load(root / "scripts/links.py")
        page, address = root / "README.md", links.repository()
        text = links.with_addresses(page.read_text(encoding="utf-8"), page, address)
        if address:
            text = text.replace("<this repository>", address)
            metadata["urls"] = {
                "Repository": address,
                "Changelog": f"{address}/blob/main/CHANGELOG.md",
            }
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


def _load(path: Path) -> ModuleType:
    """Loads a module from its file, because the package is not installed yet."""
    spec = importlib.util.spec_from_file_location(f"seqsweep_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _platform() -> str:
    """Returns the platform tag of this machine.

    It is not a manylinux tag, because a compiler here links newer libraries than manylinux allows.
    """
    tags = platform_tags()
    return next(tag for tag in tags if "manylinux" not in tag and "musllinux" not in tag)
