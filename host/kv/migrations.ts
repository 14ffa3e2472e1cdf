/**
 * The schema of the key-value store, as steps that only ever grow at the end.
 * A tenant's name stands in one row alone, and entries know their namespace by a number that is never given again:
 * deleting a tenant is one small commit, and what it leaves to be swept can never be found under its name.
 * Keys are BLOBs: compared byte by byte, with no collation and no end at a NUL.
 */
import type { Migrations } from '../registry/store/schema.ts'

const first = `
  CREATE TABLE tenants (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    keys INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE spaces (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant INTEGER NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (tenant, name)
  ) STRICT;

  CREATE TABLE dropped (
    space INTEGER PRIMARY KEY
  ) STRICT;

  CREATE TABLE entries (
    space INTEGER NOT NULL,
    key BLOB NOT NULL,
    version INTEGER NOT NULL,
    expires INTEGER,
    size INTEGER NOT NULL,
    metadata TEXT,
    value BLOB NOT NULL,
    PRIMARY KEY (space, key)
  ) STRICT, WITHOUT ROWID;

  CREATE INDEX expiring ON entries (space, expires) WHERE expires IS NOT NULL;
`

/** One row, if the store is a copy of a journal: which one, and how far it has come. */
const second = `
  CREATE TABLE journal (
    name TEXT NOT NULL,
    applied INTEGER NOT NULL
  ) STRICT;
`

export const MIGRATIONS: Migrations = [first, second]
