"""All rows, in the order of the table. A name chooses a row on the command line, and says in the table which lines a run makes anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks import data, lists, metadata, standing
from benchmarks.bench import Bench
from benchmarks.measuring import Line

ROWS: dict[str, Callable[[Bench], Iterator[Line]]] = {
    "idle": standing.idle_memory,
    "show": metadata.show,
    "list": metadata.page,
    "list-many": lists.pages_of_many,
    "walk": metadata.walks,
    "create": metadata.create_and_delete,
    "upload": data.one_upload,
    "uploads": data.four_uploads,
    "upload-v1": data.one_upload_v1,
    "download": data.whole_downloads,
    "first-byte": data.first_bytes,
    "ranges": data.pieces,
    "meanwhile": standing.show_meanwhile,
    "slow": standing.slow,
    "start": standing.start,
}
