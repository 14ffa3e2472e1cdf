/** The engines that a suite must hold on, in one place: a test written with `describeEngines` runs on each. */
import { describe } from 'vitest'

export type EngineName = 'v8' | 'quickjs'

export const ENGINES: readonly EngineName[] = ['v8', 'quickjs']

/** Describes `name` once for each engine; the engine is the manifest's `engine`. */
export function describeEngines(name: string, suite: (engine: EngineName) => void): void {
  for (const engine of ENGINES) describe(`${name} on ${engine}`, () => suite(engine))
}
