/**
 * A QuickJS runtime in an instance of its own, as the engine drives it: calls with primitives, the job queue, the CPU budget, and the
 * rejections that nobody handled. What ends the guest leaves as an EngineFault; the machine is not to be used after one.
 */
import { EngineFault, cpuMicros } from './engine-fault.ts'
import type { Instance, InstanceFactory } from './quickjs-instance.ts'
import { createValues, type Primitive, type Values } from './quickjs-values.ts'

export interface MachinePointers {
  readonly runtime: number
  readonly context: number
  /** Room for the arguments of one call: pointers, then values. */
  readonly scratch: number
}

export interface MachineHooks {
  readonly native: (number: number, args: (Primitive | Buffer)[]) => Primitive | Buffer
  /** The name of the module that `base` imports as `name`, or undefined if there is none. */
  readonly resolveModule: (base: string, name: string) => string | undefined
}

export interface Machine {
  readonly instance: Instance
  readonly values: Values
  /** CPU time from now on until the guest is stopped (milliseconds); 0: none. */
  budget(milliseconds: number): void
  /** Calls a function and returns the box of what it returned; `thrown` takes the box of an exception instead. */
  call(fn: number, args: readonly Primitive[], thrown?: (error: number) => void): number
  /** The same, for what returns a primitive. */
  ask(fn: number, args: readonly Primitive[], thrown?: (error: number) => void): Primitive
  /** Calls a function with one value that is in a box, such as an error, for a primitive. */
  tell(fn: number, box: number): Primitive
  /** Evaluates UTF-8 and returns the box of the result; `thrown` as for `call`. */
  evaluate(source: Uint8Array, name: string, flags: number, thrown?: (error: number) => void): number
  /** Runs jobs until there are none. */
  runJobs(): void
  release(box: number): void
  /** Boxes of the reasons of promises that were rejected and not handled since the last call; to be released. */
  takeRejections(): number[]
}

const MOST_ARGUMENTS = 16

