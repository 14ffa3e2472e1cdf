/** The temporary folder of one started contender. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Folder {
  readonly path: string
  remove(): Promise<void>
}

export async function createFolder(name: string): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), `vela-bench-${name}-`))
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 3 }) }
}
