/**
 * The guest's web platform in a real isolate: install.ts and its parts as esbuild bundles them, over the natives that a
 * cell gives. Time is virtual: it moves only to the next timer, so tests never sleep.
 */
import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { build, buildSync } from 'esbuild'
import type ivm from 'isolated-vm'
import { partExpression } from '../../host/cells/part-expression.ts'
import { createNatives } from '../../sandbox/engine/natives.ts'

const require = createRequire(import.meta.url)
const root = fileURLToPath(new URL('../../guest-sdk/web/', import.meta.url))
const PARTS = [
  'streams',
  'forms',
  'encodings',
  'clone',
  'compression',
  'error-events',
  'messaging',
  'subtle',
  'urlpattern',
  'websocket',
] as const

const bundle = (entry: string, format: 'iife' | 'esm'): string => {
  const built = buildSync({
    entryPoints: [root + entry],
    bundle: true,
    minify: true,
    write: false,
    format,
    ...(format === 'iife' ? { globalName: 'vela' } : {}),
    target: 'esnext',
    legalComments: 'none',
  })
  return built.outputFiles[0]?.text ?? ''
}

/** Sizes in bytes, minified. */
export interface Sizes {
  readonly core: number
  readonly parts: Readonly<Record<string, number>>
}

export interface Guest {
  /** Runs a function inside the isolate; it sees only its arguments (copied as JSON) and the guest's globals. */
  run<Args extends readonly unknown[], Result>(
    fn: (...args: Args) => Result,
    ...args: Args
  ): Promise<Awaited<Result>>
  /** Evaluates source in the global scope. */
  evaluate(source: string): unknown
  /** Errors that the platform reported because nobody awaited them. */
  readonly reported: string[]
  /** Names of the parts evaluated so far. */
  readonly loaded: string[]
  readonly sizes: Sizes
  close(): void
}

const GLUE = `
const kernel = (core, native) => {
  let nowMs = 1_700_000_000_000, last = 0
  const timers = new Map()
  const setTimer = (fn, ms) => (timers.set(++last, { at: nowMs + (Number(ms) || 0), fn }), last)
  globalThis.setTimeout = setTimer
  globalThis.clearTimeout = (id) => void timers.delete(id)
  const web = core.installWeb(globalThis, {
    native, now: () => nowMs, setTimeout: setTimer, clearTimeout: globalThis.clearTimeout,
    queueTask: (run) => void setTimer(run, 0),
    loadPart: (name) => (0, eval)(native.part(name)), reportError: (error) => native.report(String(error)),
  })
  globalThis.web = web
  return {
    fire: () => {
      const next = [...timers].sort((a, b) => a[1].at - b[1].at)[0]
      if (next === undefined) return false
      timers.delete(next[0])
      nowMs = Math.max(nowMs, next[1].at)
      next[1].fn()
      return true
    },
  }
}
`

interface Outcome {
  ok: boolean
  value: string | undefined
}

export interface GuestOptions {
  /** Where the guest's random bytes come from; by default they are random. */
  readonly randomBytes?: (length: number) => Buffer
}

export function createGuest(options: GuestOptions = {}): Guest {
  const { Isolate, Callback } = require('isolated-vm') as typeof ivm
  const isolate = new Isolate({ memoryLimit: 128 })
  const context = isolate.createContextSync()
  const core = bundle('install.ts', 'iife')
  const parts: Record<string, string> = Object.fromEntries(
    PARTS.map((name) => [name, partExpression(bundle(`parts/${name}.ts`, 'esm'))]),
  )
  const reported: string[] = []
  const loaded: string[] = []
  const settled: Outcome[] = []

  const cell = createNatives(
    {
      randomBytes: options.randomBytes ?? randomBytes,
      flush: () => undefined,
      emit: () => undefined,
      log: () => true,
    },
    parts,
  )
  const natives: Record<string, (...args: never[]) => unknown> = {
    ...cell,
    part: (name: string) => {
      loaded.push(name)
      return cell['part']?.(name)
    },
    report: (text: string) => {
      reported.push(text)
    },
    settle: (ok: boolean, value: string | undefined) => {
      settled.push({ ok, value })
    },
  }
  const names = Object.keys(natives)
  context.evalClosureSync(
    `${GLUE}; const native = { ${names.map((name, index) => `${name}: $${index}`).join(', ')} }
    const { settle } = native
    const pump = kernel((() => { ${core}; return vela })(), native)
    const { fire } = pump
    globalThis.__settle = (ok, value) => settle(ok, value)
    globalThis.__fire = fire`,
    names.map((name) => new Callback(natives[name] as (...args: unknown[]) => unknown)),
  )

  return {
    async run(fn, ...args) {
      settled.length = 0
      context.evalSync(`(async () => (${fn.toString()})(...${JSON.stringify(args)}))().then(
        (value) => __settle(true, JSON.stringify(value)),
        (error) => __settle(false, error instanceof Error ? error.name + ': ' + error.message : String(error)))`)
      while (settled.length === 0 && context.evalSync('__fire()') === true) continue
      const outcome = settled[0]
      if (outcome === undefined) throw new Error('The function in the guest never settled')
      if (!outcome.ok) throw new Error(outcome.value)
      return outcome.value === undefined ? undefined : JSON.parse(outcome.value)
    },
    evaluate: (source) => context.evalSync(source) as unknown,
    reported,
    loaded,
    sizes: {
      core: core.length,
      parts: Object.fromEntries(Object.entries(parts).map(([name, source]) => [name, source.length])),
    },
    close: () => isolate.dispose(),
  }
}

/** Bundles source that imports packages, as a deployment is bundled; it assigns what it wants to globalThis. */
export async function bundleSource(contents: string): Promise<string> {
  const built = await build({
    stdin: { contents, resolveDir: root },
    bundle: true,
    write: false,
    format: 'iife',
    target: 'esnext',
    conditions: ['workerd', 'worker', 'browser'],
  })
  return built.outputFiles[0]?.text ?? ''
}
