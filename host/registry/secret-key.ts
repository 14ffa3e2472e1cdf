/**
 * The key that seals secrets: `<data>/secret-key`, made at the first start. A key that is missing or another one while
 * secrets are stored is refused at the start, where an operator sees it, and never replaced: a new key would make
 * every stored secret unreadable for good.
 */
import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, readFileSync } from 'node:fs'
import { VelaError } from '../core/errors.ts'
import { identifyKey, KEY_BYTES } from './secret-box.ts'
import type { Database } from './store/database.ts'
import { pathsIn, writeFileDurably } from './store/directory.ts'
import { blob } from './store/rows.ts'

export function openSecretKey(database: Database, dataDir: string | null): Uint8Array {
  if (dataDir === null) return randomBytes(KEY_BYTES)
  const path = pathsIn(dataDir).secretKey
  const hasSecrets = database.get('SELECT 1 FROM secrets LIMIT 1') !== undefined
  const key = existsSync(path) ? readKey(path) : hasSecrets ? missing(path) : makeKey(path)
  const id = identifyKey(key)
  const known = database.get(`SELECT value FROM meta WHERE key = 'secret-key-id'`)
  if (known !== undefined && Buffer.compare(blob(known, 'value'), id) === 0) return key
  if (known !== undefined && hasSecrets) {
    throw damaged(
      path,
      'it is not the key that the secrets of this store were sealed with. Restore that one from a backup.',
    )
  }
  database.run(`INSERT OR REPLACE INTO meta (key, value) VALUES ('secret-key-id', ?)`, id)
  return key
}

function readKey(path: string): Uint8Array {
  chmodSync(path, 0o600)
  const text = readFileSync(path, 'utf8').trim()
  if (!/^[0-9a-f]{64}$/.test(text)) {
    throw damaged(path, 'it does not hold 64 hexadecimal digits. Restore it from a backup.')
  }
  return Buffer.from(text, 'hex')
}

function makeKey(path: string): Uint8Array {
  const key = randomBytes(KEY_BYTES)
  writeFileDurably(path, `${key.toString('hex')}\n`)
  return key
}

function missing(path: string): never {
  throw damaged(path, 'it is missing, and the store holds secrets sealed with it. Restore it from a backup.')
}

function damaged(path: string, why: string): VelaError {
  return new VelaError('VELA_STORE_DAMAGED', `The key file ${path} cannot be used: ${why}`, {
    details: { path },
  })
}
