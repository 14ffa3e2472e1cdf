/** One host for the tests of guests' containers: services that log what is made and disposed, and a host service to inject. */
import { startHost, type Host } from '../capabilities/support.ts'
import type { EngineName } from '../engines.ts'
import { VelaError } from '../../host/core/errors.ts'
import type { JsonValue } from '../../host/registry/types.ts'

export interface DiHost extends Host {
  /** Deploys under the engine's own tenant; the source finds everything of the SDK's container imported. */
  wire(engine: EngineName, name: string, source: string, capabilities?: Capabilities): Promise<unknown>
  /** Calls a method of it. */
  ask(engine: EngineName, name: string, method: string, ...args: JsonValue[]): Promise<unknown>
  get(engine: EngineName, path: string): Promise<Response>
  /** What has been noted by `env.NOTES.note(…)`. */
  readonly notes: string[]
  close(): Promise<void>
}

export type Capabilities = Readonly<Record<string, JsonValue>>

const IMPORTS = `import { ACTOR, Actor, CONTEXT, WorkerEntrypoint, binding, container, env, lazy, optional, provide, token } from '@vela/guest-sdk'\n`

export async function startDiHost(): Promise<DiHost> {
  const notes: string[] = []
  const host = await startHost(
    {
      cells: { spares: 0 },
      policy: {
        default: {
          services: { host: ['notes', 'slow'] },
          fetch: { allow: ['http://*:*'], networks: ['127.0.0.1'] },
        },
      },
    },
    async (runtime) => {
      await runtime.registerService('notes', {
        note(text: unknown): void {
          notes.push(String(text))
        },
      })
      await runtime.registerService('slow', {
        async answer(ms: unknown): Promise<string> {
          await new Promise((resolve) => setTimeout(resolve, Number(ms)))
          return 'at last'
        },
      })
    },
  )
  return {
    ...host,
    notes,
    wire: (engine, name, source, capabilities = {}) =>
      host.deploy(`${engine}/${name}`, IMPORTS + source, {
        engine,
        vars: { GREETING: 'hello' },
        capabilities: { ...capabilities },
      }),
    ask: (engine, name, method, ...args) => host.invoke(`${engine}/${name}`, method, ...args),
    get: (engine, path) => fetch(`${host.gateway}/${engine}/${path}`),
    close: () => host.runtime.stop(),
  }
}

/** The error that the work is refused with. */
export async function refusal(work: Promise<unknown>): Promise<VelaError> {
  try {
    await work
  } catch (thrown) {
    if (thrown instanceof VelaError) return thrown
    throw thrown
  }
  throw new Error('It was not refused')
}
