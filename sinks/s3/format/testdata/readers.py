"""Reads objects with libraries that know nothing of the connector.

usage: readers.py READER FILE; prints one JSON document a row, in a canonical form.
"""

import base64
import datetime
import gzip
import json
import sys

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def plain(value):
    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        return (value - EPOCH) // datetime.timedelta(milliseconds=1)
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if value is not None and not isinstance(value, (str, bool, int, float)):
        raise ValueError(f"a value of type {type(value)}")
    return value


def with_fastavro(path):
    import fastavro

    with open(path, "rb") as file:
        yield from fastavro.reader(file)


def with_pyarrow(path):
    import pyarrow.parquet as pq

    for row in pq.read_table(path).to_pylist(maps_as_pydicts="strict"):
        yield row


def with_duckdb(path):
    import duckdb

    cursor = duckdb.connect().execute(
        "SELECT * REPLACE (epoch_ms(effective_at) AS effective_at) FROM read_parquet(?)", [path]
    )
    names = [column[0] for column in cursor.description]
    while rows := cursor.fetchmany(1000):
        for row in rows:
            yield dict(zip(names, row))


def with_duckdb_json(path):
    import duckdb

    cursor = duckdb.connect().execute(
        "SELECT json FROM read_json_objects(?, format='newline_delimited', maximum_object_size=100000000)", [path]
    )
    while rows := cursor.fetchmany(1000):
        for row in rows:
            yield json.loads(row[0])


def with_json(path):
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8", newline="\n") as file:
        for line in file:
            yield json.loads(line)


def types_of(path):
    import pyarrow.parquet as pq

    for field in pq.read_schema(path):
        yield {"name": field.name, "type": str(field.type)}


READERS = {
    "fastavro": with_fastavro,
    "pyarrow": with_pyarrow,
    "duckdb": with_duckdb,
    "duckdb-json": with_duckdb_json,
    "json": with_json,
    "types": types_of,
}

for row in READERS[sys.argv[1]](sys.argv[2]):
    print(json.dumps(plain(row)))
