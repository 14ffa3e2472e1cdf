/**
 * The libraries that run in guests as npm has them, each with a service of ./services and the engines its tests run on. The
 * tests take their engines from here and docs/libraries.md is held equal to it, so that the page cannot claim more.
 */
import { ENGINES, type EngineName } from '../engines.ts'

export interface Library {
  /** Of its file in ./services, and in the table. */
  readonly name: string
  /** As package.json has it. */
  readonly package: string
  readonly engines: readonly EngineName[]
}

const library = (name: string, packageName: string = name): Library => ({
  name,
  package: packageName,
  engines: ENGINES,
})

export const LIBRARIES: readonly Library[] = [
  library('hono'),
  library('itty-router'),
  library('zod'),
  library('valibot'),
  library('jose'),
  library('graphql'),
  library('nanoid'),
  library('uuid'),
  library('date-fns'),
  library('ky'),
  library('marked'),
  library('graphql-yoga'),
  library('trpc', '@trpc/server'),
]
