/**
 * The schema of the registry, as steps that only ever grow at the end.
 * Bundles are kept once per tenant, not once for all: a deploy must not tell a tenant, by its speed or size, that
 * another tenant has the same code.
 */
import type { Migrations } from './store/schema.ts'

const first = `
  CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE tenants (
    tenant TEXT PRIMARY KEY,
    limits TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE bundles (
    tenant TEXT NOT NULL REFERENCES tenants ON DELETE CASCADE,
    digest BLOB NOT NULL,
    source BLOB NOT NULL,
    source_map BLOB,
    PRIMARY KEY (tenant, digest)
  ) STRICT;

  CREATE TABLE services (
    tenant TEXT NOT NULL REFERENCES tenants ON DELETE CASCADE,
    service TEXT NOT NULL,
    active_version TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, service),
    FOREIGN KEY (tenant, service, active_version) REFERENCES versions (tenant, service, version)
      DEFERRABLE INITIALLY DEFERRED
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE versions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    service TEXT NOT NULL,
    version TEXT NOT NULL,
    content_digest BLOB NOT NULL,
    bundle_digest BLOB NOT NULL,
    manifest TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    startup_ms REAL NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (tenant, service, version),
    FOREIGN KEY (tenant, service) REFERENCES services ON DELETE CASCADE,
    FOREIGN KEY (tenant, bundle_digest) REFERENCES bundles
  ) STRICT;
  CREATE INDEX versions_by_bundle ON versions (tenant, bundle_digest);

  CREATE TABLE trail (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    service TEXT NOT NULL,
    version TEXT NOT NULL,
    activated_at INTEGER NOT NULL,
    FOREIGN KEY (tenant, service, version) REFERENCES versions (tenant, service, version) ON DELETE CASCADE
  ) STRICT;
  CREATE INDEX trail_by_version ON trail (tenant, service, version);

  CREATE TABLE secrets (
    tenant TEXT NOT NULL REFERENCES tenants ON DELETE CASCADE,
    service TEXT NOT NULL,
    key TEXT NOT NULL,
    sealed BLOB NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, service, key)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    tenant TEXT REFERENCES tenants ON DELETE CASCADE,
    scopes TEXT NOT NULL,
    hint INTEGER NOT NULL,
    digest BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX tokens_by_hint ON tokens (hint);
  CREATE INDEX tokens_by_tenant ON tokens (tenant);
`

const grants = `
  CREATE TABLE grants (
    tenant TEXT NOT NULL REFERENCES tenants ON DELETE CASCADE,
    service TEXT NOT NULL,
    binding TEXT NOT NULL,
    state TEXT NOT NULL,
    asked TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, service, binding)
  ) STRICT, WITHOUT ROWID;
`

const startsAtOnce = `
  ALTER TABLE versions ADD COLUMN starts_at_once INTEGER NOT NULL DEFAULT 0;
`

const engine = `
  ALTER TABLE services ADD COLUMN engine TEXT;
`

export const MIGRATIONS: Migrations = [first, grants, startsAtOnce, engine]
