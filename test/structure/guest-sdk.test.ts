/** The package that guests are compiled against and the module they get at run time must be the same thing. */
import { expect, test } from 'vitest'
import type { AsyncPlatform } from '../../guest-sdk/async/platform.ts'
import type { WiringKit } from '../../guest-sdk/di/kit.ts'
import { createSdk, type SdkDeps } from '../../guest-sdk/kernel/sdk.ts'
import { read } from './tree.ts'

const platform: AsyncPlatform<AbortSignal> = {
  createAbort: () => new AbortController(),
  onAbort: () => () => undefined,
  setTimeout,
  clearTimeout: () => undefined,
  now: Date.now,
  random: Math.random,
}
const wiring: WiringKit = {
  lifeOf: () => undefined,
  currentLife: () => undefined,
  binding: () => undefined,
  has: () => false,
  need: () => true,
  outside: (work: () => void) => work(),
  createError: (_code, message) => new Error(message),
  reportError: () => undefined,
}
const deps: SdkDeps = { platform, wiring, loadPart: () => ({}) }

test('the SDK’s types name exactly the values that the runtime provides', () => {
  const declared = [
    ...read('guest-sdk/index.ts').matchAll(/^export (?:abstract )?(?:class|const|function) (\w+)/gm),
  ]
  expect(new Set(declared.map((match) => match[1]))).toEqual(new Set(createSdk(deps).names))
})

test('importing the SDK outside a guest says that it exists only inside one', async () => {
  await expect(import('../../guest-sdk/index.ts')).rejects.toThrow('exists only inside a Vela service')
})

test('an entrypoint of the SDK keeps its context and environment', () => {
  const { WorkerEntrypoint, env } = createSdk(deps).take('') as {
    WorkerEntrypoint: new (ctx: object, env: object) => { ctx: object; env: object }
    env: object
  }
  const ctx = {}
  const entry = new (class Api extends WorkerEntrypoint {})(ctx, env)
  expect([entry.ctx === ctx, entry.env === env]).toEqual([true, true])
})
