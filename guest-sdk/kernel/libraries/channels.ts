/** The SDK's channels within an isolate (guest-sdk/concurrency), with the errors of guests. */
import { createChannels } from '../../concurrency/channels.ts'
import type { LibraryFactory } from '../libraries.ts'

export const create: LibraryFactory = ({ createError }) => ({ ...createChannels({ createError }) })
