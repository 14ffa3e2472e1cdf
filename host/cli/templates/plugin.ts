/** `vela init --template plugin`: methods for a program that embeds Vela or for other services, without HTTP. */
import type { Template } from './template.ts'

export const plugin: Template = {
  hint: 'methods that a program or other services call',
  try: `npx vela invoke demo/{{name}} quote '[[{"sku":"tea","quantity":3}]]'`,
  manifest: `{
  // What this service is and may do. Nothing is granted unless it is asked for here.
  "name": "{{name}}",
  "main": "src/index.ts",
  "vars": { "PRICES": { "tea": 4.5, "mug": 12 } },
  "limits": { "cpuMs": 20, "memoryMb": 32 }
}
`,
  source: `import { env, WorkerEntrypoint } from '@vela/guest-sdk'

export interface Line {
  readonly sku: string
  readonly quantity: number
}

/** The method \`quote\`. Arguments and results are JSON. */
export function quote(lines: readonly Line[]): { total: number; unknown: string[] } {
  const prices: Readonly<Record<string, number>> = (env as unknown as Env).PRICES
  const unknown: string[] = []
  let cents = 0
  for (const { sku, quantity } of lines) {
    const price = Object.hasOwn(prices, sku) ? prices[sku] : undefined
    if (price === undefined) unknown.push(sku)
    else cents += Math.round(price * 100) * quantity
  }
  return { total: cents / 100, unknown }
}

/** The methods \`Catalog.has\` and so on; for services that were granted \`"entrypoint": "Catalog"\`. */
export class Catalog extends WorkerEntrypoint<Env> {
  has(sku: string): boolean {
    return Object.hasOwn(this.env.PRICES, sku)
  }
}
`,
  test: `import { startService } from '@vela/guest-sdk/testing'
import { afterAll, expect, test } from 'vitest'

// The real sandbox; one for all tests of this file.
const service = await startService()
afterAll(() => service.stop())

test('adds up what it knows and names what it does not', async () => {
  const lines = [
    { sku: 'tea', quantity: 3 },
    { sku: 'hat', quantity: 1 },
  ]
  expect(await service.invoke('quote', lines)).toEqual({ total: 13.5, unknown: ['hat'] })
})

test('has a catalog', async () => {
  expect(await service.invoke<boolean>('Catalog.has', 'mug')).toBe(true)
})
`,
}
