import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { DEFAULT_LIMITS, MAXIMUM_LIMITS } from '../../sandbox/protocol/limits.ts'
import { parseConfig } from '../../host/core/config.ts'
import { valueAt } from '../../host/core/config-problem.ts'
import { listSettings } from '../../host/core/config-schema.ts'
import { createMetrics } from '../../host/core/metrics.ts'

const read = (name: string): string => readFileSync(join(import.meta.dirname, '../../docs', name), 'utf8')
const sizeOf = (value: number): string[] => [
  value.toLocaleString('en-US'),
  `${value / 1024} KiB`,
  `${value / 1024 ** 2} MiB`,
  `${value / 1024 ** 3} GiB`,
]

test('docs/config.md has every setting with its default, and every metric', async () => {
  const text = read('config.md')
  const rows = text.split('\n').filter((line) => line.startsWith('| `'))
  for (const { path } of listSettings().filter((setting) => setting.path[0] !== 'limits')) {
    const row = rows.find((line) => line.includes(`\`${path.join('.')}\``)) ?? ''
    const defaults = parseConfig(path[0] === 'nats' ? { nats: { servers: ['nats://nats'], tls: {} } } : {})
    const value = path[1] === 'servers' ? 'none' : valueAt(defaults, path)
    expect([path, row]).toEqual([path, expect.stringContaining(JSON.stringify(value).replaceAll('"', ''))])
  }
  const names = (await createMetrics().render()).matchAll(/^# TYPE (\S+)/gm)
  for (const [, name] of names) expect(text).toContain(`\`${name}\``)
})

test('docs/manifest.md has every limit with its default and maximum', () => {
  const rows = read('manifest.md').split('\n')
  for (const key of Object.keys(DEFAULT_LIMITS) as (keyof typeof DEFAULT_LIMITS)[]) {
    const cells =
      rows
        .find((line) => line.startsWith(`| \`${key}\``))
        ?.split('|')
        .map((cell) => cell.trim()) ?? []
    expect([key, sizeOf(DEFAULT_LIMITS[key]).includes(cells[2] ?? '')]).toEqual([key, true])
    expect([key, sizeOf(MAXIMUM_LIMITS[key]).includes(cells[3] ?? '')]).toEqual([key, true])
  }
})
