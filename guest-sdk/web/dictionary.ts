/** How Web IDL turns what a caller passes into a dictionary: none given is an empty one, a primitive is refused. */
export function dictionary<Init extends object>(hostile: Init | null | undefined, what: string): Init {
  if (hostile === undefined || hostile === null) return {} as Init
  if (typeof hostile !== 'object' && typeof hostile !== 'function') {
    throw new TypeError(`${what}: the init must be an object`)
  }
  return hostile
}
