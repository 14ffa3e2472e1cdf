/** A promise that a test settles when it likes. */
export interface Gate {
  readonly open: () => void
  readonly passed: Promise<void>
}

export function gate(): Gate {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { open: resolve, passed: promise }
}
