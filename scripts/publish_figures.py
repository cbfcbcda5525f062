"""Copy results of the evaluations into docs: tables, pictures, and the table of aims in docs/read-tiny.md.

    python scripts/publish_figures.py [--tiny output/photo] [--variants output/variants] [--docs docs]

It copies what exists of the folders evaluation, robust, select and distill (written by the commands in
docs/read-tiny.md) and of the output of ``make paper`` and ``make variants``. It lists missing files; their
versions in docs are not changed. It copies no picture of a single portrait of --faces: the suite tiny draws
those on a separate sheet, which is not in the list, and fig2 shows a drawn presenter, which comes first.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from pathlib import Path

from PIL import Image

TABLES = {
    "tiny/evaluation/report.md": "tiny.md",
    "tiny/robust/robust.md": "robust.md",
    "tiny/select/select.md": "select.md",
    "tiny/distill/distill.md": "distill.md",
    "tiny/table1/table1.md": "table1.md",
    "tiny/fig2/fig2.md": "fig2.md",
    "tiny/table3/table3.md": "table3.md",
    "tiny/fig3/fig3.md": "fig3.md",
    "variants/table2/table2.md": "table2.md",
    "variants/shift/table2.md": "shift.md",
    "variants/fig2/fig2.md": "variants-fig2.md",
}
PICTURES = {
    "tiny/evaluation/sheet.png": "read-tiny-sheet.jpg",
    "tiny/evaluation/mouths.png": "read-tiny-mouths.jpg",
    "tiny/evaluation/seams.png": "read-tiny-seams.png",
    "tiny/evaluation/photographs.png": "read-tiny-photographs.jpg",
    "tiny/fig3/fig3.png": "fig3.png",
    "tiny/robust/robust.png": "read-tiny-robust.jpg",
    "tiny/fig2/fig2.png": "fig2.png",
    "tiny/fig2/fig2-mean.png": "fig2-mean.png",
    "variants/fig2/fig2.png": "variants-fig2.png",
    "variants/fig2/fig2-mean.png": "variants-fig2-mean.png",
}
CARD = "read-tiny.md"
AIMS = re.compile(r"\| aim \|.*?\n(?=\n)", re.DOTALL)
_WIDEST = 1100  # pixels of a picture in docs
_QUALITY = 88


def publish(sources: dict[str, Path], docs: Path) -> list[str]:
    """Copy all existing files; return the missing ones.

    Args:
        sources: the folders of the tables and pictures.
        docs: folder with the folders figures and images.
    """
    missing = []
    for names, folder, copy in ((TABLES, "figures", shutil.copyfile), (PICTURES, "images", _copy_picture)):
        for source, name in names.items():
            kind, rest = source.split("/", 1)
            found = sources[kind] / rest
            if found.exists():
                copy(found, docs / folder / name)
            else:
                missing.append(str(found))
    card, tables = docs / CARD, docs / "figures" / "tiny.md"
    aims, text = AIMS.search(_read(tables)), _read(card)
    if aims is None or len(AIMS.findall(text)) != 1:
        missing.append(f"a table of aims in {tables} and one in {card}")
    else:
        card.write_text(AIMS.sub(lambda _: aims.group(), text), encoding="utf-8")
    return missing


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _copy_picture(source: Path, target: Path) -> None:
    picture = Image.open(source).convert("RGB")
    if picture.width > _WIDEST:
        height = round(picture.height * _WIDEST / picture.width)
        picture = picture.resize((_WIDEST, height), Image.Resampling.LANCZOS)
    if target.suffix == ".png":
        picture.quantize(256).save(target, optimize=True)
    else:
        picture.save(target, quality=_QUALITY)


def main(arguments: list[str] | None = None) -> int:
    """Publish; return exit status 1 if anything is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", type=Path, default=Path("output/photo"), help="folder of make read-tiny")
    parser.add_argument("--variants", type=Path, default=Path("output/variants"), help="of make variants")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="where to")
    args = parser.parse_args(arguments)
    missing = publish({"tiny": args.tiny, "variants": args.variants}, args.docs)
    for name in missing:
        sys.stderr.write(f"not there: {name}\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
