/** Folders of services for tests of the bundler. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'vitest'
import { bundleService } from '../../host/bundle/bundler.ts'
import { VelaError } from '../../host/core/errors.ts'

/** By their paths below `root`. */
export function writeFiles(root: string, files: Record<string, string>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), content)
  }
}

/** What bundling is refused with, which says nothing of where it happened: `top`. */
export async function refusalOf(path: string, top: string): Promise<VelaError> {
  const error: unknown = await bundleService(path).then(
    () => new Error('it was bundled'),
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(VelaError)
  const velaError = error as VelaError
  expect(JSON.stringify([velaError.message, velaError.details])).not.toContain(top)
  expect(velaError.cause).toBeUndefined()
  return velaError
}
