/**
 * Reads the namespace of a guest's module once and finds what can be called: the fetch handler, lifecycle hooks
 * and methods. The namespace is the guest's: getters and proxies in it run on the guest's bill.
 */
import { ReflectApply, ReflectConstruct, stringify } from './primordials.ts'

export type Callable = (...args: unknown[]) => unknown
export interface ActorClass {
  new (ctx: object, env: object): object
  readonly options?: unknown
}

export interface GuestExports {
  /** JSON of GuestDescription. Put together here: the host takes it for well-formed, whatever the guest patched. */
  readonly description: string
  readonly fetch: ((request: object, env: object, ctx: object) => unknown) | undefined
  readonly scheduled: ((controller: object, env: object, ctx: object) => unknown) | undefined
  readonly queue: ((batch: object, env: object, ctx: object) => unknown) | undefined
  readonly start: ((env: object) => unknown) | undefined
  readonly stop: ((reason: string) => unknown) | undefined
  /** The method of that name, bound to what it belongs to. */
  method(name: string, env: object, ctx: object): Callable | undefined
  actor(name: string): ActorClass | undefined
}

/** Called by the runtime on other occasions, so never as methods. */
const RESERVED: ReadonlySet<string> = new Set([
  'fetch',
  'scheduled',
  'queue',
  'start',
  'stop',
  'alarm',
  'tail',
  'email',
  'constructor',
  'default',
  'then',
])

/** `isActor`: whether a class extends the Actor of the SDK; such a class has no methods of its own for callers. `needs`: JSON for the description. */
export function readExports(
  namespace: Record<string, unknown>,
  isActor: (value: unknown) => boolean,
  needs = '[]',
): GuestExports {
  const main = namespace['default']
  const mainClass = isClass(main) ? main : undefined
  const holder = mainClass === undefined ? main : (mainClass as { prototype: unknown }).prototype
  // A router may answer every name with a function that registers a route (itty-router): asked whether it has it, it says no.
  const entry = (name: string): Callable | undefined => {
    const value = isObject(holder) && name in holder ? Reflect.get(holder, name) : undefined
    return typeof value === 'function' ? (value as Callable) : undefined
  }
  const self = (env: object, ctx: object): unknown =>
    mainClass === undefined ? main : ReflectConstruct(mainClass, [ctx, env])

  /** Of a class, a method of an instance that has `env` and `ctx` itself. */
  const handlerOf =
    (handler: Callable) =>
    (first: object, env: object, ctx: object): unknown =>
      mainClass === undefined
        ? ReflectApply(handler, main, [first, env, ctx])
        : ReflectApply(handler, self(env, ctx), [first])
  const fetch = entry('fetch')
  const scheduled = entry('scheduled')
  const queue = entry('queue')
  const start = entry('start')
  const stop = entry('stop')
  const classes = new Map<string, Callable>()
  const methods = new Map<string, (env: object, ctx: object) => Callable>()
  const actors = new Map<string, ActorClass>()
  for (const name of methodNames(holder)) {
    methods.set(name, (env, ctx) => bound(self(env, ctx), entry(name) as Callable))
  }
  for (const name of Object.keys(namespace)) {
    const value = namespace[name]
    if (name === 'default' || typeof value !== 'function') continue
    if (isActor(value)) {
      actors.set(name, value as unknown as ActorClass)
      continue
    }
    if (!isClass(value)) {
      if (!RESERVED.has(name) && !name.startsWith('_'))
        methods.set(name, () => bound(undefined, value as Callable))
      continue
    }
    classes.set(name, value)
    const { prototype } = value as unknown as { prototype: object }
    for (const inner of methodNames(prototype)) {
      methods.set(`${name}.${inner}`, (env, ctx) => {
        const instance = ReflectConstruct(value, [ctx, env]) as Record<string, Callable>
        return bound(instance, instance[inner] as Callable)
      })
    }
  }
  return {
    description: `{"fetch":${fetch !== undefined},"scheduled":${scheduled !== undefined},"queue":${queue !== undefined},"start":${start !== undefined},"stop":${stop !== undefined},"methods":[${listNames(methods)}],"actors":[${listNames(actors)}],"needs":${needs}}`,
    fetch: fetch && handlerOf(fetch),
    scheduled: scheduled && handlerOf(scheduled),
    queue: queue && handlerOf(queue),
    start: start && ((env) => ReflectApply(start, main, [env])),
    stop: stop && ((reason) => ReflectApply(stop, main, [reason])),
    method: (name, env, ctx) => methods.get(name)?.(env, ctx),
    actor: (name) => ReflectApply(mapGet, actors, [name]) as ActorClass | undefined,
  }
}

/** Names as JSON texts. What a patched iterator yields may be anything; only strings are names. */
function listNames(methods: ReadonlyMap<string, unknown>): string {
  let list = ''
  let count = 0
  for (const name of methods.keys()) {
    if (++count > MAX_METHODS) break
    if (typeof name !== 'string') continue
    list += (list === '' ? '' : ',') + (stringify(name) as string)
  }
  return list
}

const MAX_METHODS = 256
const mapGet = Map.prototype.get

const isObject = (value: unknown): value is object =>
  (typeof value === 'object' && value !== null) || typeof value === 'function'

function isClass(value: unknown): value is Callable {
  return typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value))
}

const bound =
  (self: unknown, method: Callable): Callable =>
  (...args) =>
    ReflectApply(method, self, args)

/** Functions on the object and its prototypes, but not what every object or base class has. */
function methodNames(holder: unknown): string[] {
  const names = new Set<string>()
  let level: unknown = holder
  for (
    let depth = 0;
    depth < 8 && isObject(level) && level !== Object.prototype && level !== Function.prototype;
    depth++
  ) {
    for (const name of Object.getOwnPropertyNames(level)) {
      const descriptor = Object.getOwnPropertyDescriptor(level, name)
      if (typeof descriptor?.value === 'function' && !RESERVED.has(name) && !name.startsWith('_'))
        names.add(name)
    }
    level = Object.getPrototypeOf(level)
  }
  return [...names]
}
