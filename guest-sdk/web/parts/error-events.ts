/** ErrorEvent and PromiseRejectionEvent (HTML), and those that the runtime makes of what nobody caught. */
import { dictionary } from '../dictionary.ts'
import type { Event, EventInit, EventsKit } from '../event-types.ts'

export interface ErrorEvent extends Event {
  readonly message: string
  readonly filename: string
  readonly lineno: number
  readonly colno: number
  readonly error: unknown
}

export interface ErrorEventsPart {
  readonly globals: Readonly<Record<string, unknown>>
  errorEvent(thrown: unknown): Event
  /** Of an error, JSON {name, message, stack?}: the event's reason is a copy. Else of the primitive `value`. */
  rejectionEvent(description: string | undefined, value: unknown): Event
}

interface ErrorEventInit extends EventInit {
  message?: string
  filename?: string
  lineno?: number
  colno?: number
  error?: unknown
}

interface RejectionInit extends EventInit {
  promise?: unknown
  reason?: unknown
}

/** `at name (service.js:12:34)`, or without the name: where the newest frame stands. */
const FRAME = /^ *at (?:.*\()?(\S+?):(\d+)(?::(\d+))?\)?$/m
const NATIVE_ERRORS = /^(?:Eval|Range|Reference|Syntax|Type|URI)Error$/

export function create({ events }: { readonly events: EventsKit }): ErrorEventsPart {
  const { Event } = events

  class ErrorEvent extends Event {
    readonly #message: string
    readonly #filename: string
    readonly #lineno: number
    readonly #colno: number
    readonly #error: unknown

    constructor(type: string, init: ErrorEventInit = {}) {
      if (arguments.length === 0) throw new TypeError('ErrorEvent: 1 argument is required, 0 given')
      super(type, init)
      const { message, filename, lineno = 0, colno = 0, error } = dictionary(init, 'ErrorEvent')
      this.#message = text(message)
      this.#filename = text(filename)
      this.#lineno = Number(lineno) >>> 0
      this.#colno = Number(colno) >>> 0
      this.#error = error
    }
    get message(): string {
      return this.#message
    }
    get filename(): string {
      return this.#filename
    }
    get lineno(): number {
      return this.#lineno
    }
    get colno(): number {
      return this.#colno
    }
    get error(): unknown {
      return this.#error
    }
  }

  class PromiseRejectionEvent extends Event {
    readonly #promise: unknown
    readonly #reason: unknown

    constructor(type: string, init: RejectionInit) {
      if (arguments.length < 2)
        throw new TypeError('PromiseRejectionEvent: 2 arguments are required: the type and the init')
      super(type, init)
      const { promise, reason } = dictionary(init, 'PromiseRejectionEvent')
      if ((typeof promise !== 'object' || promise === null) && typeof promise !== 'function') {
        throw new TypeError('PromiseRejectionEvent: the init must have a promise')
      }
      this.#promise = promise
      this.#reason = reason
    }
    get promise(): unknown {
      return this.#promise
    }
    get reason(): unknown {
      return this.#reason
    }
  }

  return {
    globals: { ErrorEvent, PromiseRejectionEvent },
    errorEvent(thrown) {
      const [, filename = '', lineno = 0, colno = 0] = FRAME.exec(read(thrown, 'stack')) ?? []
      return new ErrorEvent('error', {
        cancelable: true,
        message: `Uncaught ${titleOf(thrown)}`,
        filename,
        lineno: Number(lineno),
        colno: Number(colno),
        error: thrown,
      })
    },
    rejectionEvent(description, value) {
      const reason = description === undefined ? value : errorOf(description)
      const promise = Promise.reject(reason)
      promise.catch(() => undefined)
      return new PromiseRejectionEvent('unhandledrejection', { cancelable: true, promise, reason })
    },
  }
}

const text = (value: unknown): string => (value === undefined ? '' : `${value as string}`)

const read = (thrown: unknown, key: string): string => {
  if (!(thrown instanceof Error)) return ''
  try {
    const value: unknown = Reflect.get(thrown, key)
    return typeof value === 'string' ? value : ''
  } catch {
    return ''
  }
}

function titleOf(thrown: unknown): string {
  if (thrown instanceof Error) return `${read(thrown, 'name')}: ${read(thrown, 'message')}`
  try {
    return String(thrown)
  } catch {
    return 'value that cannot be shown'
  }
}

/** An error that looks like the one that the engine told of; its own class and properties stay behind. */
function errorOf(description: string): Error {
  const { name, message, stack } = JSON.parse(description) as {
    name: string
    message: string
    stack?: string
  }
  const Type = NATIVE_ERRORS.test(name)
    ? (globalThis as unknown as Record<string, ErrorConstructor>)[name]
    : undefined
  const error = new (Type ?? Error)(message)
  const hidden = { writable: true, configurable: true, enumerable: false }
  if (error.name !== name) Object.defineProperty(error, 'name', { value: name, ...hidden })
  if (stack !== undefined) Object.defineProperty(error, 'stack', { value: stack, ...hidden })
  return error
}
