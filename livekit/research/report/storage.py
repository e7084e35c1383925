"""A saved run: a folder with run.json and one Parquet file for each table.

The folder is written beside its place and renamed, so it is whole or not there; a run
that is replaced is moved aside first and removed last. Columns are the fields of
trading/ledger_layout as they are, with times as UTC timestamps (null where a time never
came), so pandas, DuckDB and Polars read them as they lie; the numbers of sides, types
and statuses are those of livekit.events, instruments those of run.json.
Layer 3.
"""

import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from livekit.errors import ConfigError, DataError, NotFoundError
from livekit.research.report.identity import run_hash
from livekit.research.report.rows import Rows
from livekit.research.report.values import to_json
from livekit.trading.ledger_layout import EQUITY_LOG, FILL_LOG, ORDER_LOG

__all__ = ["load", "save"]

_FORMAT: Final = 1
_META: Final = "run.json"
_TABLES: Final = {"orders": ORDER_LOG, "fills": FILL_LOG, "equity": EQUITY_LOG}
_TIME: Final = pa.timestamp("ns", tz="UTC")
_TIMES: Final = ("ts", "ts_venue", "created_ns", "acked_ns", "final_ns")


def save(rows: Rows, folder: str | os.PathLike[str]) -> Path:
    """Write a run's folder, whole or not at all; a run already there is replaced.

    Raises
    ------
    ConfigError
        The folder holds something that is no run.
    DataError
        It cannot be written.
    """
    target = Path(folder).absolute()
    if target.exists() and not _may_replace(target):
        raise ConfigError(
            f"{str(folder)!r} is there and is no saved run; choose another folder or remove it"
        )
    staged = target.parent / f".writing-{target.name}-{secrets.token_hex(6)}"
    try:
        staged.mkdir(parents=True)
        _write(rows, staged)
        _put(staged, target)
    except OSError as error:
        raise DataError(
            f"run {str(folder)!r} cannot be written ({error.strerror or error}); free space or "
            "permit writing, or choose another folder"
        ) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return Path(folder)


def _may_replace(target: Path) -> bool:
    return target.is_dir() and ((target / _META).is_file() or not any(target.iterdir()))


def _write(rows: Rows, staged: Path) -> None:
    said = {"format": _FORMAT, "hash": run_hash(rows), "meta": to_json(rows.meta)}
    text = json.dumps(said, indent=1, allow_nan=False, ensure_ascii=False)
    with (staged / _META).open("x", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    tables = {name: _to_table(getattr(rows, name)) for name in _TABLES}
    if rows.marks is not None:
        columns = {name: rows.marks[:, index] for index, name in enumerate(rows.symbols)}
        tables["marks"] = pa.table({"ts": pa.array(rows.equity["ts"]).cast(_TIME), **columns})
    for name, table in tables.items():
        with (staged / f"{name}.parquet").open("xb") as file:
            parquet.write_table(table, file, compression="zstd", write_page_checksum=True)
            file.flush()
            os.fsync(file.fileno())


def _put(staged: Path, target: Path) -> None:
    """Rename the staged folder to its place, an old one out of the way."""
    if not target.exists():
        staged.rename(target)
        return
    old = target.parent / f".replaced-{target.name}-{secrets.token_hex(6)}"
    target.rename(old)
    try:
        staged.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _to_table(rows: np.ndarray) -> pa.Table:
    columns = {}
    for name in rows.dtype.names or ():
        values = np.ascontiguousarray(rows[name])
        if name in _TIMES:
            columns[name] = pa.array(values, mask=values == 0).cast(_TIME)
        elif values.dtype.kind == "S":
            columns[name] = pa.array(values).cast(pa.string())
        elif name != "spare":
            columns[name] = pa.array(values)
    return pa.table(columns)


def load(
    folder: str | os.PathLike[str],
) -> tuple[dict[str, Any], np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Read a run's folder: meta, orders, fills, equity and marks.

    Raises
    ------
    NotFoundError
        There is no run.
    DataError
        A file of it is missing, broken or of another version.
    """
    source = Path(folder)
    said = _read_meta(source)
    meta = said["meta"]
    tables = {name: _from_table(source / f"{name}.parquet", kind) for name, kind in _TABLES.items()}
    marks = _read_marks(source / "marks.parquet")
    orders, fills, equity = (tables[name] for name in _TABLES)
    found = run_hash(Rows(meta, orders, fills, equity, marks))
    if found != said["hash"]:
        raise _broken(
            source, f"its rows hash to {found}, run.json says {said['hash']!r}; they were changed"
        )
    return meta, orders, fills, equity, marks


def _broken(path: Path, reason: str) -> DataError:
    return DataError(f"run {str(path)!r} cannot be read: {reason}; run it again")


def _read_meta(source: Path) -> dict[str, Any]:
    try:
        text = (source / _META).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundError(
            f"there is no saved run in {str(source)!r}: it has no {_META}; `livekit runs` lists "
            "those there are"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise _broken(source, f"{_META}: {error}") from error
    try:
        said = json.loads(text)
    except ValueError as error:
        raise _broken(source, f"{_META} is no JSON ({error})") from error
    is_ours = isinstance(said, dict) and isinstance(said.get("meta"), dict)
    if not is_ours or said.get("format") != _FORMAT:
        was = said.get("format") if isinstance(said, dict) else None
        raise _broken(source, f"{_META} is of format {was!r}, this livekit reads {_FORMAT}")
    found: dict[str, Any] = said
    return found


def _read_table(path: Path) -> pa.Table:
    try:
        return parquet.read_table(path, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise _broken(path.parent, f"{path.name} is missing or broken ({reason})") from error


def _from_table(path: Path, kind: np.dtype[np.void]) -> np.ndarray:
    table = _read_table(path)
    rows = np.zeros(table.num_rows, kind)
    for name in kind.names or ():
        if name == "spare":
            continue
        if name not in table.column_names:
            raise _broken(path.parent, f"{path.name} has no column {name!r}")
        column = table.column(name)
        try:
            if name in _TIMES:
                column = column.cast(pa.int64()).fill_null(pa.scalar(0, pa.int64()))
            rows[name] = column.to_numpy()
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise _broken(path.parent, f"column {name!r} of {path.name}: {error}") from error
    return rows


def _read_marks(path: Path) -> np.ndarray | None:
    if not path.exists():
        return None
    table = _read_table(path)
    return np.column_stack([one.to_numpy() for one in table.columns[1:]])
