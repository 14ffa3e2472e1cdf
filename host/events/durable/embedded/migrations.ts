/**
 * The schema of the log of durable events, as steps that only ever grow at the end.
 * A tenant stands under its name in one row alone, and what it stored is known by a number that is never given again: deleting it is
 * one small commit, and what it leaves to be swept can never be found under its name. Events are appended at the end of their
 * tenant's part of one tree; ids stand in generations by time, so that old ones go as a range and need no index of their own.
 */
import type { Migrations } from '../../../registry/store/schema.ts'

const first = `
  -- last: the sequence that was given last; bytes: of events and ids; dead: of dead letters.
  CREATE TABLE tenants (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    last INTEGER NOT NULL,
    events INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    dead INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE dropped (
    tenant INTEGER PRIMARY KEY
  ) STRICT;

  -- meta: source, key, headers and depth as JSON. data stands last: a scan of subjects does not read it.
  CREATE TABLE events (
    tenant INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    stored INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    subject TEXT NOT NULL,
    id TEXT NOT NULL,
    time INTEGER NOT NULL,
    meta TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (tenant, seq)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE ids (
    generation INTEGER NOT NULL,
    tenant INTEGER NOT NULL,
    id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    stored INTEGER NOT NULL,
    PRIMARY KEY (generation, tenant, id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE cursors (
    tenant INTEGER NOT NULL,
    consumer TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    position INTEGER NOT NULL,
    open TEXT NOT NULL,
    PRIMARY KEY (tenant, consumer)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE dead (
    tenant INTEGER NOT NULL,
    consumer TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    replaying INTEGER NOT NULL,
    reason TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    subject TEXT NOT NULL,
    id TEXT NOT NULL,
    time INTEGER NOT NULL,
    meta TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (tenant, consumer, seq)
  ) STRICT, WITHOUT ROWID;

  CREATE INDEX dead_by_time ON dead (tenant, at, seq);
`

export const MIGRATIONS: Migrations = [first]
