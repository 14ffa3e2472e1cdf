/**
 * The schema of the store of actors, as steps that only ever grow at the end.
 * A service stands under its name in one row alone, and its actors know it by a number that is never given again: deleting a
 * service or a tenant is one small commit, and what it leaves to be swept can never be found under its name.
 * Names and keys are BLOBs: compared byte by byte, with no collation and no end at a NUL.
 */
import type { Migrations } from '../../../registry/store/schema.ts'

const first = `
  CREATE TABLE services (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    actors INTEGER NOT NULL,
    UNIQUE (tenant, name)
  ) STRICT;

  CREATE TABLE dropped (
    service INTEGER PRIMARY KEY
  ) STRICT;

  -- due: as the guest has set it; try: when the host tries it (next); changes: how often it was set.
  CREATE TABLE actors (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    service INTEGER NOT NULL,
    class TEXT NOT NULL,
    name BLOB NOT NULL,
    version INTEGER,
    bytes INTEGER NOT NULL,
    due INTEGER,
    try INTEGER,
    changes INTEGER NOT NULL,
    retries INTEGER NOT NULL,
    claimed INTEGER NOT NULL,
    UNIQUE (service, class, name)
  ) STRICT;

  CREATE INDEX alarms ON actors (try, service) WHERE try IS NOT NULL;

  CREATE TABLE state (
    actor INTEGER NOT NULL,
    key BLOB NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (actor, key)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE dead (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    service INTEGER NOT NULL,
    class TEXT NOT NULL,
    name BLOB NOT NULL,
    method TEXT NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL,
    args TEXT
  ) STRICT;

  CREATE INDEX dead_of_service ON dead (service, id);
`

export const MIGRATIONS: Migrations = [first]
