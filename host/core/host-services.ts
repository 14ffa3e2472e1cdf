/** Trusted services of the host (`runtime.registerService`): built once, and part of the runtime's lifecycle. */
import type { Component, Hook, HookName } from './lifecycle.ts'

/** What a host service may have; each hook gets a signal that aborts at its deadline. */
export type HostService = object & { readonly [Name in HookName]?: Hook }

/** A class, a factory, or the service itself. */
export type HostServiceProvider = (new () => object) | (() => object | Promise<object>) | object

export interface HostServiceOptions {
  /** Names of services that start before and stop after this one. */
  readonly dependsOn?: readonly string[]
  readonly timeoutMs?: Partial<Record<HookName, number>>
}

const HOOKS: readonly HookName[] = ['onStart', 'onReady', 'onDrain', 'onStop']

export async function instantiate(provider: HostServiceProvider): Promise<object> {
  if (typeof provider !== 'function') return provider
  const isClass = /^class\b/.test(Function.prototype.toString.call(provider))
  if (isClass) return new (provider as new () => object)()
  return await (provider as () => object | Promise<object>)()
}

export function componentOf(name: string, instance: object, options: HostServiceOptions): Component {
  const hooks: Partial<Record<HookName, Hook>> = {}
  for (const hook of HOOKS) {
    const method: unknown = Reflect.get(instance, hook)
    if (typeof method === 'function')
      hooks[hook] = async (signal) => void (await Reflect.apply(method, instance, [signal]))
  }
  return { name, ...options, ...hooks }
}
