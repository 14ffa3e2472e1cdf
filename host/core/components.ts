/** Part of the composition root: the container's parts with hooks become components of the lifecycle. */
import type { Container } from '../di/container.ts'
import type { HookedPart } from '../di/hooks.ts'
import type { HostServices } from './host-services.ts'
import type { Lifecycle } from './lifecycle.ts'
import { isOwnPart, PART } from './parts.ts'

/**
 * The order is the container's. One thing it does not know: what the embedder provides is up before the first guest and goes down
 * after the last, since guests may use it; unless it stands on those parts itself.
 */
export function addComponents(
  container: Container,
  lifecycle: Pick<Lifecycle, 'add'>,
  hosts: HostServices,
): void {
  // Others may name a host service that has no hooks in `dependsOn`.
  const parts = container.hooked((token) => hosts.optionsOf(token) !== undefined)
  const guests = [PART.cells.name, PART.tasks.name]
  const afterGuests = dependents(parts, guests)
  const first = parts
    .filter(({ token, name }) => !isOwnPart(token) && !afterGuests.has(name))
    .map(({ name }) => name)
  const serviceNames = new Map(
    parts
      .filter(({ token }) => hosts.optionsOf(token) !== undefined)
      .map(({ token, name }) => [token.name, name]),
  )
  for (const { token, name, dependsOn: own, ...hooks } of parts) {
    const { dependsOn: named = [], timeoutMs } = hosts.optionsOf(token) ?? {}
    const others = guests.includes(name) ? first : named.map((other) => serviceNames.get(other) ?? other)
    lifecycle.add({
      name,
      dependsOn: [...own, ...others],
      ...hooks,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    })
  }
}

/** Those and all that depend on them, directly or through others. Each part stands after what it depends on. */
function dependents(parts: readonly HookedPart[], on: readonly string[]): ReadonlySet<string> {
  const found = new Set(on)
  for (const { name, dependsOn } of parts) if (dependsOn.some((other) => found.has(other))) found.add(name)
  return found
}
