/** The order in which components start: each after what it depends on, else as they were added. */
import { VelaError } from './errors.ts'

export interface Ordered {
  readonly name: string
  readonly dependsOn?: readonly string[]
}

/** Throws VELA_LIFECYCLE_CYCLE with the path of the circle, or names a dependency that nobody added. */
export function orderComponents(components: readonly Ordered[]): string[] {
  const byName = new Map(components.map((component) => [component.name, component]))
  const order = new Set<string>()
  const path: string[] = []
  const visit = (component: Ordered): void => {
    if (order.has(component.name)) return
    if (path.includes(component.name)) {
      const circle = [...path.slice(path.indexOf(component.name)), component.name]
      throw new VelaError(
        'VELA_LIFECYCLE_CYCLE',
        `components depend on each other in a circle: ${circle.join(' → ')}`,
        {
          details: { path: circle },
        },
      )
    }
    path.push(component.name)
    for (const name of component.dependsOn ?? []) {
      const dependency = byName.get(name)
      if (dependency === undefined) {
        throw new VelaError(
          'VELA_LIFECYCLE_HOOK_FAILED',
          `${component.name} depends on ${name}, which was not added`,
          {
            details: { component: component.name, dependency: name },
          },
        )
      }
      visit(dependency)
    }
    path.pop()
    order.add(component.name)
  }
  for (const component of components) visit(component)
  return [...order]
}
