/** The SDK's library of tasks, futures and waiting (guest-sdk/async), on what a guest has. */
import { createAsync } from '../../async/async.ts'
import type { LibraryFactory } from '../libraries.ts'

export const create: LibraryFactory = ({ platform }) => ({ ...createAsync(platform) })
