/** What configuration and manifests are refused with. */
import { expect } from 'vitest'
import { VelaError } from '../../host/core/errors.ts'

/** What it throws, which must be a VelaError. */
export function failure(run: () => unknown): VelaError {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(VelaError)
    if (error instanceof VelaError) return error
  }
  throw new Error('nothing was thrown')
}