export function createMachine(
  factory: InstanceFactory,
  memoryBytes: number,
  hooks: MachineHooks,
  prepare: (instance: Instance) => MachinePointers,
): Machine {
  let deadlineMicros = Infinity
  let budgetMs = 0
  let interrupted = false
  let unhandled: { promise: number; reason: number; id: bigint }[] = []

  const instance = factory.create(memoryBytes, {
    callNative(number, count, at) {
      try {
        const args: (Primitive | Buffer)[] = []
        for (let index = 0; index < Math.min(count, MOST_ARGUMENTS); index++)
          args.push(values.read(at + index * 8))
        const result = hooks.native(number, args)
        return result === undefined ? 0 : values.box(result)
      } catch {
        return 0
      }
    },
    interrupt() {
      // What found the memory full need not throw in the guest: a native only answers nothing, and a loop would go on.
      if (instance.exhausted) return true
      if (deadlineMicros !== Infinity && cpuMicros() >= deadlineMicros) interrupted = true
      return interrupted
    },
    resolveModule: (base, name) => hooks.resolveModule(base, name) ?? MISSING_MODULE,
    refuseModule() {
      const error = exports.newError(context)
      const key = values.box('message')
      const text = values.box('There is no such module; a service cannot load code at run time')
      exports.setProperty(context, error, key, text)
      for (const box of [exports.throwValue(context, error), error, key, text]) release(box)
    },
    rejected(promise, reason, handled) {
      if (handled) {
        const found = unhandled.findIndex(({ id }) => id === promise)
        if (found >= 0)
          for (const { promise: held, reason: why } of unhandled.splice(found, 1))
            [held, why].forEach(release)
      } else if (unhandled.length < MOST_REJECTIONS) {
        unhandled.push({ promise: duplicate(promise), reason: duplicate(reason), id: promise })
      }
    },
  })
  const { exports, words } = instance
  const { runtime, context, scratch } = prepare(instance)
  const values = createValues(instance, context)
  const undefinedValue = exports.getUndefined()
  const valuesAt = scratch + MOST_ARGUMENTS * 4

  const release = (box: number): void => {
    if (box !== 0) exports.release(context, box)
  }
  const duplicate = (value: bigint): number => {
    words[scratch >>> 2] = Number(value & 0xffff_ffffn)
    words[(scratch >>> 2) + 1] = Number((value >> 32n) & 0xffff_ffffn)
    return exports.duplicate(context, scratch)
  }

  /** Runs wasm; whatever it dies of is the guest's end. */
  const run = (work: () => number): number => {
    let result: number
    try {
      result = work()
    } catch (thrown) {
      const message = thrown instanceof RangeError ? 'The isolate ran out of stack' : 'The isolate broke'
      throw new EngineFault({ reason: 'exceeded-memory', message })
    }
    check()
    return result
  }
  const check = (): void => {
    if (interrupted)
      throw new EngineFault({
        reason: 'exceeded-cpu',
        message: `The turn used more than its ${budgetMs} ms of CPU time`,
      })
    if (instance.exhausted)
      throw new EngineFault({ reason: 'exceeded-memory', message: 'The isolate ran out of memory' })
  }

  /** Takes the exception out of the machine, or else it would be met by what runs next. */
  const settle = (box: number, thrown: ((error: number) => void) | undefined): number => {
    if (!values.isException(box)) return box
    const error = exports.resolveException(context, box)
    release(box)
    thrown?.(error)
    release(error)
    return 0
  }

  const unbox = (box: number): Primitive => {
    if (box === 0) return undefined
    const value = values.read(box)
    release(box)
    check()
    return Buffer.isBuffer(value) ? undefined : value
  }

  const machine: Machine = {
    instance,
    values,
    budget(milliseconds) {
      budgetMs = milliseconds
      deadlineMicros = milliseconds > 0 ? cpuMicros() + milliseconds * 1000 : Infinity
    },
    call(fn, args, thrown) {
      const boxes: number[] = []
      for (const [index, value] of args.entries()) {
        let at = valuesAt + index * 8
        if (typeof value === 'string') {
          at = run(() => values.box(value))
          if (at === 0)
            throw new EngineFault({ reason: 'exceeded-memory', message: 'The isolate ran out of memory' })
          boxes.push(at)
        } else values.store(value, at)
        words[(scratch >>> 2) + index] = at
      }
      const result = run(() => exports.call(context, fn, undefinedValue, args.length, scratch))
      for (const box of boxes) release(box)
      return settle(result, thrown)
    },
    ask(fn, args, thrown) {
      return unbox(machine.call(fn, args, thrown))
    },
    tell(fn, box) {
      words[scratch >>> 2] = box
      return unbox(
        settle(
          run(() => exports.call(context, fn, undefinedValue, 1, scratch)),
          undefined,
        ),
      )
    },
    evaluate(source, name, flags, thrown) {
      const title = Buffer.from(`${name}\0`)
      const pointer = run(() => exports.malloc(source.length + 1 + title.length))
      if (pointer === 0)
        throw new EngineFault({ reason: 'exceeded-memory', message: 'The isolate ran out of memory' })
      instance.bytes.set(source, pointer)
      instance.bytes[pointer + source.length] = 0
      const titleAt = pointer + source.length + 1
      instance.bytes.set(title, titleAt)
      const box = run(() => exports.evaluate(context, pointer, source.length, titleAt, 0, flags))
      exports.free(pointer)
      return settle(box, thrown)
    },
    runJobs() {
      // Stops at a job that throws, which only an engine's own can, and leaves the others.
      while (exports.isJobPending(runtime) !== 0)
        release(run(() => exports.executePendingJobs(runtime, -1, scratch)))
    },
    release,
    takeRejections() {
      const taken = unhandled
      unhandled = []
      for (const { promise } of taken) release(promise)
      return taken.map(({ reason }) => reason)
    },
  }
  return machine
}

const MISSING_MODULE = 'vela:missing'
/** What one entry may leave; the rest is not told. */
const MOST_REJECTIONS = 64
