/** Tasks that break the realm of their worker: what comes of it is theirs, and every call is answered. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PATCHES } from '../attack/patches.ts'
import { describeEngines } from '../engines.ts'
import { startWorkersHost, type WorkersHost } from './support.ts'

const source = (patch: string): string => `
  import { WorkerEntrypoint } from '@vela/guest-sdk'
  export const double = (x) => x * 2
  export const patch = () => { ${patch} }
  export default class extends WorkerEntrypoint {
    async attack() {
      const said = (work) => work.then((value) => ['value', value], (error) => ['error', error.code ?? error.name])
      return [await said(this.env.POOL.run('double', 2)), await said(this.env.POOL.run('patch')), await said(this.env.POOL.run('double', 3)), await said(this.env.POOL.map('double', [1, 2, 3]))]
    }
  }`

let host: WorkersHost
beforeAll(async () => {
  host = await startWorkersHost({ cells: { spares: 2, isolateIdleMs: 500 } })
  await host.deploy('innocent/own', 'export const alive = () => true')
})
afterAll(() => host.runtime.stop())

describeEngines('a worker whose realm is patched', (engine) => {
  for (const [name, patch] of Object.entries(PATCHES)) {
    test(`answers every call, and its cell keeps to the protocol: ${name}`, async () => {
      const at = `hostile/${engine}`
      await host.deploy(at, source(patch), {
        engine,
        limits: { wallMs: 4_000, cpuMs: 2_000 },
        capabilities: { workers: { POOL: { size: 1 } } },
      })
      const log = host.logOf(at)
      const [before, ...outcomes] = (await host.invoke(at, 'attack')) as [string, unknown][]
      expect(before).toEqual(['value', 4])
      expect(outcomes).toHaveLength(3)
      for (const [how] of outcomes) expect(['value', 'error']).toContain(how)
      expect(log.filter(({ message }) => message.includes('ended (protocol)'))).toEqual([])
      expect(await host.invoke('innocent/own', 'alive')).toBe(true)
    })
  }
})
