/** Channels between tasks of the host's own code: the library that guests have (guest-sdk/concurrency), with the host's errors. */
import { createChannels, type Channels } from '../../../guest-sdk/concurrency/channels.ts'
import { VelaError } from '../../core/errors.ts'

const library = createChannels({
  createError: (code, message, cause) => new VelaError(code, message, { cause }),
})

export const channel: Channels['channel'] = library.channel
export const broadcast: Channels['broadcast'] = library.broadcast
