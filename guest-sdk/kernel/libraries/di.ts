/** The SDK's container (guest-sdk/di), on what the kernel knows of turns, actors and bindings. */
import { createContainers } from '../../di/container.ts'
import { provide } from '../../di/provider.ts'
import { createBindings, lazy, optional, token } from '../../di/token.ts'
import type { LibraryFactory } from '../libraries.ts'

export const create: LibraryFactory = ({ wiring }) => ({
  ...createContainers(wiring),
  binding: createBindings(),
  lazy,
  optional,
  provide,
  token,
})
