/**
 * A part of the kernel as one expression whose value is its exports. Parts are evaluated after guest code has run:
 * a bundler's own export helpers call `Object.defineProperty` and the like by name, and would hand a part to whatever the
 * guest put there.
 */

/** `module`: a bundle in the format `esm` without imports, with one list of exports at its end. */
export function partExpression(module: string): string {
  const exported = /export\s*\{([^}]*)\};?\s*$/.exec(module)
  if (exported === null) throw new Error('A part of the kernel exports nothing')
  const members = (exported[1] as string).split(',').map((item) => {
    const [local, name = local] = item.trim().split(/\s+as\s+/)
    return `${name}:${local}`
  })
  return `(()=>{"use strict";${module.slice(0, exported.index)}return{${members.join()}}})()`
}
