"""The tables of the library's database."""

from __future__ import annotations

from engine.database import Schema

SCHEMA = Schema(
    name="model library",
    migrations=(
        """
        CREATE TABLE roots (path TEXT PRIMARY KEY, added REAL NOT NULL) STRICT;
        CREATE TABLE models (
            id INTEGER PRIMARY KEY,
            path TEXT NOT NULL UNIQUE,
            root TEXT NOT NULL,
            name TEXT NOT NULL,
            is_folder INTEGER NOT NULL,
            size INTEGER NOT NULL,
            mtime_ns INTEGER NOT NULL,
            inode INTEGER NOT NULL,
            side TEXT NOT NULL,
            in_cache INTEGER NOT NULL,
            gone INTEGER NOT NULL DEFAULT 0,
            kind TEXT NOT NULL,
            family TEXT NOT NULL,
            variant TEXT NOT NULL,
            prediction TEXT NOT NULL,
            precision TEXT NOT NULL,
            layout TEXT NOT NULL,
            reason TEXT NOT NULL,
            supported INTEGER NOT NULL,
            title TEXT NOT NULL,
            base TEXT NOT NULL,
            description TEXT NOT NULL,
            preview TEXT NOT NULL,
            triggers TEXT NOT NULL,
            licence TEXT NOT NULL,
            source TEXT NOT NULL,
            metadata TEXT NOT NULL,
            words TEXT NOT NULL,
            notes TEXT NOT NULL DEFAULT '',
            own_kind TEXT NOT NULL DEFAULT '',
            own_family TEXT NOT NULL DEFAULT '',
            sha256 TEXT NOT NULL DEFAULT '',
            autov3 TEXT NOT NULL DEFAULT '',
            fingerprint TEXT NOT NULL DEFAULT ''
        ) STRICT;
        CREATE INDEX models_sha256 ON models (sha256);
        CREATE INDEX models_size ON models (size);
        CREATE INDEX models_name ON models (name COLLATE NOCASE);
        CREATE TABLE downloads (
            id TEXT PRIMARY KEY,
            added REAL NOT NULL,
            state TEXT NOT NULL,
            plan TEXT NOT NULL,
            message TEXT NOT NULL DEFAULT '',
            path TEXT NOT NULL DEFAULT ''
        ) STRICT;
        CREATE TABLE parts (
            download TEXT NOT NULL REFERENCES downloads (id) ON DELETE CASCADE,
            name TEXT NOT NULL,
            etag TEXT NOT NULL DEFAULT '',
            size INTEGER NOT NULL DEFAULT -1,
            done INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (download, name)
        ) STRICT;
        """,
    ),
)
