/**
 * Lifecycle hooks of what a container made. The order is the order of dependencies: a part is started after all it depends on,
 * directly or through parts without hooks, and stopped before them.
 */
import { endingFailed } from './problems.ts'
import { LIVES, type Plan, type Plans } from './plan.ts'
import { HOOKS, type HookName } from './provider.ts'
import type { Token } from './token.ts'
import { VelaError } from '../core/errors.ts'

export type BoundHook = (signal: AbortSignal) => Promise<void>

export interface HookedPart extends Readonly<Partial<Record<HookName, BoundHook>>> {
  readonly token: Token<unknown>
  /** The token's, with a number if another part has it too: tokens of one name are two. */
  readonly name: string
  /** Names of the hooked parts that it waits for. */
  readonly dependsOn: readonly string[]
}

/** In the order of dependencies. Every singleton has been made. */
export function hookedParts(
  plans: Plans,
  instanceOf: (token: Token<unknown>) => unknown,
  injected: ReadonlyMap<symbol, readonly unknown[]>,
  also: (token: Token<unknown>) => boolean,
): HookedPart[] {
  const parts = new Map<Plan, HookedPart>()
  const names = new Set<string>()
  for (const plan of plans.order) {
    if (plan.life !== LIVES.singleton) continue
    const hooks = hooksOf(plan, instanceOf(plan.provider.provide), injected.get(plan.key) ?? [])
    if (Object.keys(hooks).length === 0 && !also(plan.provider.provide)) continue
    const dependsOn = [...nearest(plan, parts)].map(({ name }) => name)
    let { name } = plan
    for (let number = 2; names.has(name); number++) name = `${plan.name} (${number})`
    names.add(name)
    parts.set(plan, { token: plan.provider.provide, name, dependsOn, ...hooks })
  }
  return [...parts.values()]
}

function hooksOf(
  { provider }: Plan,
  instance: unknown,
  injected: readonly unknown[],
): Partial<Record<HookName, BoundHook>> {
  const bound: Partial<Record<HookName, BoundHook>> = {}
  for (const name of HOOKS) {
    const named = provider.hooks[name]
    const own: unknown =
      typeof instance === 'object' && instance !== null ? Reflect.get(instance, name) : undefined
    if (named !== undefined) bound[name] = async (signal) => void (await named(instance, signal, ...injected))
    else if (typeof own === 'function')
      bound[name] = async (signal) => void (await Reflect.apply(own, instance, [signal]))
  }
  return bound
}

function nearest(plan: Plan, parts: ReadonlyMap<Plan, HookedPart>): ReadonlySet<HookedPart> {
  const found = new Set<HookedPart>()
  const seen = new Set<Plan>()
  const open = [...plan.before]
  for (let here = open.pop(); here !== undefined; here = open.pop()) {
    if (seen.has(here)) continue
    seen.add(here)
    const part = parts.get(here)
    if (part !== undefined) found.add(part)
    else open.push(...here.before)
  }
  return found
}

/** One after the other. `begun` grows by each whose start was begun; on a failure nothing further is started. */
export async function startHooks(
  hook: 'onStart' | 'onReady',
  parts: readonly HookedPart[],
  begun: HookedPart[] = [],
): Promise<void> {
  const { signal } = new AbortController()
  for (const part of parts) {
    begun.push(part)
    try {
      await part[hook]?.(signal)
    } catch (thrown) {
      if (thrown instanceof VelaError) throw thrown
      throw endingFailed(`${part.name}.${hook} failed`, [[part.name, thrown]])
    }
  }
}

/** Whatever fails, every hook is run. */
export async function stopHooks(
  hooks: readonly ('onDrain' | 'onStop')[],
  parts: readonly HookedPart[],
): Promise<void> {
  const { signal } = new AbortController()
  const failures: (readonly [string, unknown])[] = []
  for (const hook of hooks) {
    for (const part of parts.toReversed()) {
      await part[hook]?.(signal).catch((thrown: unknown) => failures.push([`${part.name}.${hook}`, thrown]))
    }
  }
  if (failures.length > 0) throw endingFailed('hooks failed', failures)
}
