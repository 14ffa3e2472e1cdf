/** Deploys the guest of ./guest in a real host, on one engine, and asks it what holds. */
import { build } from 'esbuild'
import { join } from 'node:path'
import type { Runtime } from '../../host/index.ts'
import type { JsonValue } from '../../host/registry/types.ts'
import type { EngineName } from '../engines.ts'
import type { Interface } from './contract.ts'
import { readInterfaces } from './idl.ts'

/** By row: '' when it holds, else what was found instead. */
export type Report = Readonly<Record<string, string>>

export interface Survey {
  /** By interface, in the order of the IDL; the rows are its members. */
  readonly members: Readonly<Record<string, Report>>
  /** By area; the rows are the sentences of the checks. */
  readonly behaviour: Readonly<Record<string, Report>>
}

export async function bundleGuest(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, 'guest/main.ts')],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
  })
  return outputFiles[0]?.text ?? ''
}

/** One service of its own per engine; the checks see a guest as any customer's. */
export async function survey(runtime: Runtime, source: string, engine: EngineName): Promise<Survey> {
  const name = `web-api-${engine}`
  const manifest = {
    name,
    engine,
    routes: [],
    limits: { cpuMs: 20_000, memoryMb: 128 },
    vars: {},
    capabilities: {},
  }
  await runtime.deploy({ tenant: 'web', manifest, bundle: { source, sourceMap: null } })
  const ask = async <Answer>(method: string, ...args: unknown[]): Promise<Answer> =>
    (await runtime.invoke(`web/${name}`, method, args as JsonValue[])) as Answer

  const interfaces: readonly Interface[] = readInterfaces()
  const reports = await ask<Report[]>('members', interfaces)
  const behaviour: Record<string, Report> = {}
  for (const area of await ask<string[]>('areas')) behaviour[area] = await ask<Report>('run', area)
  return {
    members: Object.fromEntries(interfaces.map(({ name }, index) => [name, reports[index] ?? {}])),
    behaviour,
  }
}
