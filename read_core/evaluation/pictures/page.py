"""One page with a report's tables and the videos side by side."""

from __future__ import annotations

import os
from collections.abc import Mapping
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
  .pair {{ display: flex; flex-wrap: wrap; gap: 1rem; align-items: end; }}
  figure {{ margin: 0; flex: 1 1 18rem; max-width: 32rem; }}
  video {{ width: 100%; background: #000; }}
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


def save_page(path: Path, report: Report, generated: Mapping[str, Path], real: Mapping[str, Path]) -> None:
    """Write an HTML page. It refers to the videos where they are, by relative paths, and to nothing else.

    Args:
        path: of the page.
        report: its tables come first.
        generated: videos by name, in order.
        real: those of the same names stand beside them.

    Raises:
        MediaError: it cannot be written.
    """
    parts = [_HEAD.format(title=escape(report.title)), f"<h1>{escape(report.title)}</h1>\n"]
    parts += [f"<p>{escape(name)}: {escape(shown(value))}</p>\n" for name, value in report.metadata.items()]
    parts += [_table(table) for table in report.tables]
    parts.append("<h2>Videos</h2>\n")
    for name, video in generated.items():
        sides = [("generated", video)] + ([("real", real[name])] if name in real else [])
        figures = "".join(
            f'<figure><video controls preload="metadata" src="{_address(file, path.parent)}"></video>'
            f"<figcaption>{label}</figcaption></figure>\n"
            for label, file in sides
        )
        button = '<button type="button">Play or pause both</button>' if len(sides) == 2 else ""
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
    note = f'<p class="note">{escape(table.note)}</p>\n' if table.note else ""
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
