/** Which Vela this is: of its package. */
import { readFileSync } from 'node:fs'

export function readVelaVersion(): string {
  const file = new URL('../../package.json', import.meta.url)
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string }
  return version
}
