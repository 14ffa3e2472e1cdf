/**
 * Watches the folders of a service's files: editors replace files, so a watch on the file itself would be lost.
 * Changes that come together make one redeploy; those that come during a redeploy make one more after it.
 */
import { statSync, watch, type FSWatcher } from 'node:fs'
import { dirname, extname, resolve, sep } from 'node:path'

export interface Watcher {
  close(): void
}

/** An editor's save is several events within a few milliseconds. */
const QUIET_MS = 50
const SOURCES: ReadonlySet<string> = new Set([
  '.ts',
  '.tsx',
  '.mts',
  '.js',
  '.jsx',
  '.mjs',
  '.json',
  '.jsonc',
  '.css',
  '.txt',
  '.html',
])

/** `changed` redeploys and returns the files of the new version, or undefined where it could not tell. */
export function watchService(
  path: string,
  files: readonly string[] | undefined,
  changed: () => Promise<readonly string[] | undefined>,
): Watcher {
  const watchers = new Map<string, FSWatcher>()
  let known: ReadonlySet<string> = new Set()
  let timer: NodeJS.Timeout | undefined
  let running = false
  let again = false
  let closed = false

  const follow = (files: readonly string[] | undefined): void => {
    if (files !== undefined) known = new Set(files.map((file) => resolve(file)))
    const wanted = new Set([rootOf(path), ...[...known].map((file) => dirname(file))])
    for (const folder of wanted) {
      if (watchers.has(folder) || folder.includes(`${sep}node_modules${sep}`)) continue
      const watcher = watch(folder, (_event, name) => {
        if (name !== null && isOurs(resolve(folder, name))) schedule()
      })
      // The folder may be deleted under us; the others go on.
      watcher.on('error', () => {
        watcher.close()
        watchers.delete(folder)
      })
      watchers.set(folder, watcher)
    }
  }

  const isOurs = (file: string): boolean => known.has(file) || SOURCES.has(extname(file))

  const schedule = (): void => {
    clearTimeout(timer)
    timer = setTimeout(() => void run(), QUIET_MS)
  }

  const run = async (): Promise<void> => {
    if (closed) return
    if (running) {
      again = true
      return
    }
    running = true
    const files = await changed()
    running = false
    if (closed) return
    follow(files)
    if (again) {
      again = false
      schedule()
    }
  }

  follow(files)
  return {
    close() {
      closed = true
      clearTimeout(timer)
      for (const watcher of watchers.values()) watcher.close()
      watchers.clear()
    },
  }
}

function rootOf(path: string): string {
  const full = resolve(path)
  return statSync(full, { throwIfNoEntry: false })?.isDirectory() === true ? full : dirname(full)
}
