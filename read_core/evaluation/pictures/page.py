"""One page with a report's tables and the videos side by side."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from ...errors import MediaError
from ..tables.report import Report, Table, shown

_HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
  :root {{ color-scheme: light dark; }}
  body {{ font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }}
  .wide {{ overflow-x: auto; }}
  table {{ border-collapse: collapse; }}
  th, td {{ border-bottom: 1px solid #8886; padding: .25rem .7rem; text-align: right; }}
  th:first-child, td:first-child {{ text-align: left; }}
  .note {{ color: #888; max-width: 60rem; }}
  .pair {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); gap: 1rem; }}
  figure {{ margin: 0; }}
  video {{ width: 100%; background: #000; }}
  img {{ max-width: 100%; }}
  figcaption {{ color: #888; }}
</style>
"""
_SCRIPT = """<script>
  for (const button of document.querySelectorAll("button")) {
    button.onclick = () => {
      const videos = [...button.closest("section").querySelectorAll("video")];
      const playing = videos.some((video) => !video.paused && !video.ended);
      for (const [index, video] of videos.entries()) {
        video.muted = index > 0;
        if (playing) video.pause();
        else { video.currentTime = 0; video.play(); }
      }
    };
  }
</script>
"""


def save_page(
    path: Path, report: Report, videos: Mapping[str, Mapping[str, Path]], pictures: Sequence[Path] = ()
) -> None:
    """Write an HTML page. It refers to videos and pictures by relative paths, and to nothing else.

    Args:
        path: of the page.
        report: its tables come first.
        videos: by a label of who made them, and by name. Those of the first label are shown in order, and
            the others of the same names next to them.
        pictures: shown between tables and videos.

    Raises:
        MediaError: it cannot be written.
    """
    parts = [_HEAD.format(title=escape(report.title)), f"<h1>{escape(report.title)}</h1>\n"]
    parts += [f"<p>{escape(name)}: {escape(shown(value))}</p>\n" for name, value in report.metadata.items()]
    parts += [_table(table) for table in report.tables]
    parts += [
        f'<p><img src="{_address(picture, path.parent)}" alt="{escape(picture.stem)}"></p>\n'
        for picture in pictures
    ]
    parts.append("<h2>Videos</h2>\n")
    for name in next(iter(videos.values()), {}):
        sides = [(label, made[name]) for label, made in videos.items() if name in made]
        figures = "".join(
            f'<figure><video controls playsinline preload="metadata" '
            f'src="{_address(file, path.parent)}"></video>'
            f"<figcaption>{escape(label)}</figcaption></figure>\n"
            for label, file in sides
        )
        button = '<button type="button">Play or pause all</button>' if len(sides) > 1 else ""
        parts.append(
            f'<section><h3>{escape(name)}</h3>{button}<div class="pair">\n{figures}</div></section>\n'
        )
    try:
        path.write_text("".join([*parts, _SCRIPT, "</html>\n"]), encoding="utf-8", errors="replace")
    except OSError as error:
        raise MediaError(f"{path}: cannot be written: {error.strerror or error}") from error


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(title)}</th>" for title in table.columns)
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(shown(cell))}</td>' for cell in row)}</tr>\n" for row in table.rows
    )
    paragraphs = table.note.split("\n\n") if table.note else []
    note = "".join(f'<p class="note">{escape(paragraph)}</p>\n' for paragraph in paragraphs)
    return (
        f"<h2>{escape(table.title)}</h2>\n"
        f'<div class="wide"><table><tr>{head}</tr>\n{rows}</table></div>\n{note}'
    )


def _address(file: Path, folder: Path) -> str:
    """A video's address relative to the page; on another drive, its absolute one."""
    try:
        return quote(Path(os.path.relpath(file, folder)).as_posix())
    except ValueError:
        return file.resolve().as_uri()
