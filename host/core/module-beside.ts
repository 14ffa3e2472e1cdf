/**
 * Where the module of another thread is. The package runs from its sources and, published, from what is built of them, since type
 * stripping does not run inside node_modules: a module that is told by its address has the extension of the one that tells.
 */

/** `from`: import.meta.url of a module in the same folder. `name`: without extension. */
export function moduleBeside(from: string, name: string): URL {
  return new URL(`./${name}.${from.endsWith('.ts') ? 'ts' : 'js'}`, from)
}
