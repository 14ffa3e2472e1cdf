/**
 * The first token of a data directory: `VELA_ADMIN_TOKEN` if the operator set it, else one that is made and kept in
 * `<data>/admin-token`, readable by the host's user alone. A directory that has tokens is left as it is.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Registry } from '../registry/types.ts'

export const TOKEN_FILE = 'admin-token'

export async function ensureFirstToken(
  registry: Registry,
  dataDir: string | null,
  fixed: string | undefined,
): Promise<void> {
  const tokens = await registry.listTokens()
  if (tokens.length > 0) return
  const { token } = await registry.createToken(null, ['admin'], fixed)
  if (dataDir === null || fixed !== undefined) return
  await writeFile(join(dataDir, TOKEN_FILE), `${token}\n`, { mode: 0o600 })
}
