/**
 * The guest's half of the `workers` capability: `env.POOL.run('resize', image)` runs an exported function of this service in
 * another isolate, or a task of the host. Values cross as texts of the codec. A map goes in groups: few enough to be
 * cancelled and bounded, large enough that short tasks are not all way there and back.
 */
import type { CallResult } from '../kernel/calls.ts'
import { TASK_VALUE_LIMIT } from '../kernel/messages.ts'
import type { CapabilityFactory, CapabilityKit, Power } from '../kernel/capabilities.ts'

interface Options {
  /** It is one task of the host, so calls name none. */
  readonly host: boolean
  /** Workers at most. */
  readonly size: number
}

interface RunOptions {
  readonly signal?: object
}

interface MapOptions extends RunOptions {
  readonly concurrency?: number
  readonly settled?: unknown
}

interface Failure {
  readonly name: string
  readonly message: string
  readonly code?: string
}

type Settled =
  | { readonly status: 'fulfilled'; readonly value: unknown }
  | { readonly status: 'rejected'; readonly reason: unknown }

/** What a group takes with it, a single input apart (characters). */
const GROUP_CHARACTERS = 262_144
const MOST_IN_GROUP = 64
/** Groups under way at a time, so that the next is there when one has been worked off. */
const LANES = 2
const HEAD = { status: 200, statusText: '', headers: [], url: '', redirected: false }

export const usesCodec = true
export const create: CapabilityFactory = (kit) => (power, given) => {
  const options = given as Options
  const pool = new Pool(kit, power, options.size)
  if (options.host) {
    return Object.freeze({
      run: (input?: unknown, more?: unknown) => pool.run('', input, more),
      map: (inputs: unknown, more?: unknown) => pool.map('', inputs, more),
    })
  }
  return Object.freeze({
    size: options.size,
    run: (task: unknown, input?: unknown, more?: unknown) => pool.run(nameOf(task), input, more),
    map: (task: unknown, inputs: unknown, more?: unknown) => pool.map(nameOf(task), inputs, more),
  })
}

class Pool {
  readonly #kit: CapabilityKit
  readonly #power: Power
  readonly #size: number

  constructor(kit: CapabilityKit, power: Power, size: number) {
    this.#kit = kit
    this.#power = power
    this.#size = size
  }

  async run(task: string, input: unknown, options: unknown): Promise<unknown> {
    const { signal } = (options ?? {}) as RunOptions
    const { body } = await this.#power.call('run', [task], { text: this.#encode(input) }, signal)
    return this.#kit.decodeValue(await this.#text(body))
  }

  async map(task: string, given: unknown, options: unknown): Promise<unknown[]> {
    const { signal, settled: each, concurrency = Infinity } = (options ?? {}) as MapOptions
    const settled = each === true
    if (!(concurrency >= 1)) throw new RangeError('workers.map: concurrency is a number from 1')
    const inputs = [...(given as Iterable<unknown>)]
    const results: unknown[] = Array.from({ length: inputs.length })
    const { web } = this.#kit
    const stop = web.createAbort()
    if (signal !== undefined) web.throwIfAborted(signal)
    const forget = signal === undefined ? () => undefined : web.onAbort(signal, stop.abort)
    const lanes = Math.min(LANES, concurrency)
    const most = Math.min(MOST_IN_GROUP, Math.floor(concurrency / lanes))
    let groupSize = Math.min(most, Math.max(8, this.#size))
    let next = 0

    const runGroup = async (): Promise<void> => {
      const from = next
      let text = ''
      while (next < inputs.length && next - from < groupSize) {
        const encoded = this.#encode(inputs[next])
        if (next > from && text.length + encoded.length > GROUP_CHARACTERS) break
        text += next === from ? encoded : `\n${encoded}`
        next++
      }
      const { body } = await this.#power.call('map', [task, settled], { text }, stop.signal)
      const answer = await this.#text(body)
      const lines = answer.split('\n')
      for (let index = 0; index < lines.length; index++)
        results[from + index] = this.#read(lines[index] as string, settled)
      // Large results wait in the host until they are taken: fewer at a time then.
      if (answer.length > GROUP_CHARACTERS) groupSize = Math.max(1, groupSize >> 1)
      else groupSize = Math.min(most, groupSize * 2)
    }
    const runLane = async (): Promise<void> => {
      while (next < inputs.length) await runGroup()
    }
    try {
      await Promise.all(Array.from({ length: lanes }, runLane))
      return results
    } catch (thrown) {
      stop.abort(thrown)
      throw thrown
    } finally {
      forget()
    }
  }

  /** One line of a group's answer: `=` and a value, or `!` and an error. */
  #read(line: string, settled: boolean): unknown {
    if (line[0] === '=') {
      const value = this.#kit.decodeValue(line.slice(1))
      return settled ? ({ status: 'fulfilled', value } satisfies Settled) : value
    }
    const { name, message, code } = JSON.parse(line.slice(1)) as Failure
    const reason = this.#kit.createError(name, message, code)
    return { status: 'rejected', reason } satisfies Settled
  }

  #encode(value: unknown): string {
    const text = this.#kit.encodeValue(value)
    if (text.length <= TASK_VALUE_LIMIT) return text
    throw this.#kit.createError(
      'RangeError',
      `The input of the task has ${text.length} characters; at most ${TASK_VALUE_LIMIT} are allowed`,
      'VELA_CAPABILITY_BAD_CALL',
    )
  }

  async #text(body: CallResult['body']): Promise<string> {
    // The host sends ASCII alone; what came whole is the text already.
    if (body !== null && 'byteString' in body) return body.byteString
    return await (this.#kit.web.createResponse(HEAD, body) as { text(): Promise<string> }).text()
  }
}

function nameOf(task: unknown): string {
  if (typeof task === 'string' && task !== '') return task
  throw new TypeError('workers: a task is named by the name of an exported function')
}
